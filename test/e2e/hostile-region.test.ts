/** A region in which another process has written at random: who reads it says so and lets go; the engine keeps its connections. */
import t from 'tap';

import { attachEngine, startDetachedEngine, type AttachedEngine, type AttachmentEnd } from '../../src/engine/index.js';
import { SECTION_KIND } from '../../src/engine/layout.js';
import { RegionView, type SectionKind } from '../../src/engine/region.js';
import type { EngineEvents } from '../../src/engine/port.js';
import { seeded, type Random } from '../support/random.js';
import { RawClient } from '../support/raw-client.js';
import { sleep } from '../support/wait.js';

const ROUNDS = 25;
const NOTICED_MS = 60_000;
const PROTOCOL = { protocol: 'sluice.v1', paths: ['/v1'], subprotocols: ['sluice.v1'] } as const;

/** The former one's end takes the engine a moment to notice. */
async function attach(name: string): Promise<AttachedEngine> {
  for (const deadline = Date.now() + NOTICED_MS; ; ) {
    try {
      return await attachEngine({ name, mode: 'first' });
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(5);
    }
  }
}

/** Takes everything, and checks that it lies where it may. */
function watch(host: AttachedEngine, faults: string[]): EngineEvents {
  const { port } = host;
  const row = (at: number): void => {
    if (!Number.isInteger(at) || at < 0 || at >= port.rows) faults.push(`row ${at}`);
  };
  const bytes = (address: number, length: number): void => {
    if (address + length > port.memory.length) faults.push(`bytes ${address}+${length}`);
  };
  return {
    onOpen: (at, request) => (row(at), bytes(request.address, request.length)),
    onMessage: (at, address, length) => (row(at), bytes(address, length)),
    onClose: row,
    onWritable: row,
    onLagging: row,
    onNotice: () => undefined,
    onTurnEnd: (core, position) => port.confirm(core, position),
  };
}

function scribble(host: AttachedEngine, kind: SectionKind, random: Random): void {
  const { offset, size } = new RegionView(host.port.memory.buffer as ArrayBuffer).section(kind, 0);
  for (let i = 0; i < size; i++) if (random.chance(0.7)) host.port.memory[offset + i] = random.below(256);
}

for (const [name, kind] of [['event', SECTION_KIND.EVENT_RING], ['command', SECTION_KIND.COMMAND_RING]] as const) {
  t.test(`random bytes in the ${name} ring`, async (t) => {
    const region = `hostile-${process.pid}-${name}`;
    const engine = startDetachedEngine({ name: region, connections: 64, arenaBytes: 1 << 24, ...PROTOCOL });
    t.teardown(() => engine.stop(0));
    const url = `ws://127.0.0.1:${engine.listening.port}/v1`;
    const random = seeded(kind);
    const faults: string[] = [];
    const witnesses: RawClient[] = [];
    t.teardown(() => witnesses.forEach((witness) => witness.close()));
    for (let round = 0; round < ROUNDS; round++) {
      const host = await attach(region);
      let end: AttachmentEnd | null = null;
      host.onEnd = (why) => (end = why);
      host.start(watch(host, faults));
      if (witnesses.length === 0) witnesses.push(await RawClient.connect(url));
      scribble(host, kind, random);
      witnesses[0]?.send({ round });
      for (let i = 0; i < 20 && end === null; i++) await new Promise((resolve) => setTimeout(resolve, 1));
      host.port.abandon();
      host.stop();
    }
    t.same(faults, []);
    t.equal(witnesses[0]?.closed, null, 'the connection is still there');
  });
}
