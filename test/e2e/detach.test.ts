/**
 * Control planes die and are replaced under load, on an engine in a process of its own. SLUICE_TAKEOVERS sets how often (6 by default,
 * 100 for the full run), SLUICE_CONNECTIONS how many clients publish and subscribe (200 by default).
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

import { RegionReader } from '../../src/engine/index.js';
import { RawClient } from '../support/raw-client.js';
import { runSluice, startSluice, type SluiceProcess } from '../support/sluice-process.js';

const TAKEOVERS = Number(process.env['SLUICE_TAKEOVERS'] ?? 6);
const CONNECTIONS = Number(process.env['SLUICE_CONNECTIONS'] ?? 200);
const PER_CHANNEL = 20;
const PUBLISH_EVERY_MS = 500;

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(what: string, done: () => boolean, ms = 20_000): Promise<void> {
  for (const end = Date.now() + ms; !done(); await sleep(10)) if (Date.now() > end) throw new Error(`not in time: ${what}`);
}

class Setup {
  readonly name = `e2e-${process.pid}-${Math.floor(Math.random() * 1e6)}`;
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-detach-'));
  engine!: SluiceProcess;
  control!: SluiceProcess;

  async start(...more: string[]): Promise<void> {
    this.engine = await startSluice(['engine', '--name', this.name, '--listen', '127.0.0.1:0', ...more]);
    this.control = await this.serve();
  }

  serve(...more: string[]): Promise<SluiceProcess> {
    return startSluice(['serve', '--attach', this.name, '--data', join(this.folder, 'data'), '--admin', '127.0.0.1:0', ...more]);
  }

  async end(): Promise<void> {
    await this.control.stop('SIGKILL');
    await this.engine.stop('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One client of a channel, and its own account of what it was told. */
class Member {
  readonly channel: string;
  readonly client: RawClient;
  readonly acked = new Map<string, number>();
  readonly faults: string[] = [];
  readonly #sent = new Map<number, string>();
  readonly #name: number;
  #firstSeq = -1;
  #nextId = 2;

  constructor(client: RawClient, name: number, channel: string) {
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
    this.#sent.delete(id);
  }

  /** `bodies`: what was acknowledged, by seq. */
  check(bodies: ReadonlyMap<number, string>): string[] {
    const { delivered, closed } = this.client;
    const faults = [...this.faults];
    if (closed !== null) faults.push(`closed with ${closed}`);
    let next = this.#firstSeq;
    for (const { seq, body } of delivered) {
      if (seq !== next) faults.push(`seq ${seq} where ${next} was due`);
      if (bodies.get(seq) !== body) faults.push(`seq ${seq} is ${body}, acknowledged was ${bodies.get(seq)}`);
      next = seq + 1;
    }
    const head = Math.max(0, ...bodies.keys());
    if (next !== head + 1) faults.push(`ends at ${next - 1}, the channel at ${head}`);
    return faults.slice(0, 5);
  }
}

class Load {
  readonly members: Member[] = [];
  #timer: NodeJS.Timeout | null = null;

  async start(url: string): Promise<void> {
    for (let i = 0; i < CONNECTIONS; i++) {
      this.members.push(new Member(await RawClient.connect(url), i, `room-${Math.floor(i / PER_CHANNEL)}`));
    }
    await until('subscriptions', () => this.members.every(({ subscribed }) => subscribed));
    let turn = 0;
    const slices = 25;
    this.#timer = setInterval(() => {
      for (let i = turn++ % slices; i < this.members.length; i += slices) this.members[i]!.publish();
    }, PUBLISH_EVERY_MS / slices);
  }

  get acknowledged(): number {
    return this.members.reduce((sum, { acked }) => sum + acked.size, 0);
  }

  async finish(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await until('acknowledgements', () => this.members.every(({ waiting }) => waiting === 0));
    await sleep(500);
  }

  check(): string[] {
    const channels = new Map<string, Map<number, string>>();
    const faults: string[] = [];
    for (const { channel, acked } of this.members) {
      const bodies = channels.get(channel) ?? new Map<number, string>();
      channels.set(channel, bodies);
      for (const [key, seq] of acked) {
        if (bodies.has(seq)) faults.push(`${channel} ${seq} was given to ${bodies.get(seq)} and to ${key}`);
        bodies.set(seq, key);
      }
    }
    for (const [channel, bodies] of channels) {
      const head = Math.max(...bodies.keys());
      if (bodies.size !== head) faults.push(`${channel} has ${bodies.size} messages up to ${head}`);
    }
    return [...faults, ...this.members.flatMap((member) => member.check(channels.get(member.channel)!))];
  }

  end(): void {
    for (const { client } of this.members) client.close();
  }
}

