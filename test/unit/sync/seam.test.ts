/**
 * The seam between catch-up and live delivery, under publishing that never stops: random schedules of publishes, commits, engine
 * turns, slow readers, lagging, new `sub`s with `since`, retention and reconnects. A checker outside sees what each subscriber got.
 */

import t from 'tap';
import { makeHarness, type Harness, type Peer } from '../../support/gateway-harness.js';
import { seeded, type Random } from '../../support/random.js';

const CHANNELS = ['a', 'b', 'c'];

/** When everybody has everything at the end. */
const FINISH_MS = 20_000;

interface Incomplete {
  readonly channel: string;
  readonly from_seq: number;
  readonly to_seq: number;
}

/** What one subscriber must see next in each channel; undefined where it is not subscribed. */
class Checker {
  readonly #next = new Map<string, number | null>();
  readonly #pending = new Map<number, { readonly channel: string; readonly since: number | null }>();
  seen = 0;

  asked(id: number, channel: string, since: number | null): void {
    this.#pending.set(id, { channel, since });
  }

  /** Throws where a message is missing, doubled or out of order. */
  receive(header: Record<string, unknown>): void {
    if (header['op'] === 'ok') this.#ok(header['id'] as number, header['server_seq'] as number);
    else if (header['op'] === 'incomplete') this.#incomplete(header as unknown as Incomplete);
    else if (header['op'] === 'msg') this.#message(header['channel'] as string, header['server_seq'] as number);
    else throw new Error(`unexpected ${JSON.stringify(header)}`);
  }

  get position(): ReadonlyMap<string, number | null> {
    return this.#next;
  }

  #ok(id: number, head: number): void {
    const asked = this.#pending.get(id);
    if (asked === undefined) return;
    this.#pending.delete(id);
    if (asked.since !== null) this.#next.set(asked.channel, asked.since + 1);
    else if (!this.#next.has(asked.channel)) this.#next.set(asked.channel, head + 1);
  }

  #incomplete({ channel, from_seq, to_seq }: Incomplete): void {
    const expected = this.#next.get(channel);
    if (expected !== from_seq) throw new Error(`${channel}: incomplete from ${from_seq}, expected ${expected}`);
    this.#next.set(channel, to_seq + 1);
  }

  #message(channel: string, seq: number): void {
    const expected = this.#next.get(channel);
    if (seq !== expected) throw new Error(`${channel}: got ${seq}, expected ${expected}`);
    this.#next.set(channel, seq + 1);
    this.seen += 1;
  }
}

interface Subscriber {
  peer: Peer;
  checker: Checker;
}

class Schedule {
  readonly #random: Random;
  readonly #harness: Harness;
  readonly #publisher: Peer;
  readonly #subscribers: Subscriber[];
  #id = 0;

  constructor(random: Random, harness: Harness, publisher: Peer, subscribers: Subscriber[]) {
    this.#random = random;
    this.#harness = harness;
    this.#publisher = publisher;
    this.#subscribers = subscribers;
  }

