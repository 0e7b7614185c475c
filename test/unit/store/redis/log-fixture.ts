/** A shared log over a Redis of the test's own, and messages for it. */
import type { Test } from 'tap';
import { headerLine } from '../../../../src/sequence/frame.js';
import type { SharedEntry, SharedNews } from '../../../../src/store/shared-log.js';
import { parseRedisAddress } from '../../../../src/store/redis/address.js';
import { RedisClient } from '../../../../src/store/redis/client.js';
import { RedisSharedLog } from '../../../../src/store/redis/shared-log.js';

export interface LogNode {
  readonly client: RedisClient;
  readonly log: RedisSharedLog;
  readonly news: SharedNews[];
  interrupted: number;
}

export interface NodeOptions {
  readonly timeoutMs?: number;
  readonly keysMs?: number;
  readonly retentionMs?: number;
  readonly messagesMax?: number;
  readonly backlog?: number | null;
  readonly now?: () => number;
}

export function openNode(t: Test, url: string, node: string, options: NodeOptions = {}): LogNode {
  const { timeoutMs = 60_000, keysMs = 60_000, retentionMs = 0, messagesMax = 100_000, backlog = null, now = () => Date.now() } = options;
  const client = new RedisClient({ address: parseRedisAddress(url, 'store'), prefix: 't:', timeoutMs });
  const news: SharedNews[] = [];
  const events = {
    onNews: (some: SharedNews) => void news.push(some),
    onInterrupted: () => undefined,
    onResumed: () => void (opened.interrupted += 1),
  };
  const log = new RedisSharedLog({ redis: client, events, node, messagesMax, keysMs, backlog, retentionMs, now });
  const opened: LogNode = { client, log, news, interrupted: 0 };
  t.teardown(async () => {
    await log.close();
    await client.close();
  });
  return opened;
}

let ids = 7_000_000_000_000_000_000n;

/** As the publisher cuts it: the numbers are where 1, 2 and 3 stand. */
export function sharedEntry(channel: string, key: string, body: string | Buffer, fields: Partial<SharedEntry> = {}): SharedEntry {
  const id = fields.id ?? String((ids += 1n));
  const names = { channelJson: JSON.stringify(channel), senderJson: '"s"' };
  const line = headerLine({ ...names, id, seq: 1, clientTs: null, serverTs: 2, lamport: 3, clock: '' });
  const [, a = '', b = '', c = '', d = ''] = /^(.*"server_seq":)1(,.*"server_ts":)2(,"lamport":)3(.*)$/.exec(line) ?? [];
  const tail = Buffer.concat([Buffer.from(`${d}\n`), Buffer.from(body)]);
  return { sender: 's', key, id, serverTs: Date.now(), lamport: 1, text: typeof body === 'string', line: [a, b, c, tail], ...fields };
}

/** Header and body of each delivery frame. */
export function parseFrames(frames: Uint8Array): { header: Record<string, unknown>; body: Buffer; text: boolean }[] {
  const bytes = Buffer.from(frames);
  const out = [];
  for (let at = 0; at < bytes.length; ) {
    const text = bytes[at] === 0x81;
    let length = bytes[at + 1] as number;
    let start = at + 2;
    if (length === 126) {
      length = bytes.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(start));
      start += 8;
    }
    const payload = bytes.subarray(start, start + length);
    const newline = payload.indexOf(10);
    const header = JSON.parse(payload.toString('utf8', 0, newline)) as Record<string, unknown>;
    out.push({ header, body: payload.subarray(newline + 1), text });
    at = start + length;
  }
  return out;
}
