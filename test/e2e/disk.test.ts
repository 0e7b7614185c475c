/** Disks that are full and folders that cannot be written: nothing is acknowledged that is not stored, and it is said which path it was. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { RawClient } from '../support/raw-client.js';
import { runSluice, startSluice } from '../support/sluice-process.js';
import { until } from '../support/wait.js';
import { diskMissing, mountDisk, unmountDisk } from '../support/small-disk.js';

const missing = diskMissing();
const ROOT = process.getuid?.() === 0;
const SERVE = ['serve', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--publish-rate', '0', '--data'];

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-disk-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A file system of this size in memory, until the test ends. */
function disk(t: Test, options: string): string {
  const path = folder(t);
  mountDisk(path, options);
  t.teardown(() => unmountDisk(path));
  return path;
}

interface Reply {
  readonly op: string;
  readonly id: number;
  readonly server_seq?: number;
  readonly retry_after_ms?: number;
  readonly oldest_seq?: number;
}

/** A client that tells every answer, where the SDK would repeat what was refused. */
class Raw {
  readonly #socket: WebSocket;
  readonly #waiting: ((reply: Reply) => void)[] = [];
  readonly messages: string[] = [];

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      const [line = '', body = ''] = data.toString().split('\n');
      const reply = JSON.parse(line) as Reply;
      if (reply.op === 'msg') this.messages.push(body);
      else this.#waiting.shift()?.(reply);
    });
  }

  static async connect(url: string): Promise<Raw> {
    const socket = new WebSocket(url, 'sluice.v1');
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const client = new Raw(socket);
    await client.ask({ op: 'hello' });
    return client;
  }

  ask(header: object, body = ''): Promise<Reply> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.send(`${JSON.stringify(header)}\n${body}`);
    });
  }

  close(): void {
    this.#socket.terminate();
  }
}

const BODY = 'x'.repeat(20_000);

const NEEDS_DISK = { skip: missing, timeout: 560_000 };

// The first is full when the journal grows, the second when the log moves what is in it to LMDB.
for (const size of ['6m', '24m']) {
  t.test(`a disk of ${size} that fills up: err, no acknowledgement, and it mends`, NEEDS_DISK, (t) => fill(t, size));
}

async function fill(t: Test, size: string): Promise<void> {
  const data = disk(t, `size=${size}`);
  const first = await startSluice([...SERVE, data]);
  t.teardown(() => first.stop('SIGKILL'));
  const client = await Raw.connect(first.url);
  const acknowledged: number[] = [];
  const refused: number[] = [];
  for (let n = 1; refused.length < 5 && n < 2000; n++) {
    const reply = await client.ask({ op: 'pub', id: n, channel: 'a', key: `k${n}` }, `${n} ${BODY}`);
    if (reply.op === 'ok') {
      t.equal(reply.server_seq, acknowledged.length + 1, 'dense');
      acknowledged.push(n);
      continue;
    }
    t.match(reply, { op: 'err', id: n, code: 1013, name: 'try_again_later' });
    refused.push(n);
  }
  t.equal(refused.length, 5, 'the disk filled up');
  const told = new RegExp(`${data}/log/\\S+ could not be written: the disk is full`);
  await until('the operator is told which path', () => told.test(first.stderr()));
  const ready = await fetch(new URL('/readyz', first.admin));
  t.equal(ready.status, 503, 'the load balancer is told');

  execFileSync('mount', ['-o', 'remount,size=128m', data]);
  for (const n of refused) {
    const reply = await client.ask({ op: 'pub', id: n, channel: 'a', key: `k${n}` }, `${n} ${BODY}`);
    t.match(reply, { op: 'ok', server_seq: acknowledged.length + 1 });
    acknowledged.push(n);
  }
  await until('the operator is told', () => /can be written again/.test(first.stderr()));
  client.close();
  await first.stop('SIGKILL');

  const second = await startSluice([...SERVE, data]);
  t.teardown(() => second.stop('SIGKILL'));
  const reader = await Raw.connect(second.url);
  for (let after = 0; after < acknowledged.length; after = reader.messages.length) {
    const reply = await reader.ask({ op: 'history', id: 1, channel: 'a', after: after, limit: 100 });
    if (reply.op !== 'ok' || reader.messages.length === after) break;
  }
  t.strictSame(reader.messages.map((body) => Number(body.split(' ')[0])), acknowledged, 'every acknowledged message once, in its order');
  reader.close();
}

t.test('a disk that is full at the start: exit 1 with the path', NEEDS_DISK, async (t) => {
  for (const size of ['16k', '60k', '128k']) {
    const data = disk(t, `size=${size}`);
    const { code, err } = await runSluice([...SERVE, data]);
    t.equal(code, 1, size);
    t.match(err, new RegExp(data));
    t.match(err, /full|no space/i);
    t.notMatch(err, /^\s+at /m, 'a message, not a stack');
  }
});

