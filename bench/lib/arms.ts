import { existsSync } from 'node:fs';

import { ArgumentError } from './options.js';
import { SERVERS, SLUICE_CLI, SLUICE_INDEX } from './paths.js';
import { scratchFolder } from './scratch.js';
import { Server } from './server.js';
import { linkLacking } from '../wire/link.js';

/** `serve` is the whole gateway, which has no peers here. */
export type Role = 'echo' | 'fanout' | 'serve';

/** One of the servers that are compared. */
export interface Arm {
  readonly name: string;
  readonly label: string;
  readonly sluice: boolean;
  /** Its clients are on a virtio-user link, not on the loopback device. */
  readonly wire: boolean;
  readonly about: string;
  /** What sluice-load is told so that it speaks as this server does. */
  readonly clientFlags: readonly string[];
  /** Null where the server does not play that role over sockets. */
  command(role: Role): string[] | null;
}

/** The arm that all ratios refer to. */
export const BASE = 'uws';

const NODE = process.execPath;

function peer(name: string, label: string, about: string, clientFlags: readonly string[] = []): Arm {
  const command = (role: Role): string[] | null => (role === 'serve' ? null : [NODE, `${SERVERS}${name}.mjs`, role]);
  return { name, label, sluice: false, wire: false, about, clientFlags, command };
}

function sluice(driver: 'epoll' | 'uring'): Arm {
  return {
    name: `sluice-${driver}`,
    label: `Sluice (${driver === 'uring' ? 'io_uring' : 'epoll'})`,
    sluice: true,
    wire: false,
    about: `createEngine, driver ${driver}, handlers in JavaScript, defaults otherwise`,
    clientFlags: [],
    command: (role) => {
      if (role === 'fanout') return [NODE, `${SERVERS}sluice-fanout.mjs`, driver];
      const common = [NODE, SLUICE_CLI, role, '--driver', driver, '--listen', '127.0.0.1:0'];
      if (role === 'echo') return common;
      return [...common, '--admin', '127.0.0.1:0', '--data', scratchFolder(), '--allow-anonymous', '--publish-rate', '0'];
    },
  };
}

/** The same gateway in two processes. */
function detached(driver: 'epoll' | 'uring'): Arm {
  const embedded = sluice(driver);
  return {
    ...embedded,
    name: `${embedded.name}-detached`,
    label: `${embedded.label}, detached`,
    about: `sluice engine --driver ${driver} and sluice serve --attach: the CPU time of both counts`,
    command: (role) => (role === 'serve' ? [NODE, `${SERVERS}detached.mjs`, driver, scratchFolder()] : null),
  };
}

const DPDK: Arm = {
  name: 'sluice-dpdk',
  label: 'Sluice (DPDK)',
  sluice: true,
  wire: true,
  about: 'sluice echo --driver dpdk, handlers in JavaScript, on our own TCP over a virtio-user link',
  clientFlags: [],
  command: () => null,
};

export const ARMS: readonly Arm[] = [
  peer('uws', 'uWebSockets.js', 'uWebSockets.js 20.30, native module, no compression, its own publish'),
  peer('ws', 'ws', 'ws 8, perMessageDeflate off, defaults otherwise, fan-out by a loop of sends'),
  peer('socket-io', 'Socket.IO', 'Socket.IO 4.8, WebSocket transport only, an event each way, fan-out by a room', ['--socket-io']),
  sluice('epoll'),
  sluice('uring'),
  detached('epoll'),
  detached('uring'),
  DPDK,
];

/** Throws ArgumentError for a name that no server has: it would be left out in silence. */
export function checkArms(names: readonly string[]): void {
  const unknown = names.find((name) => !ARMS.some((arm) => arm.name === name));
  if (unknown === undefined) return;
  throw new ArgumentError(`--arms: there is no '${unknown}'; there are ${ARMS.map(({ name }) => name).join(', ')}`);
}

/** The same server once more under another name: how far apart its two rows lie is the noise of everything else. */
export function twin(arm: Arm): Arm {
  return { ...arm, name: `${arm.name}-again`, label: `${arm.label}, A/A` };
}

export interface ArmChoice {
  readonly arms: readonly Arm[];
  readonly aa: { readonly first: string; readonly second: string } | null;
  readonly missing: readonly { readonly name: string; readonly why: string }[];
}

/** Starts every arm once: one that cannot run here is left out by name and reason, and never in silence. */
export async function chooseArms(role: Role, wanted: readonly string[] | null, withTwin: boolean): Promise<ArmChoice> {
  const arms: Arm[] = [];
  const missing: { name: string; why: string }[] = [];
  for (const arm of ARMS) {
    if (wanted !== null && !wanted.includes(arm.name)) continue;
    const command = arm.command(role);
    if (arm.wire ? role !== 'echo' : command === null) continue;
    const why = command === null ? linkLacking(0) : await whyNot(arm, role, command);
    if (why === null) arms.push(arm);
    else missing.push({ name: arm.name, why });
  }
  const doubled = arms.findLast((arm) => arm.sluice && !arm.wire) ?? arms.find((arm) => !arm.wire);
  if (!withTwin || doubled === undefined) return { arms, aa: null, missing };
  const second = twin(doubled);
  return { arms: [...arms, second], aa: { first: doubled.name, second: second.name }, missing };
}

/** A fresh server of that arm. */
export async function startArm(arm: Arm, role: Role): Promise<Server> {
  const command = arm.command(role);
  if (command === null) throw new Error(`${arm.name} does not play ${role}`);
  return Server.start(command);
}

/** Out of what a program wrote as it ended: the error itself, not the stack around it. */
function shortReason(message: string): string {
  const lines = message.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  const error = lines.find((line) => /^(\w*Error\b.*: |sluice\b)/.test(line));
  return error ?? lines.slice(0, 2).join(' / ');
}

async function whyNot(arm: Arm, role: Role, command: readonly string[]): Promise<string | null> {
  if (arm.sluice) {
    const needs = role === 'fanout' ? SLUICE_INDEX : SLUICE_CLI;
    if (!existsSync(needs)) return `there is no ${needs}`;
  }
  try {
    const server = await Server.start(command);
    await server.stop();
    return null;
  } catch (error) {
    return error instanceof Error ? shortReason(error.message) : String(error);
  }
}
