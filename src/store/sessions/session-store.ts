/**
 * What a session store keeps and promises. Implementations: the embedded log (`session-log-store.ts`); others plug in here and pass
 * the suite test/unit/store/session-store-suite.ts.
 *
 * A session has one owner at a time: whoever claimed its latest *generation*, which is at once the number of the resume token that
 * was given out last and the fence of every write. A write that names another generation changes nothing and says so: its author
 * has lost the session. Stores read no clock: all times come from the caller, in milliseconds since the Unix epoch.
 */

import type { SessionWords } from './session-id.js';

/** Up to where a device has a channel: it has, or does not want, every message up to `seq`. */
export interface ChannelCursor {
  readonly channel: string;
  readonly seq: number;
  readonly epoch: string;
  /** Whether a connection that resumes the session gets the channel again. */
  readonly subscribed: boolean;
  /** The device told this position (`seen`, `cursors`); else it is what was on its way to it last. */
  readonly told: boolean;
}

/** A position to be merged into the cursors; without `subscribed` that stays as it is. */
export interface CursorChange extends Omit<ChannelCursor, 'subscribed'> {
  readonly subscribed?: boolean;
}

/** Of each of some new sessions: the cursor that it begins with, where it has one. */
export type FirstCursors = readonly (ChannelCursor | null)[];

export interface SessionTimes {
  /** The owner's lease: it lives, or has died since, as far as others may assume. 0 when nobody is connected. */
  readonly leaseUntil: number;
  /** The session can be resumed before this. */
  readonly expiresAt: number;
  /** The store may forget it from here on; not before `expiresAt`. */
  readonly forgetAt: number;
}

export interface SessionRecord extends SessionTimes {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** Null for an anonymous session. */
  readonly user: string | null;
  readonly device: string | null;
  /** Number of the resume token given out last, and fence of all writes; from 1. */
  readonly generation: number;
  /** A token that is still accepted before `previousUntil`, because the `welcome` that replaced it may have been lost; 0 none. */
  readonly previous: number;
  readonly previousUntil: number;
  /** Node that holds the lease; null when nobody is connected. */
  readonly owner: string | null;
  /** `bye` was said: it cannot be resumed, and is kept for its device's cursors until `forgetAt`. */
  readonly ended: boolean;
  /** Snowflake, decimal. */
  readonly lastSeenMessageId: string | null;
  /** By channel, each once, in no particular order. */
  readonly cursors: readonly ChannelCursor[];
}

/** What a connection writes of its session. Cursors never move back: see mergeCursor and laterId. */
export interface SessionPatch {
  readonly lastSeenMessageId?: string;
  readonly upsert?: readonly CursorChange[];
  /** Channels to forget. No channel is in both lists. */
  readonly remove?: readonly string[];
  /** The client showed that it has the token of this generation: the one before it is accepted no more. */
  readonly confirmed?: boolean;
}

/** The next generation of a session, for the connection that resumes it. */
export interface SessionClaim extends SessionTimes {
  readonly previous: number;
  readonly previousUntil: number;
  readonly owner: string;
  /** The generation that it becomes, above the one that is expected. */
  readonly generation: number;
}

/** A claim that was decided, on its way to the store. */
export interface Claimed {
  readonly record: SessionRecord;
  /**
   * When it is as durable as claim() makes it; the same promise for all that becomes durable together. Rejects with StoreError: then the
   * claim may not have been made, and nothing that followed it.
   */
  readonly stored: Promise<unknown>;
}

export interface SessionRef {
  readonly id: string;
  readonly generation: number;
}

/** Whether this node has a connection of the session in this generation. */
export type IsConnected = (id: SessionWords, generation: number) => boolean;

/**
 * Promises that resolve say that the change is durable as far as the implementation promises it (embedded: on stable storage).
 * All reject with StoreError, and then it is not known whether the change was made: read before trying again.
 */
