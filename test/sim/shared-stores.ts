/** What several nodes share, seen by one life of one of them: slow, failing, cut off for a while, its news late, out of order or lost. */

import { frameHeaderBytes, writeFrameHeader } from '../../src/engine/frame-header.js';
import { StoreError } from '../../src/errors.js';
import type { NodeMail, PresenceBoard, PresenceShare } from '../../src/store/cluster-store.js';
import type { SharedStores } from '../../src/store/redis/open.js';
import type {
  SharedAppend, SharedEntry, SharedHead, SharedLog, SharedLogEvents, SharedNews, SharedResult,
} from '../../src/store/shared-log.js';
import type { FrameRun } from '../../src/store/types.js';
import { MemoryDirectory } from '../support/memory-directory.js';
import { MemoryLeases } from '../support/memory-leases.js';
import type { MemorySessions } from '../support/memory-sessions.js';
import { sessionsOf, step, type Life, type StoreFaults } from './stores.js';
import type { VirtualTime } from './virtual-time.js';

export interface SharedFaults extends StoreFaults {
  /** Probability that a node does not hear of an append. */
  deaf: number;
}

export interface SharedMessage {
  readonly seq: number;
  readonly id: string;
  readonly serverTs: number;
  readonly lamport: number;
  readonly frame: Buffer;
}

export interface SharedChannel {
  readonly epoch: string;
  /** All that there ever were, for the checkers; the log gives out those from `firstSeq` on. */
  readonly messages: SharedMessage[];
  readonly keys: Map<string, SharedResult>;
  firstSeq: number;
  archivedSeq: number;
  archiver: { readonly owner: string; readonly until: number } | null;
}

interface Listener {
  readonly node: string;
  readonly life: Life;
  readonly events: SharedLogEvents;
  readonly channels: Set<string>;
}

const LATENCY_MS = 30;
/** Messages of a channel that the log keeps at most, of those that were archived. */
const LOGGED = 4;

/** What was archived leaves the log but for the last messages: with the next append, or when it is archived. */
export function trim(channel: SharedChannel): void {
  const cut = Math.min(channel.messages.length - LOGGED, channel.archivedSeq) + 1;
  channel.firstSeq = Math.max(channel.firstSeq, cut);
}

/** The store itself, which outlives every node. */
export class SharedBacking {
  readonly channels = new Map<string, SharedChannel>();
  /** When each channel was marked as one that has messages to archive. */
  readonly marks = new Map<string, number>();
  readonly directory = new MemoryDirectory();
  readonly leases = new MemoryLeases();
  readonly shares = new Map<string, Map<string, PresenceShare>>();
  readonly mailboxes = new Map<string, Map<Life, (note: string) => void>>();
  readonly listeners = new Set<Listener>();
  readonly cutOff = new Set<string>();

  open(name: string): SharedChannel {
    let channel = this.channels.get(name);
    if (channel === undefined) {
      channel = { epoch: `s${this.channels.size}`, messages: [], keys: new Map(), firstSeq: 1, archivedSeq: 0, archiver: null };
      this.channels.set(name, channel);
    }
    return channel;
  }

  append(name: string, entries: readonly SharedEntry[]): { readonly answer: SharedAppend; readonly added: readonly SharedMessage[] } {
    const channel = this.open(name);
    const { epoch, messages, keys } = channel;
    const first = messages.length;
    const results = entries.map((entry) => {
      const known = keys.get(`${entry.sender}\0${entry.key}`);
      if (known !== undefined) return { ...known, duplicate: true };
      const last = messages.at(-1);
      const stamps = {
        seq: messages.length + 1, id: entry.id,
        serverTs: Math.max(last?.serverTs ?? 0, entry.serverTs),
        lamport: Math.max((last?.lamport ?? 0) + 1, entry.lamport),
      };
      messages.push({ ...stamps, frame: frameOf(entry, stamps) });
      const result = { ...stamps, duplicate: false };
      keys.set(`${entry.sender}\0${entry.key}`, result);
      return result;
    });
    trim(channel);
    return { answer: { epoch, results }, added: messages.slice(first) };
  }

  /** A node's connection to it breaks, or holds again. */
  cut(node: string, isCut: boolean): void {
    if (isCut) this.cutOff.add(node);
    else this.cutOff.delete(node);
    for (const { node: name, life, events } of this.listeners) {
      if (name !== node || life.over) continue;
      if (isCut) events.onInterrupted();
      else events.onResumed();
    }
  }
}

function frameOf({ line, text }: SharedEntry, { seq, serverTs, lamport }: Pick<SharedMessage, 'seq' | 'serverTs' | 'lamport'>): Buffer {
  const header = Buffer.from(`${line[0]}${seq}${line[1]}${serverTs}${line[2]}${lamport}`);
  const length = header.length + line[3].length;
  const frame = Buffer.alloc(frameHeaderBytes(length) + length);
  const at = writeFrameHeader(frame, 0, length, text);
  header.copy(frame, at);
  line[3].copy(frame, at + header.length);
  return frame;
}

export interface NodeOfStore {
  readonly backing: SharedBacking;
  readonly time: VirtualTime;
  readonly faults: SharedFaults;
  readonly life: Life;
  readonly node: string;
}

export type Run = <T>(effect: () => Promise<T> | T) => Promise<T>;

/** A step of the shared store, which this node may have lost. */
export function stepsOf({ backing, time, faults, life, node }: NodeOfStore): Run {
  return async (effect) => {
    if (backing.cutOff.has(node)) {
      await time.wait(time.random.below(200));
      throw new StoreError('the store does not answer', true);
    }
    return step(time, faults, life, false, async () => effect());
  };
}

