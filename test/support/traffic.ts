/** Clients of the package that publish and listen all the time, and what they may say of it afterwards. */
import { WebSocket } from 'ws';
import {
  createClient, type Client, type ClientOptions, type Incomplete, type Message, type WebSocketConstructor,
} from '../../src/client/index.js';
import { sleep } from './wait.js';

export interface TrafficOptions {
  readonly url: (client: number) => string;
  readonly clients: number;
  readonly channels: number;
  /** Between two publishes of a client, ms. */
  readonly pauseMs: number;
  readonly client?: Partial<ClientOptions>;
  /** Begins the names of channels and bodies, so that several of these can run side by side. */
  readonly name?: string;
  /** Messages may be lost, where that is told: then only what follows is judged. */
  readonly lossy?: boolean;
}

interface Participant {
  readonly client: Client;
  readonly channel: string;
  /** In the order in which they came; a message's number is its place. */
  heard: string[];
  firstSeq: number;
  readonly acks: Map<string, number>;
  opens: number;
  resumes: number;
}

const FINISH_MS = 60_000;

/** Tells how long a session that goes on waits for its `welcome`, from its `hello` on. */
function timedSocket(resumed: (ms: number) => void): WebSocketConstructor {
  class TimedSocket extends WebSocket {
    #saidHello = 0;

    constructor(...of: ConstructorParameters<typeof WebSocket>) {
      super(...of);
      this.once('message', (data: Buffer) => {
        if (this.#saidHello > 0 && data.includes('"resumed":true')) resumed(performance.now() - this.#saidHello);
      });
    }

    override send(data: string | Buffer): void {
      if (this.#saidHello === 0) this.#saidHello = performance.now();
      super.send(data);
    }
  }
  return TimedSocket as unknown as WebSocketConstructor;
}

/** Of so many messages the delivery time of one is kept. */
const SAMPLE = 10;

export class Traffic {
  readonly errors: string[] = [];
  /** Milliseconds from publish to acknowledgement, of all. */
  readonly ackMs: number[] = [];
  /** When connections were welcomed, ms since the Unix epoch. */
  readonly openedAt: number[] = [];
  /** Of sessions that went on: when they were welcomed (ms since the Unix epoch), and milliseconds from `hello` to `welcome`. */
  readonly resumed: { readonly at: number; readonly ms: number }[] = [];
  /** Of some messages: when they came, and how long after they were published. */
  readonly delivered: { readonly at: number; readonly ms: number }[] = [];
  /** Messages that were told to be lost. */
  losses = 0;
  readonly #options: TrafficOptions;
  readonly #participants: Participant[] = [];
  #running = true;
  #publishing: Promise<void>[] = [];

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  get acknowledged(): number {
    return this.#participants.reduce((sum, { acks }) => sum + acks.size, 0);
  }

  get opens(): number {
    return this.#participants.reduce((sum, { opens }) => sum + opens, 0);
  }

  get resumes(): number {
    return this.#participants.reduce((sum, { resumes }) => sum + resumes, 0);
  }

  async start(): Promise<void> {
    const { clients, channels, url, name = 'room' } = this.#options;
    const socket = timedSocket((ms) => this.resumed.push({ at: Date.now(), ms }));
    for (let i = 0; i < clients; i += 1) {
      const client = createClient({
        url: url(i), WebSocket: socket, backoffBaseMs: 20, backoffCapMs: 500, ...this.#options.client,
      });
      const channel = `${name}.${i % channels}`;
      const participant: Participant = { client, channel, heard: [], firstSeq: 0, acks: new Map(), opens: 0, resumes: 0 };
      this.#participants.push(participant);
      client.on('open', ({ resumed }) => {
        participant.opens += 1;
        this.openedAt.push(Date.now());
        if (resumed) participant.resumes += 1;
      });
      client.on('error', (error) => (error.retryable ? undefined : this.errors.push(`client ${i}: ${error.message}`)));
      const subscription = client.subscribe(participant.channel);
      subscription.on('message', (message) => this.#hear(participant, i, message));
      subscription.on('incomplete', (loss) => this.#lost(participant, i, loss));
      void client.connect().catch(() => undefined);
    }
    await Promise.all(this.#participants.map(async ({ client, channel }) => {
      await client.connect();
      // A store that is slow to begin with may refuse it.
      while (!(await client.presence(channel).then(() => true, () => false))) await sleep(200);
    }));
    this.#publishing = this.#participants.map((participant, i) => this.#publish(participant, i));
  }

  /** Stops publishing, waits until everybody has heard everything, and checks. */
  async finish(): Promise<string[]> {
    this.#running = false;
    await Promise.race([Promise.all(this.#publishing), new Promise((resolve) => setTimeout(resolve, FINISH_MS).unref())]);
    const deadline = Date.now() + FINISH_MS;
    const last = this.#last();
    while (Date.now() < deadline && this.#participants.some((each) => this.#behind(each, last))) await sleep(20);
    for (const { client } of this.#participants) client.close();
    return [...this.errors, ...this.#problems()].slice(0, 10);
  }

  async #publish({ client, channel, acks }: Participant, index: number): Promise<void> {
    // Not all at once.
    await sleep(this.#options.pauseMs * Math.random());
    for (let n = 0; this.#running; n += 1) {
      const body = `${this.#options.name ?? ''}:${index}:${n}`;
      const began = performance.now();
      try {
        const { serverSeq } = await client.publish(channel, body);
        acks.set(body, serverSeq);
        this.ackMs.push(performance.now() - began);
      } catch (error) {
        this.errors.push(`publish ${body}: ${error instanceof Error ? error.message : String(error)}`);
        return;
      }
      await sleep(this.#options.pauseMs * (0.5 + Math.random()));
    }
  }

  #hear(participant: Participant, index: number, { serverSeq, body, clientTs }: Message): void {
    const { heard, channel } = participant;
    if (heard.length === 0) participant.firstSeq = serverSeq;
    const expected = participant.firstSeq + heard.length;
    if (serverSeq !== expected) this.errors.push(`client ${index}, ${channel} ${serverSeq} instead of ${expected}`);
    heard.push(String(body));
    if (clientTs === null || serverSeq % SAMPLE !== 0) return;
    const at = Date.now();
    this.delivered.push({ at, ms: at - clientTs });
  }

  #lost(participant: Participant, index: number, loss: Incomplete): void {
    if (this.#options.lossy !== true) this.errors.push(`client ${index}: incomplete ${JSON.stringify(loss)}`);
    this.losses += 1;
    // What comes next is judged on its own.
    participant.heard = [];
  }

  #behind({ channel, heard, firstSeq }: Participant, last: ReadonlyMap<string, number>): boolean {
    return firstSeq + heard.length - 1 < (last.get(channel) ?? 0);
  }

  /** Highest acknowledged number of each channel. */
  #last(): ReadonlyMap<string, number> {
    const last = new Map<string, number>();
    for (const { channel, acks } of this.#participants) {
      for (const seq of acks.values()) if (seq > (last.get(channel) ?? 0)) last.set(channel, seq);
    }
    return last;
  }

  #problems(): string[] {
    const problems: string[] = [];
    const order = new Map<string, string>();
    for (const [index, { channel, heard, firstSeq }] of this.#participants.entries()) {
      heard.forEach((body, i) => {
        const place = `${channel} ${firstSeq + i}`;
        const known = order.get(place) ?? body;
        if (known !== body) problems.push(`client ${index}: ${place} is ${body} here and ${known} there`);
        order.set(place, known);
      });
    }
    // What was delivered, lost before it was acknowledged and published again is there twice, in two epochs.
    if (this.losses > 0) return problems;
    const times = new Map<string, number>();
    for (const body of order.values()) times.set(body, (times.get(body) ?? 0) + 1);
    for (const [body, count] of times) if (count !== 1) problems.push(`${body} is there ${count} times`);
    for (const { channel, acks } of this.#options.lossy === true ? [] : this.#participants) {
      for (const [body, seq] of acks) {
        if (order.get(`${channel} ${seq}`) !== body) problems.push(`acknowledged ${body} is not at ${channel} ${seq}`);
      }
    }
    return problems;
  }
}

/** The value below which `share` of the numbers lie. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
