/**
 * What a control plane does before it asks for an engine that another one still has, so that the pause between the two is not spent on
 * it: modules are loaded, code that opening and taking over run is compiled, pages of the stores are in memory.
 */

import { setFlagsFromString } from 'node:v8';
import type { PreparedAdmin } from '../../admin/index.js';
import { listenAddress, type Config } from '../../config.js';
import { Stage } from './rehearsal-stage.js';
import type { StoreFollowers } from '../stores.js';

/** A function is compiled when it has run often enough, which is told by what it costs. */
const ROUNDS = 25;
/** Between two looks at what was written meanwhile. */
const FOLLOW_MS = 250;

/**
 * Takes a second or so of this process's time, and more where the stores hold much; `over` ends it early. Nothing of what others use is
 * changed.
 */
export async function rehearse(
  config: Config, url: string, followers: StoreFollowers | null, over: () => boolean,
): Promise<PreparedAdmin> {
  // What is compiled stays, however long it is waited for.
  setFlagsFromString('--no-flush-bytecode');
  const admin = await makeAdmin(config, url);
  await import('jose');
  const stage = new Stage();
  for (let round = 0; round < ROUNDS && !over(); round++) {
    await followers?.log.rehearse();
    stage.takeOver();
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (followers !== null) await follow(followers, over);
  return admin;
}

/** Reads what the stores hold by now. */
async function follow({ log, sessions }: StoreFollowers, over: () => boolean): Promise<void> {
  await sessions.follow(over);
  await log.follow(over);
}

/** Reads along with whoever has the stores, until it is `over`, of which `end` tells. */
export async function keepUp(followers: StoreFollowers, over: () => boolean, end: Promise<unknown>): Promise<void> {
  while (!over()) {
    let timer: NodeJS.Timeout | undefined;
    const pause = new Promise((resolve) => (timer = setTimeout(resolve, FOLLOW_MS)));
    await Promise.race([pause, end.catch(() => undefined)]);
    clearTimeout(timer);
    await follow(followers, over);
  }
}

/** Loaded here: whoever takes over in a hurry does without until clients are answered. */
export async function makeAdmin(config: Config, gatewayUrl: string): Promise<PreparedAdmin> {
  const { host, port } = listenAddress(config.admin);
  const { prepareAdmin } = await import('../../admin/index.js');
  const gatewayApart = config.network !== null;
  return prepareAdmin({
    host, port, gatewayUrl, gatewayApart, token: config.adminToken, dataFolder: config.data, allowedHosts: config.adminHosts,
  });
}