export function sharedOf(place: NodeOfStore, sessions: MemorySessions): SharedStores {
  const { backing, time, faults, life, node } = place;
  const run = stepsOf(place);
  const { directory, leases } = backing;
  return {
    what: 'the shared store',
    sessions: sessionsOf(sessions, time, faults, life, null),
    leases: {
      take: (owner, from, until) => run(() => leases.take(owner, from, until)),
      renew: (worker, owner, until) => run(() => leases.renew(worker, owner, until)),
      release: (worker, owner, until) => run(() => leases.release(worker, owner, until)),
    },
    directory: {
      announce: (record, now, as) => run(() => directory.announce(record, now, as)),
      list: (now) => run(() => directory.list(now)),
      withdraw: (name, instance) => run(() => directory.withdraw(name, instance)),
    },
    board: boardOf(backing, run),
    mail: mailOf(place, run),
    secret: Buffer.alloc(32, 7),
    openLog: (events) => logOf(place, run, events),
    get reachable() {
      return !backing.cutOff.has(node);
    },
    counts: { commands: 0, failures: 0, connects: 0 },
    close: async () => undefined,
  };
}

function boardOf({ shares }: SharedBacking, run: Run): PresenceBoard {
  return {
    report: (channel, share) => run(() => {
      const of = shares.get(channel) ?? new Map<string, PresenceShare>();
      shares.set(channel, of);
      if (share.count === 0) of.delete(share.node);
      else of.set(share.node, share);
    }),
    list: (channel, now) => run(() => [...(shares.get(channel)?.values() ?? [])].filter(({ until }) => until > now)),
  };
}

function mailOf({ backing, time, life }: NodeOfStore, run: Run): NodeMail {
  return {
    send: (to, note) => run(() => {
      const boxes = [...(backing.mailboxes.get(to) ?? [])].filter(([owner]) => !owner.over);
      for (const [owner, take] of boxes) time.plan(owner, time.random.below(LATENCY_MS), () => take(note));
      return boxes.length;
    }),
    receive: (as, onNote) => run(() => {
      const boxes = backing.mailboxes.get(as) ?? new Map<Life, (note: string) => void>();
      backing.mailboxes.set(as, boxes.set(life, onNote));
    }),
    close: async () => undefined,
  };
}

function logOf({ backing, time, faults, life, node }: NodeOfStore, run: Run, events: SharedLogEvents): SharedLog {
  const own: Listener = { node, life, events, channels: new Set() };
  backing.listeners.add(own);
  const tell = (channel: string, epoch: string, added: readonly SharedMessage[]): void => {
    const [first, last] = [added[0], added.at(-1)];
    if (first === undefined || last === undefined) return;
    const frames = Buffer.concat(added.map(({ frame }) => frame));
    const news: SharedNews = { channel, node, epoch, firstSeq: first.seq, lastSeq: last.seq, lamport: last.lamport, frames };
    for (const listener of backing.listeners) {
      if (listener.life.over || !listener.channels.has(channel) || time.random.chance(faults.deaf)) continue;
      time.plan(listener.life, time.random.below(LATENCY_MS), () => {
        if (!backing.cutOff.has(listener.node) && listener.channels.has(channel)) listener.events.onNews(news);
      });
    }
  };
  /** Those from `fromSeq` on that have not left the log. */
  const readable = (name: string, fromSeq = 1): readonly SharedMessage[] => {
    const channel = backing.channels.get(name);
    return channel?.messages.slice(Math.max(fromSeq, channel.firstSeq) - 1) ?? [];
  };
  const firstWhere = (channel: string, holds: (message: SharedMessage) => boolean): number =>
    readable(channel).find(holds)?.seq ?? (backing.channels.get(channel)?.messages.length ?? 0) + 1;
  return {
    head: (channel, make) => run((): SharedHead | null => {
      if (!make && !backing.channels.has(channel)) return null;
      const { epoch, messages, firstSeq } = backing.open(channel);
      return { epoch, headSeq: messages.length, oldestSeq: firstSeq, lastId: readable(channel).at(-1)?.id ?? '' };
    }),
    append: (channel, entries) => run(() => {
      const { answer, added } = backing.append(channel, entries);
      tell(channel, answer.epoch, added);
      return answer;
    }),
    // Nothing is ever set back here.
    renew: () => run(() => undefined),
    read: (channel, fromSeq, maxCount) => run(() => runOf(readable(channel, fromSeq).slice(0, maxCount))),
    seqAtTs: (channel, ts) => run(() => firstWhere(channel, ({ serverTs }) => serverTs >= ts)),
    seqAfterId: (channel, id) => run(() => firstWhere(channel, (message) => BigInt(message.id) >= BigInt(id))),
    idAt: (channel, seq) => run(() => readable(channel).find((message) => message.seq === seq)?.id ?? ''),
    listen: (channel) => run(() => void own.channels.add(channel)),
    unlisten: (channel) => void own.channels.delete(channel),
    close: async () => void backing.listeners.delete(own),
  };
}

export function runOf(messages: readonly SharedMessage[]): FrameRun | null {
  const [first, last] = [messages[0], messages.at(-1)];
  if (first === undefined || last === undefined) return null;
  let end = 0;
  const ends = Uint32Array.from(messages, ({ frame }) => (end += frame.length));
  return { firstSeq: first.seq, lastSeq: last.seq, frames: Buffer.concat(messages.map(({ frame }) => frame)), ends };
}