t.setTimeout(120_000 + TAKEOVERS * 10_000);

t.test('control planes are killed and replaced: no client notices', async (t) => {
  const setup = new Setup();
  const load = new Load();
  t.teardown(async () => {
    load.end();
    await setup.end();
  });
  await setup.start('--connections', String(CONNECTIONS + 100));
  await load.start(setup.control.url);
  for (let round = 0; round < TAKEOVERS; round++) {
    await sleep(200 + Math.random() * 400);
    const planned = round % 2 === 1;
    const former = setup.control;
    const ended = planned ? former.stop('SIGCONT') : former.stop('SIGKILL');
    setup.control = await setup.serve(...(planned ? ['--replace'] : []));
    const code = await ended;
    if (!planned) continue;
    t.equal(code, 1, 'the former one says that it was replaced');
    t.match(former.stderr(), /has taken over engine/);
    const before = load.acknowledged;
    await until('messages flow again', () => load.acknowledged > before);
  }
  await load.finish();
  t.same(load.check(), []);
  t.ok(load.acknowledged > CONNECTIONS, `${load.acknowledged} acknowledged`);
  const { counters, ownerEpoch } = RegionReader.attach(setup.name).read();
  t.equal(ownerEpoch, TAKEOVERS + 1);
  t.equal(counters['takeovers'], TAKEOVERS);
  t.equal(counters['takeovers_planned'], Math.floor(TAKEOVERS / 2));
  t.equal(counters['connections_open'], CONNECTIONS);
  t.comment(`mean pause ${((counters['takeover_pause_us'] ?? 0) / TAKEOVERS / 1000).toFixed(0)} ms`);
});

/** A file of options; upgrades wait for a control plane for `attachWaitMs`. */
function waiting(setup: Setup, attachWaitMs: number): string {
  const path = join(setup.folder, 'engine.json');
  writeFileSync(path, JSON.stringify({ limits: { attachWaitMs } }));
  return path;
}

t.test('without a control plane connections stay and upgrades wait for one', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start('--config', waiting(setup, 60_000));
  const { url } = setup.control;
  const health = `${url.replace('ws:', 'http:').replace('/v1', '')}/healthz`;
  const client = await RawClient.connect(url);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  t.equal((await fetch(health)).status, 200);
  t.equal(await setup.control.stop('SIGTERM'), 0);
  t.equal(client.closed, null, 'SIGTERM leaves the connections to the next control plane');
  const unattended = await fetch(health);
  t.equal(unattended.status, 503);
  t.match(await unattended.text(), /no control plane/);
  client.send({ op: 'sub', id: 1, channel: 'held' });
  const late = RawClient.connect(url);
  await sleep(100);
  setup.control = await setup.serve();
  await until('the answer', () => client.answers.length > 0);
  t.equal(client.answers.length, 1);
  const second = await late;
  t.teardown(() => second.close());
  await until('the welcome of the one that waited', () => second.others.length > 0);
});

t.test('an upgrade that waited for too long is told to come back', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start('--config', waiting(setup, 100));
  await setup.control.stop('SIGTERM');
  await t.rejects(RawClient.connect(setup.control.url), /Unexpected server response: 503/);
  t.equal(RegionReader.attach(setup.name).counter('upgrades_unattended'), 1);
});

