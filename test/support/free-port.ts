/**
 * Ports for servers that cannot be asked for the one that the system chose, or that come back on the same one. They lie outside of what
 * the system hands out by itself: there, between looking and binding, an outgoing connection takes it, or a client that dials a server
 * which is just away connects to itself.
 */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';

const LOWEST = 12_000;
const HIGHEST = 65_535;
const TRIES = 1000;

/** The longer of the two sides of the system's own range. */
function usable(): readonly [number, number] {
  const [first = 32_768, last = 60_999] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
  return first - LOWEST >= HIGHEST - last ? [LOWEST, first] : [last + 1, HIGHEST + 1];
}

/** Null where somebody has it. */
async function listenOn(where: number | string): Promise<Server | null> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(null));
    const listening = (): void => resolve(server);
    if (typeof where === 'string') server.listen(where, listening);
    else server.listen(where, '127.0.0.1', listening);
  });
}

/** It stays this process's until that ends: a name that nobody else can take says so to other tests. */
export async function freePort(): Promise<number> {
  const [from, to] = usable();
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(from, to);
    const reservation = await listenOn(`\0sluice-test-port-${port}`);
    if (reservation === null) continue;
    const server = await listenOn(port);
    if (server !== null) {
      reservation.unref();
      await new Promise((resolve) => server.close(resolve));
      return port;
    }
    reservation.close();
  }
  throw new Error(`no free port from ${from} to ${to - 1}`);
}
