/**
 * What a control plane does before it asks for an engine that another one still has, so that the pause between the two is not spent on
 * it: modules are loaded, code that opening and taking over run is compiled, pages of the stores are in memory.
 */

import type { PreparedAdmin } from '../admin/index.js';
import { listenAddress, type Config } from '../config.js';
import { LmdbMessageLog } from '../store/lmdb-message-log.js';
import { Stage } from './rehearsal-stage.js';
import { logOptions } from './stores.js';

/** A function is compiled when it has run often enough, which is told by what it costs. */
const ROUNDS = 5;

/** Takes a second or so of this process's time; `over` ends it early. Nothing of what others use is changed. */
export async function rehearse(config: Config, url: string, over: () => boolean): Promise<PreparedAdmin> {
  const admin = await makeAdmin(config, url);
  await import('jose');
  const stage = new Stage();
  for (let round = 0; round < ROUNDS && !over(); round++) {
    await LmdbMessageLog.rehearse(logOptions(config));
    stage.takeOver();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return admin;
}

/** Loaded here: whoever starts in a hurry does without until clients are answered. */
export async function makeAdmin(config: Config, gatewayUrl: string): Promise<PreparedAdmin> {
  const { host, port } = listenAddress(config.admin);
  const { prepareAdmin } = await import('../admin/index.js');
  const gatewayApart = config.network !== null;
  return prepareAdmin({ host, port, gatewayUrl, gatewayApart, token: config.adminToken, dataFolder: config.data });
}
