/** A network that breaks: forwards TCP and cuts connections at random moments, with what is on the way. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface FlakyProxy {
  readonly port: number;
  readonly cuts: number;
  /** Lets connections live from now on. */
  calm(): void;
  close(): Promise<void>;
}

/** Each connection lives for a random time around `lifeMs`; half of the cuts swallow what was under way for a while before. */
export async function startFlakyProxy(target: { readonly host: string; readonly port: number }, lifeMs: number): Promise<FlakyProxy> {
  const pairs = new Map<Socket, NodeJS.Timeout>();
  let isCalm = false;
  let cuts = 0;
  const cut = (near: Socket, far: Socket): void => {
    pairs.delete(near);
    cuts += 1;
    near.resetAndDestroy();
    far.resetAndDestroy();
  };
  const plan = (near: Socket, far: Socket): NodeJS.Timeout =>
    setTimeout(() => {
      if (Math.random() < 0.5) return cut(near, far);
      // A dead network before anybody notices: both sides still write.
      near.unpipe(far);
      far.unpipe(near);
      pairs.set(near, setTimeout(() => cut(near, far), Math.random() * 200));
    }, lifeMs * (0.1 + 1.8 * Math.random()));
  const server = createServer((near) => {
    const far = connect(target);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.pipe(far).pipe(near);
    if (isCalm) return;
    pairs.set(near, plan(near, far));
    near.on('close', () => clearTimeout(pairs.get(near)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get cuts() {
      return cuts;
    },
    calm() {
      isCalm = true;
      for (const timer of pairs.values()) clearTimeout(timer);
      // Those that were made deaf already hear nothing more: end them.
      for (const near of pairs.keys()) near.resetAndDestroy();
      pairs.clear();
    },
    async close() {
      for (const [near, timer] of pairs) {
        clearTimeout(timer);
        near.destroy();
      }
      server.close();
      await once(server, 'close').catch(() => undefined);
    },
  };
}
