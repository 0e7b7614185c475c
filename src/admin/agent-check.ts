/**
 * The agent check of HAProxy (its manual, "agent-check"): whoever connects is told by one line whether to send clients here, and how
 * many in comparison with others. A node that drains says so at once, while its connections stay as they are.
 */

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { formatAddress, type ListenAddress } from '../config.js';
import { ListenError } from '../errors.js';
import type { AdminBackend } from './backend.js';

export interface AgentCheck {
  /** "127.0.0.1:9091", with the real port. */
  readonly address: string;
  close(): Promise<void>;
}

/** A checker that does not take its line is not waited for. */
const TIMEOUT_MS = 2000;

/** Throws ListenError. */
export async function startAgentCheck(backend: AdminBackend, listen: ListenAddress): Promise<AgentCheck> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.end(answer(backend));
  });
  await listenOn(server, listen);
  const { address, port } = server.address() as AddressInfo;
  return {
    address: formatAddress({ host: address, port }),
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** `drain` takes no new clients and keeps those that are there; `ready` ends an earlier `drain`. */
function answer(backend: AdminBackend): string {
  if (backend.health === 'draining' || backend.notReady() !== null) return 'drain\n';
  // Never 0, which would be a drain as well.
  const free = Math.max(1, Math.round((1 - backend.stats().load) * 100));
  return `ready up ${free}%\n`;
}

async function listenOn(server: Server, { host, port }: ListenAddress): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new ListenError(`the agent check cannot listen on ${host}:${port} (${reason})`, { cause });
  }
}
