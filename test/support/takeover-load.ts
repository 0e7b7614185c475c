/** Clients of one channel each that publish and subscribe all the time, and their own account of what they were told. */
import { RawClient } from './raw-client.js';
import { sleep, until } from './wait.js';

export interface LoadOptions {
  readonly connections: number;
  readonly perChannel: number;
  /** Of each client. */
  readonly publishEveryMs: number;
}

/** Opened at once; a listener's backlog has room for more. */
const OPENING = 50;
const TICK_MS = 10;

class Member {
  readonly channel: string;
  readonly client: RawClient;
  readonly acked = new Map<string, number>();
  readonly faults: string[] = [];
  readonly #load: TakeoverLoad;
  readonly #sent = new Map<number, string>();
  readonly #name: number;
  #firstSeq = -1;
  #nextId = 2;

  constructor(load: TakeoverLoad, client: RawClient, name: number, channel: string) {
    this.#load = load;
    this.client = client;
    this.#name = name;
    this.channel = channel;
    client.onAnswer = ({ id, header }) => this.#answered(id, header);
    client.send({ op: 'sub', id: 1, channel });
  }

  get subscribed(): boolean {
    return this.#firstSeq >= 0;
  }
  get waiting(): number {
    return this.#sent.size;
  }

  publish(): void {
    const id = this.#nextId++;
    const key = `${this.#name}-${id}`;
    this.#sent.set(id, key);
    this.client.send({ op: 'pub', id, channel: this.channel, key }, key);
  }

  #answered(id: number, header: Readonly<Record<string, unknown>>): void {
    if (header['op'] === 'err') this.faults.push(JSON.stringify(header));
    else if (id === 1 && this.#firstSeq < 0) this.#firstSeq = Number(header['server_seq']) + 1;
    else if (!this.#sent.has(id)) this.faults.push(`answer to ${id} came twice`);
    else this.acked.set(this.#sent.get(id) as string, Number(header['server_seq']));
    if (this.#sent.delete(id)) this.#load.acknowledged();
  }

  /** Whether it has heard everything that was acknowledged up to `head`. */
  hasHeard(head: number): boolean {
    return (this.client.delivered.at(-1)?.seq ?? 0) >= head;
  }

  /** `bodies`: what was acknowledged, by seq. */
  check(bodies: ReadonlyMap<number, string>, head: number): string[] {
    const { delivered, closed } = this.client;
    const faults = [...this.faults];
    if (closed !== null) faults.push(`closed with ${closed}`);
    let next = this.#firstSeq;
    for (const { seq, body } of delivered) {
      if (seq !== next) faults.push(`seq ${seq} where ${next} was due`);
      if (bodies.get(seq) !== body) faults.push(`seq ${seq} is ${body}, acknowledged was ${bodies.get(seq)}`);
      next = seq + 1;
    }
    if (next !== head + 1) faults.push(`ends at ${next - 1}, the channel at ${head}`);
    return faults.slice(0, 5);
  }
}

export class TakeoverLoad {
  readonly members: Member[] = [];
  readonly #options: LoadOptions;
  #timer: NodeJS.Timeout | null = null;
  #acks = 0;
  #lastAck = 0;
  #longest = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  async start(url: string): Promise<void> {
    const { connections, perChannel, publishEveryMs } = this.#options;
    for (let first = 0; first < connections; first += OPENING) {
      const count = Math.min(OPENING, connections - first);
      const clients = await Promise.all(Array.from({ length: count }, () => RawClient.connect(url)));
      for (const client of clients) {
        const name = this.members.length;
        this.members.push(new Member(this, client, name, `room-${Math.floor(name / perChannel)}`));
      }
    }
    await until('subscriptions', () => this.members.every(({ subscribed }) => subscribed));
    // Evenly: a pause is seen as long as it is only where something is always under way.
    let due = 0;
    let next = 0;
    this.#timer = setInterval(() => {
      for (due += (connections * TICK_MS) / publishEveryMs; due >= 1; due--) this.members[next++ % connections]!.publish();
    }, TICK_MS);
  }

  acknowledged(): void {
    const now = performance.now();
    this.#acks++;
    this.#longest = Math.max(this.#longest, now - this.#lastAck);
    this.#lastAck = now;
  }

  get acks(): number {
    return this.#acks;
  }

  /** The longest time without an acknowledgement of anybody while `work` runs and until messages flow behind it, in milliseconds. */
  async pause(work: () => Promise<unknown>): Promise<number> {
    this.#lastAck = performance.now();
    this.#longest = 0;
    await work();
    const before = this.#acks;
    await until('messages flow again', () => this.#acks > before);
    return this.#longest;
  }

  /** Stops publishing and waits until everybody has heard everything. */
  async finish(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await until('acknowledgements', () => this.members.every(({ waiting }) => waiting === 0));
    const heads = new Map([...this.#channels()].map(([channel, bodies]) => [channel, Math.max(0, ...bodies.keys())]));
    // What is still missing then is a fault that check() names; what came twice has come by then, too.
    await until('deliveries', () => this.members.every((member) => member.hasHeard(heads.get(member.channel) ?? 0))).catch(() => undefined);
    await sleep(200);
  }

  #channels(): Map<string, Map<number, string>> {
    const channels = new Map<string, Map<number, string>>();
    for (const { channel, acked } of this.members) {
      const bodies = channels.get(channel) ?? new Map<number, string>();
      channels.set(channel, bodies);
      for (const [key, seq] of acked) bodies.set(seq, key);
    }
    return channels;
  }

  check(): string[] {
    const channels = this.#channels();
    const faults: string[] = [];
    const sums = new Map<string, number>();
    for (const { channel, acked } of this.members) sums.set(channel, (sums.get(channel) ?? 0) + acked.size);
    for (const [channel, bodies] of channels) {
      const head = Math.max(0, ...bodies.keys());
      if (bodies.size !== head || sums.get(channel) !== head) {
        faults.push(`${channel}: ${sums.get(channel)} acknowledged, ${bodies.size} different, up to ${head}`);
      }
    }
    const heads = new Map([...channels].map(([channel, bodies]) => [channel, Math.max(0, ...bodies.keys())]));
    for (const member of this.members) faults.push(...member.check(channels.get(member.channel)!, heads.get(member.channel)!));
    return faults.slice(0, 50);
  }

  end(): void {
    for (const { client } of this.members) client.close();
  }
}
