import type { Publication } from './batch.js';
import type { OpenChannel } from './channels.js';

/** Publishes under way, found by (channel, sender, key), so that a duplicate of one that is not yet durable waits for its result. */

/** By key alone, which is a string that exists already: joined with the sender it would have to be made and hashed for each look. */
export function findUnderWay(channel: OpenChannel, sender: string, key: string): Publication | null {
  let publication = channel.underWay?.get(key) ?? null;
  while (publication !== null && publication.sender !== sender) publication = publication.sameKey;
  return publication;
}

export function addUnderWay(channel: OpenChannel, publication: Publication): void {
  channel.underWay ??= new Map();
  publication.sameKey = channel.underWay.get(publication.key) ?? null;
  channel.underWay.set(publication.key, publication);
}

export function removeUnderWay(channel: OpenChannel, publication: Publication): void {
  const underWay = channel.underWay;
  if (underWay === null) return;
  const first = underWay.get(publication.key);
  if (first === publication) {
    if (publication.sameKey === null) underWay.delete(publication.key);
    else underWay.set(publication.key, publication.sameKey);
    return;
  }
  for (let other = first ?? null; other !== null; other = other.sameKey) {
    if (other.sameKey === publication) other.sameKey = publication.sameKey;
  }
}

/**
 * Finished publishes of channels that no log remembers. Two generations: when the newer is full the older is forgotten, so an entry
 * stays for at least `keys` others.
 */
export class RecentKeys<T> {
  readonly #keys: number;
  #newer = new Map<string, T>();
  #older = new Map<string, T>();

  /** `keys`: entries of a generation. */
  constructor(keys: number) {
    this.#keys = keys;
  }

  get size(): number {
    return this.#newer.size + this.#older.size;
  }

  /** The sender's length keeps ("ab", "c") and ("a", "bc") apart. */
  static key(channelId: number, sender: string, key: string): string {
    return `${channelId}/${sender.length}:${sender}${key}`;
  }

  get(key: string): T | undefined {
    return this.#newer.get(key) ?? this.#older.get(key);
  }

  set(key: string, value: T): void {
    if (this.#newer.size >= this.#keys) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(key, value);
  }
}