t.test('an owner that is attached is not pushed aside unless it is asked for', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start();
  const refused = await runSluice(['serve', '--attach', setup.name, '--data', join(setup.folder, 'other'), '--admin', '127.0.0.1:0']);
  t.equal(refused.code, 1);
  t.match(refused.err, /is attached: --replace/);
  const client = await RawClient.connect(setup.control.url);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  t.match((await runSluice(['serve', '--attach', `${setup.name}-not`])).err, /sluice engine|gateway running/);
  t.equal((await runSluice(['serve', '--replace'])).code, 2);
  t.equal((await runSluice(['engine'])).code, 2);
});

t.test('an owner that hangs is killed when another one replaces it', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start();
  const client = await RawClient.connect(setup.control.url);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  const former = setup.control;
  former.child.kill('SIGSTOP');
  client.send({ op: 'sub', id: 7, channel: 'after' });
  setup.control = await setup.serve('--replace');
  await until('its death', () => former.child.signalCode === 'SIGKILL');
  await until('the answer', () => client.answers.length > 0);
  t.same(client.answers.map(({ id }) => id), [7]);
  t.equal(client.closed, null);
});

t.test('a release with another memory layout is refused, and the one that is attached goes on', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start();
  const client = await RawClient.connect(setup.control.url);
  t.teardown(() => client.close());
  await until('welcome', () => client.others.length > 0);
  // As if the engine were of another release: its hash stands behind magic and version.
  const region = openSync(`/dev/shm/sluice-${setup.name}`, 'r+');
  const hash = Buffer.alloc(4);
  readSync(region, hash, 0, 4, 12);
  writeSync(region, Buffer.from([1, 2, 3, 4]), 0, 4, 12);
  const refused = await runSluice([
    'serve', '--attach', setup.name, '--replace', '--data', join(setup.folder, 'data'), '--admin', '127.0.0.1:0',
  ]);
  writeSync(region, hash, 0, 4, 12);
  closeSync(region);
  t.equal(refused.code, 1);
  t.match(refused.err, /another release/);
  client.send({ op: 'sub', id: 1, channel: 'c' });
  await until('the answer of the one that is attached', () => client.answers.length === 1);
  t.equal(RegionReader.attach(setup.name).read().ownerEpoch, 1);
});

t.test('the engine is killed: clients resume on the next one, and what was acknowledged is there once', async (t) => {
  const setup = new Setup();
  t.teardown(() => setup.end());
  await setup.start();
  const client = await RawClient.connect(setup.control.url);
  client.send({ op: 'sub', id: 1, channel: 'c' });
  for (let id = 2; id <= 5; id++) client.send({ op: 'pub', id, channel: 'c', key: `k${id}` }, `k${id}`);
  await until('acknowledgements', () => client.answers.length === 5 && client.delivered.length === 4);
  await setup.engine.stop('SIGKILL');
  t.equal(await setup.control.stop('SIGCONT'), 1, 'the control plane ends with its engine');
  t.match(setup.control.stderr(), /engine .* has ended/);
  await until('the end of the connection', () => client.closed !== null);
  await setup.start();
  const again = await RawClient.connect(setup.control.url, { resume: client.others[0]?.['resume'] });
  t.teardown(() => again.close());
  await until('welcome', () => again.others.length > 0);
  t.equal(again.others[0]?.['resumed'], true);
  again.send({ op: 'pub', id: 1, channel: 'c', key: 'k5' }, 'k5');
  again.send({ op: 'pub', id: 2, channel: 'c', key: 'new' }, 'new');
  await until('answers', () => again.answers.length === 2 && again.delivered.some(({ body }) => body === 'new'));
  t.equal(again.answers[0]?.header['duplicate'], true);
  t.equal(again.answers[1]?.header['server_seq'], 5);
  t.same([...new Set(again.delivered.map(({ seq }) => seq))], again.delivered.map(({ seq }) => seq));
});
