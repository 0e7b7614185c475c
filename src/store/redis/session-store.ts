import { randomBytes } from 'node:crypto';
import { StoreError } from '../../errors.js';
import { decodeSession, encodeSession } from '../sessions/session-codec.js';
import {
  applyPatch, claimedRecord, releasedRecord, type SessionClaim, type SessionPatch, type SessionRecord, type SessionRef, type SessionStore,
  type SessionTimes,
} from '../sessions/session-store.js';
import type { RedisClient } from './client.js';

/** Losing this often against other writers of one session means that something else is wrong. */
const SWAPS_MAX = 32;
const NONCE_BYTES = 12;
/** Sessions whose latest value is remembered, where it is small: who comes, comes with several changes one behind the other. */
const RECENT_MAX = 10_000;
const RECENT_BYTES = 1024;

interface Known {
  readonly value: Buffer;
  readonly record: SessionRecord;
}

/**
 * Sessions in Redis, each under one key that expires with it, its device beside it. A change reads, decides and swaps: the swap fails
 * where another node was faster, and then it begins again. What this node saw last serves as the reading of the first attempt: where it
 * is old, the swap fails. What is durable is what Redis promises (appendfsync, replicas).
 */
export class RedisSessionStore implements SessionStore {
  readonly #redis: RedisClient;
  /** Makes every value unlike any other, so that a repeated swap is told from another writer's with the same outcome. */
  readonly #nonce = randomBytes(NONCE_BYTES);
  /** The last change under way of each session that has one: they are made one after another, in the order of the calls. */
  readonly #tails = new Map<string, Promise<unknown>>();
  /** Latest known values, the longest unused first. */
  readonly #recent = new Map<string, Buffer>();
  #closed = false;

  constructor(redis: RedisClient) {
    this.#redis = redis;
  }

  async create(record: SessionRecord): Promise<void> {
    this.#open();
    const { user, device, id } = record;
    const value = this.#encode(record);
    const made = this.#redis.script('sluiceSessionSwap', [this.#key(id)], ['', value, Math.floor(record.forgetAt)]);
    const named = user === null || device === null ? null : this.#name(user, device, record);
    if ((await Promise.all([made, named]))[0] !== 1) throw new StoreError(`session ${id} is there already`, false);
  }

  async get(id: string): Promise<SessionRecord | null> {
    // What was changed before is seen, whatever is under way. It never rejects.
    await this.#tails.get(id);
    const value = await this.#read(id);
    return value === null ? null : decodeSession(id, value);
  }

