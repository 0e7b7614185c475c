/**
 * The death of the control plane between any two steps of any operation. Every call of the engine's port and of the stores is a step; a
 * scenario is played once for each, with a control plane that dies there and another one that goes on. What the clients saw is checked.
 */
import t from 'tap';

import { RawClient } from './raw-client.js';
import { TakeoverWorld, type WorldOptions } from './takeover-world.js';

const STEPS_MAX = 2000;
/** Plays that go on at once: most of each is waiting. */
const AT_ONCE = 4;

/** Returns what is checked when everything has come. */
export type Scenario = (world: TakeoverWorld, watch: (client: RawClient) => void) => Promise<() => string[]>;

/** Plays the scenario while control planes die; `reached` is false when step `dieAt` never was. */
async function play(scenario: Scenario, dieAt: number, options: WorldOptions): Promise<{ reached: boolean; faults: string[] }> {
  const world = new TakeoverWorld(options);
  const clients: RawClient[] = [];
  let running = true;
  try {
    await world.attach(dieAt);
    let reached = false;
    const gravedigger = (async () => {
      while (running) {
        if (world.life.dead) {
          reached = true;
          world.bury();
          await world.attach(Infinity);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    try {
      const check = await scenario(world, (client) => clients.push(client));
      return { reached, faults: check() };
    } finally {
      running = false;
      await gravedigger;
    }
  } catch (error) {
    return { reached: true, faults: [error instanceof Error ? error.message : String(error)] };
  } finally {
    for (const client of clients) client.close();
    await world.end();
  }
}

/** Every operation was answered once; the deliveries of the channel are these, each once. */
export function account(client: RawClient, ids: readonly number[], seqs: readonly number[]): string[] {
  const faults: string[] = [];
  const answers = client.answers.map(({ id }) => id).sort((a, b) => a - b);
  if (JSON.stringify(answers) !== JSON.stringify(ids)) faults.push(`answers ${answers.join()} instead of ${ids.join()}`);
  for (const { header } of client.answers) if (header['op'] === 'err') faults.push(JSON.stringify(header));
  const delivered = client.delivered.map(({ seq }) => seq);
  if (JSON.stringify(delivered) !== JSON.stringify(seqs)) faults.push(`delivered ${delivered.join()} instead of ${seqs.join()}`);
  return faults;
}

export const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** One test for each scenario. */
export function exhaust(scenarios: Readonly<Record<string, Scenario>>, options: WorldOptions = {}): void {
  // On a machine with much else to do.
  t.setTimeout(600_000);
  for (const [name, scenario] of Object.entries(scenarios)) {
    t.test(`${name}: a death at any step is not noticed`, async (t) => {
      const faults: string[] = [];
      let next = 0;
      let steps = Infinity;
      const player = async (): Promise<void> => {
        while (next < Math.min(steps, STEPS_MAX) && faults.length < 10) {
          const step = next++;
          const played = await play(scenario, step, options);
          faults.push(...played.faults.map((fault) => `death at step ${step}: ${fault}`));
          if (!played.reached) steps = Math.min(steps, step);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, player));
      t.same(faults, []);
      t.ok(steps > 10 && steps < STEPS_MAX, `${steps} steps`);
    });
  }
}
