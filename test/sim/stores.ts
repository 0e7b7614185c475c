/** The stores that survive every crash, seen by one life of the gateway: slow, failing, and dead when that life is over. */

import { StoreError } from '../../src/errors.js';
import type { ArchiveSource } from '../../src/store/archive/archive-source.js';
import type { HistoryStore } from '../../src/store/history-store.js';
import { formatSessionId } from '../../src/store/sessions/session-id.js';
import {
  releasedRecord, type ChannelCursor, type Claimed, type SessionClaim, type SessionRecord, type SessionStore, type SessionTimes,
} from '../../src/store/sessions/session-store.js';
import type { LogEntry, MessageLog } from '../../src/store/types.js';
import { MemoryHistory } from '../support/memory-history.js';
import { MemoryLog } from '../support/memory-log.js';
import { MemorySessions } from '../support/memory-sessions.js';
import { CheckedRecords } from './checkers.js';
import type { VirtualTime } from './virtual-time.js';

export interface StoreFaults {
  /** Longest time that a step takes, ms. */
  slowMs: number;
  /** Probability that a step fails: before it takes effect, or, with sessions, after it. */
  failing: number;
  /** Probability that the gateway dies at a step: before or after it takes effect. */
  crashing: number;
}

/** One life of a gateway: when it is over nothing that it had begun goes on. */
export class Life {
  over = false;
  readonly #die: () => void;
  readonly #ends: (() => void)[] = [];

  /** `die`: the process is killed now. */
  constructor(die: () => void) {
    this.#die = die;
  }

  /** What this life had not finished. */
  onOver(end: () => void): void {
    this.#ends.push(end);
  }

  kill(): void {
    if (this.over) return;
    this.over = true;
    for (const end of this.#ends) end();
    this.#die();
  }
}

/** One for each wait: what waits for a common one would be kept for ever, and with it the whole world of its seed. */
const never = (): Promise<never> => new Promise<never>(() => undefined);

/** What happens around one step of a store. */
export async function step<T>(time: VirtualTime, faults: StoreFaults, life: Life, isClean: boolean, effect: () => Promise<T>): Promise<T> {
  const { random } = time;
  if (life.over) return never();
  if (faults.slowMs > 0) await time.wait(random.below(faults.slowMs));
  if (life.over) return never();
  const crash = random.chance(faults.crashing) ? (random.chance(0.5) ? 'before' : 'after') : null;
  if (crash === 'before') {
    life.kill();
    return never();
  }
  const failure = random.chance(faults.failing) ? (isClean || random.chance(0.5) ? 'before' : 'after') : null;
  if (failure === 'before') throw new StoreError('the store failed', true);
  const result = await effect();
  if (crash === 'after') life.kill();
  if (life.over) return never();
  if (failure === 'after') throw new StoreError('the store did not answer', true);
  return result;
}

/** `lost`: told of records that were decided and never stored; null for a store that several nodes share, which decides elsewhere. */
export function sessionsOf(
  shared: MemorySessions, time: VirtualTime, faults: StoreFaults, life: Life, lost: ((record: SessionRecord) => void) | null,
): SessionStore {
  const run = <T>(effect: () => Promise<T>): Promise<T> => step(time, faults, life, false, effect);
  const claims = new Claims(shared, run, life, lost ?? (() => undefined));
  // Half of the lives have a store that answers later.
  const decides = time.random.chance(0.5) && lost !== null;
  const after = <T>(id: string, effect: () => Promise<T>): Promise<T> => claims.after(id, () => run(effect));
  return {
    ...(decides ? {
      claimNow: (id, judge) => claims.claim(id, judge),
      releaseNow: (words, generation, times, cursor) => claims.release(formatSessionId(words), generation, times, cursor),
    } : {}),
    create: (record) => run(() => shared.create(record)),
    createMany: (ids, count, record, cursors) => {
      const [own, given] = [ids.slice(), cursors?.slice()];
      return run(() => shared.createMany(own, count, record, given));
    },
    get: (id) => run(() => shared.get(id)),
    findDevice: (user, device) => run(() => shared.findDevice(user, device)),
    claim: (id, expected, claim) => after(id, () => shared.claim(id, expected, claim)),
    update: (id, generation, patch) => after(id, () => shared.update(id, generation, patch)),
    release: (id, generation, times, patch) => after(id, () => shared.release(id, generation, times, patch)),
    renew: (sessions, times) => run(() => shared.renew(sessions, times)),
    end: (id, generation, patch, forgetAt) => after(id, () => shared.end(id, generation, patch, forgetAt)),
    sweep: (now, limit) => run(() => shared.sweep(now, limit)),
    close: async () => undefined,
  };
}

/** What is decided at once and stored later: a death in between takes it back, and nothing of the session is stored before. */
export class Claims {
  readonly #shared: MemorySessions;
  readonly #run: (effect: () => Promise<void>) => Promise<void>;
  readonly #lost: (record: SessionRecord) => void;
  readonly #unstored = new Map<string, { readonly former: SessionRecord; readonly stored: Promise<void> }>();