  async findDevice(user: string, device: string): Promise<SessionRecord | null> {
    this.#open();
    const id = (await this.#redis.command('get', this.#device(user, device))) as Buffer | null;
    return id === null ? null : this.get(id.toString());
  }

  async claim(id: string, expected: number, claim: SessionClaim): Promise<SessionRecord | null> {
    return this.#change(id, expected, (record) => claimedRecord(record, claim));
  }

  async update(id: string, generation: number, patch: SessionPatch): Promise<boolean> {
    return (await this.#change(id, generation, (record) => applyPatch(record, patch))) !== null;
  }

  async release(id: string, generation: number, times: SessionTimes, patch: SessionPatch): Promise<boolean> {
    return (await this.#change(id, generation, (record) => releasedRecord(record, times, patch))) !== null;
  }

  async renew(sessions: readonly SessionRef[], times: SessionTimes): Promise<readonly boolean[]> {
    const renewed = sessions.map(({ id, generation }) => this.#change(id, generation, (record) => ({ ...record, ...times })));
    return (await Promise.all(renewed)).map((record) => record !== null);
  }

  async end(id: string, generation: number, patch: SessionPatch, forgetAt: number): Promise<boolean> {
    const ended = await this.#change(id, generation, (record) => {
      return { ...applyPatch(record, patch), owner: null, leaseUntil: 0, ended: true, forgetAt };
    });
    return ended !== null;
  }

  /** Redis forgets by itself. */
  async sweep(): Promise<number> {
    this.#open();
    return 0;
  }

  /** The connection is its owner's to close. */
  async close(): Promise<void> {
    this.#closed = true;
  }

  async #change(id: string, generation: number, change: (record: SessionRecord) => SessionRecord): Promise<SessionRecord | null> {
    const before = this.#tails.get(id) ?? Promise.resolve();
    const changed = before.then(() => this.#swap(id, generation, change));
    const tail = changed.catch(() => undefined);
    this.#tails.set(id, tail);
    try {
      return await changed;
    } finally {
      if (this.#tails.get(id) === tail) this.#tails.delete(id);
    }
  }

  async #swap(id: string, generation: number, change: (record: SessionRecord) => SessionRecord): Promise<SessionRecord | null> {
    this.#open();
    let known = this.#known(id, generation);
    for (let attempt = 0; attempt < SWAPS_MAX; attempt++) {
      known ??= await this.#latest(id);
      if (known === null || known.record.generation !== generation || known.record.ended) return null;
      const { value, record } = known;
      known = null;
      const after = change(record);
      const next = this.#encode(after);
      const forgetAt = Math.floor(after.forgetAt);
      const swapped = await this.#redis.script('sluiceSessionSwap', [this.#key(id)], [value, next, forgetAt]);
      if (swapped !== 1) continue;
      this.#remember(id, next);
      const { user, device } = after;
      if (user !== null && device !== null && forgetAt !== Math.floor(record.forgetAt)) {
        await this.#redis.script('sluiceKeepIf', [this.#device(user, device)], [id, forgetAt]);
      }
      return after;
    }
    throw new StoreError(`session ${id} is changed by others without end`, true);
  }

  #name(user: string, device: string, { id, forgetAt }: SessionRecord): Promise<unknown> {
    return this.#redis.command('set', this.#device(user, device), id, 'PXAT', Math.floor(forgetAt));
  }

  async #read(id: string): Promise<Buffer | null> {
    this.#open();
    const value = (await this.#redis.command('get', this.#key(id))) as Buffer | null;
    if (value === null) this.#recent.delete(id);
    else this.#remember(id, value);
    return value;
  }

  async #latest(id: string): Promise<Known | null> {
    const value = await this.#read(id);
    return value === null ? null : { value, record: decodeSession(id, value) };
  }

  /** What was seen last where a change of this generation could be made to it; that it cannot, only Redis can say. */
  #known(id: string, generation: number): Known | null {
    const value = this.#recent.get(id);
    if (value === undefined) return null;
    const record = decodeSession(id, value);
    return record.generation === generation && !record.ended ? { value, record } : null;
  }

  #remember(id: string, value: Buffer): void {
    this.#recent.delete(id);
    if (value.length > RECENT_BYTES) return;
    this.#recent.set(id, value);
    if (this.#recent.size <= RECENT_MAX) return;
    const [oldest] = this.#recent.keys();
    if (oldest !== undefined) this.#recent.delete(oldest);
  }

  /** The codec reads what it wrote and leaves what stands behind it. */
  #encode(record: SessionRecord): Buffer {
    // Counts the last six bytes up.
    this.#nonce.writeUIntLE((this.#nonce.readUIntLE(6, 6) + 1) % 2 ** 48, 6, 6);
    return Buffer.concat([encodeSession(record), this.#nonce]);
  }

  #key(id: string): string {
    return `${this.#redis.prefix}s:{${id}}`;
  }

  /** Encoded, so that no text can hold a brace or the colon between them. */
  #device(user: string, device: string): string {
    const [name, of] = [device, user].map((text) => Buffer.from(text).toString('base64url'));
    return `${this.#redis.prefix}d:{${of}:${name}}`;
  }

  #open(): void {
    if (this.#closed) throw new StoreError('the session store is closed', false);
  }
}
