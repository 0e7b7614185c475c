import { DataFolderError } from '../../errors.js';
import { makeFolder } from '../../config/folder.js';
import { FolderLock } from '../folder-lock.js';
import { decodeSession } from './session-codec.js';
import { Cleaner } from '../session-log/cleaner.js';
import { RECORD } from '../session-log/format.js';
import { deviceHash, fingerprint, idOf, requireId, wordsAt } from '../session-log/ids.js';
import { PLACE, type Place } from '../session-log/places.js';
import type { SessionFollower } from '../session-log/follower.js';
import { recover } from '../session-log/recovery.js';
import { SessionLog } from '../session-log/session-log.js';
import {
  applyPatch, claimedRecord, releasedRecord, type ChannelCursor, type Claimed, type CursorChange, type FirstCursors, type IsConnected,
  type SessionClaim, type SessionPatch, type SessionRecord, type SessionRef, type SessionStore, type SessionTimes,
} from './session-store.js';
import { readSessionId, type SessionWords } from './session-id.js';
import { reason } from '../store-failure.js';

export interface SessionLogStoreOptions {
  /** The data folder; made when it is missing. */
  readonly folder: string;
  /** Memory is reserved for so many sessions; there may be more. */
  readonly expected?: number;
  /** Files are about so long. */
  readonly segmentBytes?: number;
  /** What has been read of the folder already, with as many sessions expected. */
  readonly follower?: SessionFollower;
  /** Who keeps sessions here, as their records name it. */
  readonly owner?: string;
}

const NOT_DONE: Promise<boolean> = Promise.resolve(false);
const NONE = -1;
const SEGMENT_BYTES = 1 << 26;

/**
 * The embedded session store: a log of files (session-log/). Every method reads, decides and writes in one turn, which makes it atomic,
 * as this process is the only writer. Promises are shared by all that one write makes durable.
 */
export class SessionLogStore implements SessionStore {
  readonly #log: SessionLog;
  readonly #cleaner: Cleaner;
  readonly #lock: FolderLock;
  readonly #owner: string;
  /** Of the id that is being looked for; meant for one call only. */
  readonly #words = new Uint32Array(4);
  #swept: Place = 0;

  /** Throws DataFolderError when the folder cannot be used or another process has it. */
  constructor({ folder, expected = 0, segmentBytes = SEGMENT_BYTES, follower, owner = '' }: SessionLogStoreOptions) {
    this.#owner = owner;
    try {
      makeFolder(folder);
    } catch (cause) {
      throw new DataFolderError(folder, `cannot be made (${reason(cause)})`, { cause });
    }
    this.#lock = new FolderLock(folder);
    try {
      const recovered = follower?.recover() ?? recover(folder, expected);
      this.#log = new SessionLog(folder, recovered, segmentBytes);
    } catch (cause) {
      this.#lock.release();
      if (cause instanceof DataFolderError) throw cause;
      throw new DataFolderError(folder, `cannot be opened as a session store (${reason(cause)})`, { cause });
    }
    this.#cleaner = new Cleaner(this.#log);
    this.#log.onWritten = () => this.#cleaner.look();
  }

  get memoryBytes(): number {
    return this.#log.places.memoryBytes;
  }