  async step(): Promise<void> {
    const { port, log } = this.#harness;
    const dice = this.#random.below(100);
    if (dice < 35) this.#publish();
    else if (dice < 50) port.deliver(1 + this.#random.below(4));
    else if (dice < 65) port.carryOut(1 + this.#random.below(6));
    else if (dice < 75) await this.#commit();
    else if (dice < 83) this.#subscribe();
    else if (dice < 90) this.#reading();
    else if (dice < 92) log.expire(this.#random.pick(CHANNELS), this.#random.below(40));
    else await new Promise((resolve) => setImmediate(resolve));
    this.#check();
  }

  /** Everybody reads, everything is carried out; then each must be at the head. */
  async finish(): Promise<void> {
    const { port, log, settle } = this.#harness;
    log.held = false;
    log.commit();
    const deadline = Date.now() + FINISH_MS;
    do {
      for (const { peer } of this.#subscribers) {
        peer.client.reading = true;
        port.drain(peer.row);
      }
      await settle();
      // Replays stand still while a commit is under way.
      await new Promise((resolve) => setTimeout(resolve, 1));
      this.#check();
    } while (this.#behind() !== null && Date.now() < deadline);
    for (const answer of this.#publisher.client.take()) this.#acknowledged(answer);
    const behind = this.#behind();
    if (behind !== null) throw new Error(behind);
  }

  #behind(): string | null {
    for (const { checker } of this.#subscribers) {
      for (const [channel, next] of checker.position) {
        const head = this.#harness.log.openChannel(channel).headSeq;
        if (next !== head + 1) return `${channel}: ended before ${next}, head is ${head}`;
      }
    }
    return null;
  }

  #publish(): void {
    this.#id += 1;
    const header = { op: 'pub', id: this.#id, channel: this.#random.pick(CHANNELS), key: `k${this.#id}` };
    this.#publisher.send(header, 'x'.repeat(this.#random.below(300)));
  }

  async #commit(): Promise<void> {
    this.#harness.log.commit();
    await new Promise((resolve) => setImmediate(resolve));
    for (const answer of this.#publisher.client.take()) this.#acknowledged(answer);
  }

  #acknowledged(answer: Record<string, unknown>): void {
    // Overload is refused, which is right; anything else is not.
    if (answer['op'] !== 'ok' && answer['code'] !== 1013) throw new Error(JSON.stringify(answer));
  }

  #subscribe(): void {
    const { peer, checker } = this.#random.pick(this.#subscribers);
    const channel = this.#random.pick(CHANNELS);
    const head = this.#harness.log.openChannel(channel).headSeq;
    const since = this.#random.chance(0.8) ? this.#random.below(head + 1) : null;
    this.#id += 1;
    checker.asked(this.#id, channel, since);
    peer.send({ op: 'sub', id: this.#id, channel, ...(since === null ? {} : { since: { seq: since } }) });
  }

  #reading(): void {
    const { peer } = this.#random.pick(this.#subscribers);
    peer.client.reading = this.#random.chance(0.5);
    if (peer.client.reading) this.#harness.port.drain(peer.row);
  }

  #check(): void {
    for (const { peer, checker } of this.#subscribers) for (const header of peer.client.take()) checker.receive(header);
  }
}

async function run(seed: number, steps: number): Promise<{ seen: number; lagged: boolean }> {
  const random = seeded(seed);
  const limits = { publishRate: 0, catchUpChunkBytes: 4096, catchUpTurnBytes: 8192, slowConsumerTimeoutMs: 600_000 };
  const harness = await makeHarness({ limits }, { chunkSize: 16 * 1024, chunks: 4, sendBudget: 2000 });
  const publisher = await harness.connect();
  const subscribers: Subscriber[] = [];
  for (let i = 0; i < 3; i += 1) subscribers.push({ peer: await harness.connect(), checker: new Checker() });
  harness.log.held = true;
  harness.port.lazy = true;
  const schedule = new Schedule(random, harness, publisher, subscribers);
  try {
    for (let step = 0; step < steps; step += 1) await schedule.step();
    await schedule.finish();
  } catch (error) {
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
  const lagged = harness.gateway.admin.stats().counters['lagging_events'] ?? 0;
  return { seen: subscribers.reduce((sum, { checker }) => sum + checker.seen, 0), lagged: lagged > 0 };
}

t.test('each subscriber sees each message once, in order', async (t) => {
  const seeds = Number(process.env['SEAM_SEEDS'] ?? 40);
  const first = Number(process.env['SEAM_SEED'] ?? 1);
  let seen = 0;
  let lagged = 0;
  for (let seed = first; seed < first + seeds; seed += 1) {
    const result = await run(seed, 1500);
    seen += result.seen;
    lagged += result.lagged ? 1 : 0;
  }
  t.ok(seen > seeds * 100, `${seen} deliveries were checked`);
  t.ok(lagged > seeds / 4, `subscribers lagged in ${lagged} of ${seeds} schedules`);
});