t.test('a data folder that cannot be written: exit 1 with the path', { skip: ROOT && missing }, async (t) => {
  const data = ROOT ? disk(t, 'ro,size=1m') : folder(t);
  if (!ROOT) chmodSync(data, 0o500);
  for (const path of [data, join(data, 'below')]) {
    const { code, out, err } = await runSluice([...SERVE, path]);
    t.equal(code, 1);
    t.equal(out, '');
    t.match(err, new RegExp(path));
    t.match(err, /--data/, 'what to do about it');
  }
  t.notOk(existsSync(join(data, 'below')));
  if (!ROOT) chmodSync(data, 0o700);
});

t.test('a data folder whose log cannot be written: exit 1 with the path', NEEDS_DISK, async (t) => {
  const data = folder(t);
  mkdirSync(join(data, 'log'));
  mountDisk(join(data, 'log'), 'ro,size=1m');
  t.teardown(() => unmountDisk(join(data, 'log')));
  const { code, err } = await runSluice([...SERVE, data]);
  t.equal(code, 1);
  t.match(err, new RegExp(join(data, 'log')));
});

t.test('files that were cut, changed or taken away: exit 1 with the path, and no signal', async (t) => {
  const data = folder(t);
  const server = await startSluice([...SERVE, data]);
  const client = await Raw.connect(server.url);
  for (let id = 1; id <= 20; id++) t.equal((await client.ask({ op: 'pub', id, channel: 'c', key: `${id}` }, 'body')).op, 'ok');
  client.close();
  t.equal(await server.stop('SIGTERM'), 0);
  const log = join(data, 'log', 'log.mdb');
  const journal = join(data, 'log', 'journal-1');
  const secret = join(data, 'session.secret');
  const changes: readonly (readonly [path: string, said: string, change: (bytes: Buffer) => Buffer])[] = [
    [log, log, (bytes) => bytes.subarray(0, bytes.length >> 1)],
    [log, journal, () => Buffer.alloc(0)],
    [journal, journal, (bytes) => bytes.fill(0xff, 4, 6)],
    [secret, secret, (bytes) => bytes.fill(0)],
  ];
  for (const [path, said, change] of changes) {
    const whole = readFileSync(path);
    writeFileSync(path, change(Buffer.from(whole)));
    const { code, out, err } = await runSluice([...SERVE, data]);
    t.same([code, out], [1, ''], err);
    t.match(err, new RegExp(said));
    t.notMatch(err, /^\s+at /m, 'a message, not a stack');
    writeFileSync(path, whole);
  }
  const again = await startSluice([...SERVE, data]);
  t.equal(await again.stop('SIGTERM'), 0, 'whole again');
});

t.test('a message that the disk has changed is left out, and the operator and the client are told', async (t) => {
  const data = folder(t);
  const config = join(data, 'sluice.json');
  // So that messages move to log.mdb soon.
  writeFileSync(config, JSON.stringify({ log: { retentionBytes: '8MiB' } }));
  const serve = [...SERVE, data, '--config', config];
  const server = await startSluice(serve);
  const writer = await Raw.connect(server.url);
  const count = 70;
  for (let id = 1; id <= count; id++) {
    t.equal((await writer.ask({ op: 'pub', id, channel: 'c', key: `${id}` }, `message ${id};`.padEnd(50_000))).op, 'ok');
  }
  const path = join(data, 'log', 'log.mdb');
  const changed = 'message 4;';
  await until('the oldest are in log.mdb', () => readFileSync(path).includes('message 5;'));
  writer.close();
  t.equal(await server.stop('SIGTERM'), 0);
  const bytes = readFileSync(path);
  const at = bytes.indexOf(changed);
  t.ok(at > 0);
  bytes[at] = bytes[at]! ^ 0x20;
  writeFileSync(path, bytes);

  const again = await startSluice(serve);
  const reader = await RawClient.connect(again.url);
  reader.send({ op: 'sub', id: 1, channel: 'c', since: { ts: 0 } });
  await until('all others came', () => reader.delivered.some(({ seq }) => seq === count));
  const lost = reader.others.filter(({ op }) => op === 'incomplete');
  t.match(lost, [{ channel: 'c', from_seq: 4, to_seq: 4 }]);
  t.same(reader.delivered.map(({ seq }) => seq), Array.from({ length: count }, (_, i) => i + 1).filter((seq) => seq !== 4));
  await until('the operator is told', () => /log\.mdb is damaged: chunk \d+ .*copy/.test(again.stderr()));
  t.match(await (await fetch(`${again.admin}metrics`)).text(), /^sluice_log_damaged_total 1$/m);
  reader.close();
  t.equal(await again.stop('SIGTERM'), 0);
});