  create(record: SessionRecord, given?: SessionWords): Promise<void> {
    try {
      const words = given ?? requireId(record.id);
      const [high, low] = fingerprint(words);
      const { user, device } = record;
      const hash = user === null || device === null ? null : deviceHash(user, device);
      const former = hash === null ? NONE : this.#findDevice(hash, user as string, device as string);
      return this.#log.create(words, high, low, record, hash, former);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  createMany(ids: Uint32Array, count: number, record: SessionRecord, cursors?: FirstCursors): Promise<void> {
    try {
      return this.#log.createMany(ids, count, record, cursors);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async get(id: string): Promise<SessionRecord | null> {
    return this.#read(id);
  }

  async findDevice(user: string, device: string): Promise<SessionRecord | null> {
    const place = this.#findDevice(deviceHash(user, device), user, device);
    if (place === NONE) return null;
    const words = wordsAt(this.#log.bytesOf(place), RECORD.ID);
    return this.#log.read(place, idOf(words), words);
  }

  async claim(id: string, expected: number, claim: SessionClaim): Promise<SessionRecord | null> {
    let claimed: SessionRecord | null = null;
    const done = await this.#change(id, expected, (record) => (claimed = claimedRecord(record, claim)));
    return done ? claimed : null;
  }

  claimNow(id: string, judge: (record: SessionRecord | null) => SessionClaim | null): Claimed | null {
    const place = this.#place(id);
    let claimed: SessionRecord | null = null;
    let isThere = false;
    const stored = place === NONE ? this.#log.none() : this.#log.change(place, id, this.#words, (record) => {
      isThere = true;
      const claim = judge(record);
      return claim === null ? null : (claimed = claimedRecord(record, claim));
    });
    if (!isThere) judge(null);
    return stored === null || claimed === null ? null : { record: claimed, stored };
  }

  update(id: string, generation: number, patch: SessionPatch): Promise<boolean> {
    const { upsert: [first, ...others] = [], remove, lastSeenMessageId, confirmed } = patch;
    const isOneCursor = first !== undefined && others.length === 0 && remove === undefined && lastSeenMessageId === undefined;
    if (isOneCursor && confirmed !== true && readSessionId(id, this.#words)) {
      const done = this.addFirstCursor(this.#words, generation, { ...(first as CursorChange), subscribed: first?.subscribed ?? false });
      if (done !== null) return done;
    }
    return this.#change(id, generation, (record) => applyPatch(record, patch));
  }

  release(id: string, generation: number, times: SessionTimes, patch: SessionPatch): Promise<boolean> {
    return this.#change(id, generation, (record) => releasedRecord(record, times, patch));
  }

  addFirstCursor(words: SessionWords, generation: number, cursor: ChannelCursor): Promise<boolean> | null {
    const place = this.#log.places.findId(words);
    if (place === NONE || !this.#isCurrent(place, generation)) return null;
    try {
      return this.#log.addFirstCursor(place, words, cursor);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  releaseNow(words: SessionWords, generation: number, times: SessionTimes, cursor: ChannelCursor | null): Promise<boolean> | null {
    const place = this.#log.places.findId(words);
    if (place === NONE || !this.#isCurrent(place, generation)) return null;
    try {
      return this.#log.release(place, words, times, cursor);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async renew(sessions: readonly SessionRef[], times: SessionTimes): Promise<readonly boolean[]> {
    const ids = new Uint32Array(sessions.length * 4);
    const generations = new Uint32Array(sessions.length);
    const kept = new Uint8Array(sessions.length);
    // There is no generation 0.
    sessions.forEach(({ id, generation }, i) => (generations[i] = readSessionId(id, ids.subarray(i * 4)) ? generation : 0));
    await this.renewMany(ids, generations, sessions.length, times, kept);
    return Array.from(kept, (is) => is === 1);
  }

  /** In memory, and in one record for all of them: whoever reads the log knows that the process was there. */
  async renewMany(ids: Uint32Array, generations: Uint32Array, count: number, times: SessionTimes, kept: Uint8Array): Promise<void> {
    const { leaseUntil, expiresAt, forgetAt } = times;
    const until = Math.min(0xffffffff, Math.ceil(leaseUntil / 1000));
    const { places } = this.#log;
    const words = this.#words;
    const writers = new Set<number>();
    const changed: Promise<void>[] = [];
    for (let i = 0; i < count; i += 1) {
      for (let word = 0; word < 4; word += 1) words[word] = ids[i * 4 + word]!;
      const place = places.findId(words);
      kept[i] = place !== NONE && this.#isCurrent(place, generations[i]!) ? 1 : 0;
      if (kept[i] === 0) continue;
      if (places.has(place, PLACE.owned)) {
        places.setUntil(place, until);
        writers.add(this.#log.writerOf(place));
        continue;
      }
      // The cleaner took it for nobody's, but its connection goes on with an engine that outlives who wrote the record.
      const owned = this.#change(idOf(words), generations[i]!, (record) => ({ ...record, ...times, owner: this.#owner }));
      changed.push(owned.then((is) => void (kept[i] = is ? 1 : 0)));
    }
    const alive = { until, expires: expiresAt - leaseUntil, forget: forgetAt - leaseUntil };
    if (writers.size > 0) changed.push(this.#log.prolong(writers, alive));
    await Promise.all(changed);
  }

  keepConnected(isConnected: IsConnected): void {
    this.#cleaner.keepConnected(isConnected);
  }

  end(id: string, generation: number, patch: SessionPatch, forgetAt: number): Promise<boolean> {
    return this.#change(id, generation, (record) => {
      return { ...applyPatch(record, patch), owner: null, leaseUntil: 0, ended: true, forgetAt };
    });
  }

  async sweep(now: number, limit: number): Promise<number> {
    const { places } = this.#log;
    let removed = 0;
    for (let looked = 0; looked < limit && places.count > 0; looked += 1) {
      this.#swept = this.#swept >= places.end ? 0 : this.#swept;
      if (this.#mayBeForgotten(this.#swept, now)) {
        this.#log.forget(this.#swept);
        removed += 1;
      }
      this.#swept += 1;
    }
    return removed;
  }

  async close(): Promise<void> {
    await this.#cleaner.stop();
    await this.#log.close();
    this.#lock.release();
  }

  #mayBeForgotten(place: Place, now: number): boolean {
    const { places } = this.#log;
    if (!places.has(place, PLACE.used) || places.until(place) * 1000 > now || this.#log.isPending(place)) return false;
    if (!places.has(place, PLACE.owned)) return true;
    const words = wordsAt(this.#log.bytesOf(place), RECORD.ID);
    const record = this.#log.read(place, idOf(words), words);
    return record !== null && record.forgetAt <= now;
  }

  /** Leaves the id's words in #words. */
  #place(id: string): Place {
    return readSessionId(id, this.#words) ? this.#log.places.findId(this.#words) : NONE;
  }

  #read(id: string): SessionRecord | null {
    const place = this.#place(id);
    // Asked of a closed store, it says so.
    return place === NONE ? this.#log.none() : this.#log.read(place, id, this.#words);
  }

  #findDevice(hash: number, user: string, device: string): Place {
    return this.#log.places.findDevice(hash, (place) => {
      const record = decodeSession('', this.#log.bytesOf(place), RECORD.BODY);
      return record.user === user && record.device === device;
    });
  }

  #isCurrent(place: Place, generation: number): boolean {
    const { places } = this.#log;
    return places.generation(place) === generation && !places.has(place, PLACE.ended);
  }

  #change(id: string, generation: number, change: (record: SessionRecord) => SessionRecord): Promise<boolean> {
    try {
      const place = this.#place(id);
      if (place === NONE || !this.#isCurrent(place, generation)) return this.#log.none() ?? NOT_DONE;
      return this.#log.change(place, id, this.#words, change) ?? NOT_DONE;
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }
}