export interface SessionStore {
  /** Bytes of this process's memory in which it finds sessions, where it keeps any. */
  readonly memoryBytes?: number;
  /** A new session. The id must not exist. `words`: the id once more, where it is at hand. */
  create(record: SessionRecord, words?: SessionWords): Promise<void>;
  /**
   * Where the store has it: `count` new sessions of nobody's device that differ from `record` in their ids only, four words each in `ids`,
   * and, where `cursors` are given, in having one of those or none; lists and cursors are the caller's again. Null, and nothing is done,
   * where they have to be created one by one.
   */
  createMany?(ids: Uint32Array, count: number, record: SessionRecord, cursors?: FirstCursors): Promise<void> | null;
  get(id: string): Promise<SessionRecord | null>;
  /** The session of this user and device that was created last, ended or expired ones included, until it is forgotten. */
  findDevice(user: string, device: string): Promise<SessionRecord | null>;
  /**
   * Takes the session over: when its generation is still `expected` and it has not ended, it gets these fields, its next generation
   * among them. Null when it was not, or is not there. Of two claims of one generation at the same time exactly one succeeds.
   */
  claim(id: string, expected: number, claim: SessionClaim): Promise<SessionRecord | null>;
  /**
   * Where the store has it: get() and claim() within the turn. `judge` is told the session, null where there is none, and returns how it
   * is to be claimed, or null where it is not: then so is the answer. Null, and `judge` is not called, where the store cannot tell at
   * once. Throws StoreError.
   */
  claimNow?(id: string, judge: (record: SessionRecord | null) => SessionClaim | null): Claimed | null;
  /** Applies the patch; false when the session is not there, has ended or has another generation. */
  update(id: string, generation: number, patch: SessionPatch): Promise<boolean>;
  /**
   * Where the store has it: the first cursor of a session that has none, as `update` would add it; for most sessions it is the only one.
   * Null, and nothing is done, where it is not so simple.
   */
  addFirstCursor?(words: SessionWords, generation: number, cursor: ChannelCursor): Promise<boolean> | null;
  /** The connection is gone: applies the patch, gives up the lease and sets the times. False as for `update`. */
  release(id: string, generation: number, times: SessionTimes, patch: SessionPatch): Promise<boolean>;
  /**
   * Where the store has it: `release` of a session that has at most the one cursor that is told. The same promise for all that becomes
   * durable together. Null, and nothing is done, where it is not so simple.
   */
  releaseNow?(words: SessionWords, generation: number, times: SessionTimes, cursor: ChannelCursor | null): Promise<boolean> | null;
  /** Prolongs leases, perhaps by a second more than that. For each: false as for `update`. */
  renew(sessions: readonly SessionRef[], times: SessionTimes): Promise<readonly boolean[]>;
  /**
   * Where the store has it: the same for `count` sessions, four words of `ids` and one of `generations` each. When it resolves `kept` has 1
   * for each whose lease is longer now, else 0.
   */
  renewMany?(ids: Uint32Array, generations: Uint32Array, count: number, times: SessionTimes, kept: Uint8Array): Promise<void> | null;
  /** Ends the session for good, keeping its cursors for its device until `forgetAt`. False as for `update`. */
  end(id: string, generation: number, patch: SessionPatch, forgetAt: number): Promise<boolean>;
  /** Where the store gives up leases of processes that have ended: connections may outlive the process that wrote their sessions. */
  keepConnected?(isConnected: IsConnected): void;
  /** Removes some sessions that may be forgotten at `now`, looking at `limit` at most; call it again and again. Returns how many went. */
  sweep(now: number, limit: number): Promise<number>;
  close(): Promise<void>;
}

/** What a cursor becomes when the device reports another position: higher within an epoch, anew with a new one. */
export function mergeCursor(current: ChannelCursor | undefined, next: CursorChange): ChannelCursor {
  const { channel, epoch, told } = next;
  const seq = current?.epoch === epoch ? Math.max(current.seq, next.seq) : next.seq;
  return { channel, seq, epoch, subscribed: next.subscribed ?? current?.subscribed ?? false, told };
}

/** Two changes as one. */
export function mergeChange(current: CursorChange | undefined, next: CursorChange): CursorChange {
  if (current === undefined) return next;
  const subscribed = next.subscribed ?? current.subscribed;
  const seq = current.epoch === next.epoch ? Math.max(current.seq, next.seq) : next.seq;
  return { ...next, seq, ...(subscribed === undefined ? {} : { subscribed }) };
}

/** The later of two Snowflakes, which exceed 2^53. */
export function laterId(a: string | null, b: string): string {
  if (a === null) return b;
  if (a.length !== b.length) return a.length > b.length ? a : b;
  return a > b ? a : b;
}

/** The record with a patch applied; `cursors` keeps its order, new ones come last. */
export function applyPatch(record: SessionRecord, patch: SessionPatch): SessionRecord {
  const { lastSeenMessageId: seen, upsert, remove, confirmed = false } = patch;
  const lastSeenMessageId = seen === undefined ? record.lastSeenMessageId : laterId(record.lastSeenMessageId, seen);
  const previous = confirmed ? 0 : record.previous;
  const previousUntil = confirmed ? 0 : record.previousUntil;
  return { ...record, lastSeenMessageId, previous, previousUntil, cursors: patchedCursors(record.cursors, upsert, remove) };
}

function patchedCursors(
  former: readonly ChannelCursor[], upsert: readonly CursorChange[] = [], remove: readonly string[] = [],
): readonly ChannelCursor[] {
  if (upsert.length === 0 && remove.length === 0) return former;
  const [first] = upsert;
  // Most sessions have one channel.
  if (first !== undefined && upsert.length === 1 && remove.length === 0 && former.length <= 1) {
    const [known] = former;
    return known === undefined || known.channel === first.channel ? [mergeCursor(known, first)] : [known, mergeCursor(undefined, first)];
  }
  const cursors = new Map(former.map((cursor) => [cursor.channel, cursor]));
  for (const channel of remove) cursors.delete(channel);
  for (const cursor of upsert) cursors.set(cursor.channel, mergeCursor(cursors.get(cursor.channel), cursor));
  return [...cursors.values()];
}

/** The record as the claim makes it. */
export function claimedRecord(record: SessionRecord, claim: SessionClaim): SessionRecord {
  const { previous, previousUntil, generation, owner, leaseUntil, expiresAt, forgetAt } = claim;
  return { ...record, previous, previousUntil, generation, owner, leaseUntil, expiresAt, forgetAt };
}

/** The record when its connection is gone. */
export function releasedRecord(record: SessionRecord, times: SessionTimes, patch: SessionPatch): SessionRecord {
  const { leaseUntil, expiresAt, forgetAt } = times;
  return { ...applyPatch(record, patch), leaseUntil, expiresAt, forgetAt, owner: null };
}
