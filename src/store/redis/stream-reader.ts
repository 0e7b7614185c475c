/**
 * Reading a channel's stream. An entry holds the messages of one append and has the number of the last as its id, so that reading from
 * a number is one range. Entries of one message with field `f`, as former versions wrote them, are read as well.
 */

import { StoreError } from '../../errors.js';
import { idsOfFrames } from '../delivery-frame.js';
import type { RedisClient } from './client.js';
import type { ChannelKeys } from './keys.js';
import { runOfMessages, type MessageRun, type RunPlace } from './message-run.js';

/** `r` messages (or `f` a frame) · `t` server_ts of the last · `i` its id · `b` place of the run. */
type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

/** Messages looked through for an id behind the first of its millisecond. */
const ID_SCAN = 4096;
/** Entries of a channel that nothing is known of yet. */
const ENTRIES_FIRST = 16;
const READ_BYTES = 2 << 20;

export class StreamReader {
  readonly #redis: RedisClient;
  readonly #keysOf: (channel: string) => ChannelKeys;

  constructor(redis: RedisClient, keysOf: (channel: string) => ChannelKeys) {
    this.#redis = redis;
    this.#keysOf = keysOf;
  }

  /** Consecutive messages from the first with seq ≥ fromSeq on: about so many, as entries are read whole. Rejects with StoreError. */
  async read(channel: string, fromSeq: number, count: number): Promise<MessageRun | null> {
    const runs: MessageRun[] = [];
    let [left, bytes] = [count, READ_BYTES];
    for (let next = fromSeq; left > 0 && bytes > 0; ) {
      const { size } = this.#keysOf(channel);
      const fitting = size === null ? ENTRIES_FIRST : Math.ceil(Math.min(left / size.messages, bytes / size.bytes));
      const entries = Math.max(1, Math.min(left, fitting));
      const more = await this.#range(channel, next, entries);
      for (const run of more) {
        runs.push(run);
        left -= run.ends.length;
        bytes -= run.frames.length;
        next = run.lastSeq + 1;
      }
      if (more.length < entries) break;
    }
    return joined(runs, fromSeq);
  }

  /** First seq with server_ts ≥ ts, from `low` on; `high` when there is none below it. */
  async seqAtTs(channel: string, ts: number, low: number, high: number): Promise<number> {
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      const [run] = await this.#range(channel, middle, 1);
      // Where the middle fell into a gap, what is there begins behind it.
      if (run === undefined) high = middle;
      else if ((run.serverTs.at(-1) as number) < ts) low = run.lastSeq + 1;
      else if ((run.serverTs[0] as number) >= ts) high = Math.min(middle, run.firstSeq);
      else return run.firstSeq + run.serverTs.findIndex((each) => each >= ts);
    }
    return low;
  }

  /** Of the message with this id, or the one behind the message with the id before it; null where there is neither from `start` on. */
  async seqOfId(channel: string, start: number, msgId: string): Promise<number | null> {
    const before = String(BigInt(msgId) - 1n);
    for (let from = start; from < start + ID_SCAN; ) {
      const run = await this.read(channel, from, ID_SCAN);
      if (run === null) return null;
      const ids = idsOfFrames(run);
      const at = ids.findIndex((id) => id === msgId || id === before);
      if (at >= 0) return run.firstSeq + at + (ids[at] === before ? 1 : 0);
      from = run.lastSeq + 1;
    }
    return null;
  }

  async idAt(channel: string, seq: number): Promise<string> {
    const [run] = await this.#range(channel, seq, 1);
    return run === undefined || seq < run.firstSeq || seq > run.lastSeq ? '' : (idsOfFrames(run)[seq - run.firstSeq] as string);
  }

  async #range(channel: string, fromSeq: number, count: number): Promise<MessageRun[]> {
    const keys = this.#keysOf(channel);
    const entries = (await this.#redis.command('xrange', keys.stream, `${fromSeq}-0`, '+', 'COUNT', count)) as Entry[];
    const runs = entries.map((entry) => runOf(channel, entry));
    const messages = runs.reduce((sum, run) => sum + run.ends.length, 0);
    const bytes = runs.reduce((sum, run) => sum + run.frames.length, 0);
    if (runs.length > 0) keys.size = { messages: messages / runs.length, bytes: bytes / runs.length };
    return runs;
  }
}

function runOf(channel: string, [id, fields]: Entry): MessageRun {
  const [kind, content, , ts, , , , place] = fields;
  if (kind?.toString() === 'f' && content !== undefined) {
    const seq = Number(id.toString('latin1').split('-')[0]);
    return { firstSeq: seq, lastSeq: seq, frames: content, ends: Uint32Array.of(content.length), serverTs: [Number(String(ts))] };
  }
  const where = kind?.toString() === 'r' && place !== undefined ? placeOf(place.toString('latin1')) : null;
  const run = where === null || content === undefined ? null : runOfMessages(content, where);
  if (run === null) {
    throw new StoreError(`entry ${String(id)} of channel ${channel} is not one that this version reads`, false, {
      remedy: 'A newer version of Sluice wrote it, or another program: run the newer version, or give Sluice a store.prefix of its own.',
    });
  }
  return run;
}

/** "FIRST_SEQ TS LAMPORT SKIPPED", the last one indexes with commas between, or "-"; null where it is something else. */
export function placeOf(text: string): RunPlace | null {
  const match = /^(\d+) (\d+) (\d+) (-|\d+(?:,\d+)*)$/.exec(text);
  if (match === null) return null;
  const [, first, ts, lamport, skipped = '-'] = match;
  const left = skipped === '-' ? [] : skipped.split(',').map(Number);
  return { firstSeq: Number(first), ts: Number(ts), lamport: Number(lamport), skipped: left };
}

/** What follows without a gap, which is where messages were lost, from `fromSeq` on. */
function joined(runs: readonly MessageRun[], fromSeq: number): MessageRun | null {
  const [first] = runs;
  if (first === undefined) return null;
  let count = 1;
  while (count < runs.length && (runs[count] as MessageRun).firstSeq === (runs[count - 1] as MessageRun).lastSeq + 1) count += 1;
  const parts = runs.slice(0, count);
  const skip = Math.max(0, fromSeq - first.firstSeq);
  const start = skip === 0 ? 0 : (first.ends[skip - 1] as number);
  const ends = new Uint32Array(parts.reduce((sum, run) => sum + run.ends.length, -skip));
  let at = 0;
  let before = -start;
  for (const run of parts) {
    for (let i = at === 0 ? skip : 0; i < run.ends.length; i++) ends[at++] = before + (run.ends[i] as number);
    before += run.frames.length;
  }
  return {
    firstSeq: first.firstSeq + skip,
    lastSeq: (parts.at(-1) as MessageRun).lastSeq,
    frames: Buffer.concat([first.frames.subarray(start), ...parts.slice(1).map(({ frames }) => frames)]),
    ends,
    serverTs: parts.flatMap(({ serverTs }) => serverTs).slice(skip),
  };
}

