/** Clients of the package that publish and listen all the time, and what they may say of it afterwards. */
import { WebSocket } from 'ws';
import { createClient, type Client, type ClientOptions, type Message, type WebSocketConstructor } from '../../src/client/index.js';

export interface TrafficOptions {
  readonly url: (client: number) => string;
  readonly clients: number;
  readonly channels: number;
  /** Between two publishes of a client, ms. */
  readonly pauseMs: number;
  readonly client?: Partial<ClientOptions>;
}

interface Participant {
  readonly client: Client;
  readonly channel: string;
  readonly heard: Message[];
  readonly acks: Map<string, number>;
  opens: number;
  resumes: number;
}

const FINISH_MS = 60_000;

export class Traffic {
  readonly errors: string[] = [];
  /** Milliseconds from publish to acknowledgement, of all. */
  readonly ackMs: number[] = [];
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
    const { clients, channels, url } = this.#options;
    for (let i = 0; i < clients; i += 1) {
      const client = createClient({
        url: url(i), WebSocket: WebSocket as unknown as WebSocketConstructor, backoffBaseMs: 20, backoffCapMs: 500, ...this.#options.client,
      });
      const participant: Participant = { client, channel: `room.${i % channels}`, heard: [], acks: new Map(), opens: 0, resumes: 0 };
      this.#participants.push(participant);
      client.on('open', ({ resumed }) => {
        participant.opens += 1;
        if (resumed) participant.resumes += 1;
      });
      client.on('error', (error) => (error.retryable ? undefined : this.errors.push(`client ${i}: ${error.message}`)));
      const subscription = client.subscribe(participant.channel);
      subscription.on('message', (message) => participant.heard.push(message));
      subscription.on('incomplete', (loss) => this.errors.push(`client ${i}: incomplete ${JSON.stringify(loss)}`));
      void client.connect().catch(() => undefined);
    }
    await Promise.all(this.#participants.map(async ({ client, channel }) => (await client.connect(), client.presence(channel))));
    this.#publishing = this.#participants.map((participant, i) => this.#publish(participant, i));
  }

  /** Stops publishing, waits until everybody has heard everything, and checks. */
  async finish(): Promise<string[]> {
    this.#running = false;
    await Promise.all(this.#publishing);
    const deadline = Date.now() + FINISH_MS;
    while (Date.now() < deadline && this.#participants.some((each) => this.#behind(each))) await pause(20);
    for (const { client } of this.#participants) client.close();
    return [...this.errors, ...this.#problems()].slice(0, 10);
  }

  async #publish({ client, channel, acks }: Participant, index: number): Promise<void> {
    for (let n = 0; this.#running; n += 1) {
      const body = `${index}:${n}`;
      const began = performance.now();
      try {
        const { serverSeq } = await client.publish(channel, body);
        acks.set(body, serverSeq);
        this.ackMs.push(performance.now() - began);
      } catch (error) {
        this.errors.push(`publish ${body}: ${error instanceof Error ? error.message : String(error)}`);
        return;
      }
      await pause(this.#options.pauseMs * (0.5 + Math.random()));
    }
  }

  #behind({ channel, heard }: Participant): boolean {
    const last = Math.max(0, ...this.#participants.filter((other) => other.channel === channel).flatMap(({ acks }) => [...acks.values()]));
    return (heard.at(-1)?.serverSeq ?? 0) < last;
  }

  #problems(): string[] {
    const problems: string[] = [];
    const order = new Map<string, string>();
    for (const [index, { channel, heard }] of this.#participants.entries()) {
      heard.forEach((message, i) => {
        const before = heard[i - 1];
        const what = `client ${index}, ${channel} ${message.serverSeq}`;
        if (before !== undefined && message.serverSeq !== before.serverSeq + 1) problems.push(`${what} after ${before.serverSeq}`);
        const place = `${channel} ${message.serverSeq}`;
        const known = order.get(place) ?? String(message.body);
        if (known !== String(message.body)) problems.push(`${what} is ${String(message.body)} here and ${known} there`);
        order.set(place, known);
      });
    }
    const times = new Map<string, number>();
    for (const body of order.values()) times.set(body, (times.get(body) ?? 0) + 1);
    for (const [body, count] of times) if (count !== 1) problems.push(`${body} is there ${count} times`);
    for (const { channel, acks } of this.#participants) {
      for (const [body, seq] of acks) {
        if (order.get(`${channel} ${seq}`) !== body) problems.push(`acknowledged ${body} is not at ${channel} ${seq}`);
      }
    }
    return problems;
  }
}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** The value below which `share` of the numbers lie. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