  constructor(
    shared: MemorySessions, run: (effect: () => Promise<void>) => Promise<void>, life: Life, lost: (record: SessionRecord) => void,
  ) {
    this.#shared = shared;
    this.#run = run;
    this.#lost = lost;
    life.onOver(() => {
      for (const { former } of this.#unstored.values()) this.#takeBack(former);
    });
  }

  #takeBack(former: SessionRecord): void {
    const { records } = this.#shared;
    const decided = records.get(former.id) ?? former;
    if (decided.generation !== former.generation) this.#lost(decided);
    if (records instanceof CheckedRecords) records.takeBack(former);
    else records.set(former.id, former);
  }

  claim(id: string, judge: (record: SessionRecord | null) => SessionClaim | null): Claimed | null {
    if (this.#unstored.has(id)) return null;
    const former = this.#shared.records.get(id);
    const claim = judge(former ?? null);
    if (former === undefined || claim === null) return null;
    const record = { ...former, ...claim };
    return { record, stored: this.#decide(former, record) };
  }

  /** Null where the session has more than the cursor. */
  release(id: string, generation: number, times: SessionTimes, cursor: ChannelCursor | null): Promise<true> | null {
    const former = this.#shared.records.get(id);
    if (this.#unstored.has(id) || former?.generation !== generation || former.ended || former.owner === null) return null;
    const [known, ...others] = former.cursors;
    if (others.length > 0 || known?.channel !== cursor?.channel || known?.epoch !== cursor?.epoch) return null;
    const record = releasedRecord(former, times, cursor === null ? {} : { upsert: [cursor] });
    return this.#decide(former, record).then(() => true);
  }

  #decide(former: SessionRecord, record: SessionRecord): Promise<void> {
    const { id } = former;
    this.#shared.records.set(id, record);
    const write = async (): Promise<void> => {
      // Not in this turn, however quick the store is.
      await null;
      this.#unstored.delete(id);
    };
    const stored = this.#run(write).catch((error: unknown) => {
      if (this.#unstored.delete(id)) this.#takeBack(former);
      throw error;
    });
    this.#unstored.set(id, { former, stored });
    stored.catch(() => undefined);
    return stored;
  }

  async after<T>(id: string, effect: () => Promise<T>): Promise<T> {
    await this.#unstored.get(id)?.stored.catch(() => undefined);
    return effect();
  }
}

/** A log's append that fails has written nothing (MessageLog.append). */
export function logOf(shared: MemoryLog, time: VirtualTime, faults: StoreFaults, life: Life): MessageLog {
  return {
    openChannel: (name) => shared.openChannel(name),
    adoptChannel: (name, id) => shared.adoptChannel(name, id),
    findChannel: (name) => shared.findChannel(name),
    recentHead: (id) => shared.recentHead(id),
    append: (entries) => {
      // The gateway's memory is its own: a later life writes over what an earlier one had there.
      const kept: LogEntry[] = entries.map(({ channelId, seq, id, serverTs, lamport, sender, key, memory, address, length }) => {
        const frame = Buffer.from(memory.subarray(address, address + length));
        return { channelId, seq, id, serverTs, lamport, sender, key, memory: frame, address: 0, length };
      });
      return step(time, faults, life, true, () => shared.append(kept));
    },
    findByKey: (channel, sender, key) => shared.findByKey(channel, sender, key),
    read: (channel, from, count, bytes) => shared.read(channel, from, count, bytes),
    seqAtTs: (channel, ts) => shared.seqAtTs(channel, ts),
    seqAfterId: (channel, id) => shared.seqAfterId(channel, id),
    maxLamport: () => shared.maxLamport(),
    maxTimestamp: () => shared.maxTimestamp(),
    close: async () => undefined,
  };
}

/** Messages that an archiver is given at once, at most. */
const BATCH = 20;

/** The log as an archiver sees it. `cursors`: how far each channel was archived, stored with the log. */
export function archiveOf(
  shared: MemoryLog, cursors: Map<string, number>, time: VirtualTime, faults: StoreFaults, life: Life,
): ArchiveSource {
  return {
    backlog: { bytes: 0, since: null, dropped: 0 },
    nextForArchive: () => {
      for (const name of shared.names) {
        const from = cursors.get(name) ?? 1;
        const segment = shared.segmentBelow(name, from + 1 + time.random.below(BATCH), from);
        const { length } = segment.ids;
        if (length > 0) return { segments: [segment], messages: length, bytes: segment.frames.length, end: from + length };
      }
      return null;
    },
    archived: ({ segments, end }) => step(time, faults, life, false, async () => {
      const name = segments[0]?.channel ?? '';
      cursors.set(name, Math.max(cursors.get(name) ?? 1, end));
    }),
  };
}

/** A write that fails may have been done. */
export function historyOf(shared: MemoryHistory, time: VirtualTime, faults: StoreFaults, life: Life): HistoryStore {
  const run = <T>(effect: () => Promise<T>): Promise<T> => step(time, faults, life, false, effect);
  return {
    write: (segments) => run(() => shared.write(segments)),
    read: (...of) => run(() => shared.read(...of)),
    readBack: (...of) => run(() => shared.readBack(...of)),
    bounds: (place) => run(() => shared.bounds(place)),
    seqAtTs: (...of) => run(() => shared.seqAtTs(...of)),
    seqAfterId: (...of) => run(() => shared.seqAfterId(...of)),
    retain: async () => 0,
    close: async () => undefined,
  };
}
