/**
 * SIGKILL under load. SLUICE_KILL_ROUNDS sets how often (10 by default, 200 for the full run); the seed is printed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { WebSocket } from 'ws';

import { createClient, type Client, type Message, type WebSocketConstructor } from '../../src/client/index.js';
import { freePort } from '../support/free-port.js';
import { startSluice, type SluiceProcess } from '../support/sluice-process.js';
import { sleep, until } from '../support/wait.js';

const ROUNDS = Number(process.env['SLUICE_KILL_ROUNDS'] ?? 10);
const PUBLISHERS = 4;
const SUBSCRIBERS = 8;
const CHANNEL = 'durable';

interface Ack {
  readonly body: string;
  readonly seq: number;
}

function client(url: string): Client {
  return createClient({ url, WebSocket: WebSocket as unknown as WebSocketConstructor, backoffBaseMs: 20, backoffCapMs: 200 });
}

class Load {
  readonly acks: Ack[] = [];
  readonly records: Message[][] = [];
  readonly errors: string[] = [];
  readonly #clients: Client[] = [];
  #running = true;
  #publishing: Promise<void>[] = [];

  async start(url: string): Promise<void> {
    for (let i = 0; i < SUBSCRIBERS; i++) {
      const subscriber = client(url);
      const record: Message[] = [];
      this.records.push(record);
      const subscription = subscriber.subscribe(CHANNEL);
      subscription.on('message', (message) => record.push(message));
      subscription.on('incomplete', (loss) => this.errors.push(`incomplete ${JSON.stringify(loss)}`));
      this.#clients.push(subscriber);
      await subscriber.connect();
      await subscription.ready;
    }
    for (let i = 0; i < PUBLISHERS; i++) {
      const publisher = client(url);
      this.#clients.push(publisher);
      await publisher.connect();
      this.#publishing.push(this.#publish(publisher, i));
    }
  }

  async #publish(publisher: Client, index: number): Promise<void> {
    for (let n = 0; this.#running; n++) {
      const body = `${index}:${n}`;
      try {
        const { serverSeq } = await publisher.publish(CHANNEL, body);
        this.acks.push({ body, seq: serverSeq });
      } catch (error) {
        this.errors.push(`publish ${body}: ${error instanceof Error ? error.message : String(error)}`);
        return;
      }
    }
  }

  async finish(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#publishing);
    // Not Math.max of them all: they are more than a call takes as arguments.
    const last = this.acks.reduce((most, { seq }) => Math.max(most, seq), 0);
    // What is still missing then is a fault that check() names.
    const isHeard = (): boolean => this.records.every((record) => (record.at(-1)?.serverSeq ?? 0) >= last);
    await until('every message', isHeard, 60_000, 20).catch(() => undefined);
    this.close();
  }

  /** Also after a failure: clients that come back for ever would keep the process. */
  close(): void {
    this.#running = false;
    for (const each of this.#clients) each.close();
  }
}

function check(load: Load): string[] {
  const problems = [...load.errors];
  const reference = load.records[0] ?? [];
  reference.forEach((message, i) => {
    if (message.serverSeq !== i + 1) problems.push(`sequence ${message.serverSeq} stands at ${i + 1}`);
  });
  load.records.forEach((record, index) => {
    const same = record.length === reference.length && record.every((message, i) => message.id === reference[i]?.id);
    if (!same) problems.push(`subscriber ${index} saw ${record.length} messages, the first saw ${reference.length}, or in another order`);
  });
  const bodies = new Map<string, number>();
  for (const { text } of reference.map(asText)) bodies.set(text, (bodies.get(text) ?? 0) + 1);
  for (const [body, times] of bodies) if (times !== 1) problems.push(`${body} was delivered ${times} times`);
  for (const { body, seq } of load.acks) {
    const message = reference[seq - 1];
    if (message === undefined || asText(message).text !== body) problems.push(`acknowledged ${body} is not at ${seq}`);
  }
  return problems.slice(0, 10);
}

function asText(message: Message): { readonly text: string } {
  return { text: typeof message.body === 'string' ? message.body : Buffer.from(message.body).toString() };
}

t.setTimeout(ROUNDS * 15_000 + 140_000);

const TIMEOUT_MS = ROUNDS * 15_000 + 110_000;

t.test(`${ROUNDS} rounds of SIGKILL: what was acknowledged is there once, in one order`, { timeout: TIMEOUT_MS }, async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'sluice-durability-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const config = ['--data', data, '--publish-rate', '0'];
  const listen = `127.0.0.1:${await freePort()}`;
  let server: SluiceProcess = await startSluice(['serve', '--listen', listen, '--admin', '127.0.0.1:0', ...config]);
  t.teardown(() => server.stop('SIGKILL'));
  const load = new Load();
  t.teardown(() => load.close());
  await load.start(server.url);
  for (let round = 0; round < ROUNDS; round++) {
    await sleep(100 + Math.random() * 400);
    await server.stop('SIGKILL');
    // Both drivers, one after the other: neither may keep the port of a process that was killed.
    const driver = round % 2 === 0 ? 'epoll' : 'auto';
    server = await startSluice(['serve', '--driver', driver, '--listen', listen, '--admin', '127.0.0.1:0', ...config]);
  }
  await sleep(300);
  await load.finish();
  t.comment(`${load.acks.length} acknowledged publishes`);
  t.ok(load.acks.length > ROUNDS, 'publishing went on between the kills');
  t.same(check(load), []);
});
