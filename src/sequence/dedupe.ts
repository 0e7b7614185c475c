/**
 * Publishes by (channel, sender, key), recent and under way, so that a duplicate of one that is not yet durable is recognised and
 * most others are answered without a look at the log. Two generations: when the newer is full the older is forgotten. An entry
 * thus stays for at least `keys` others, which must be more than can be under way at once.
 */

export const dedupeKey = (channelId: number, sender: string, key: string): string => `${channelId}/${sender.length}:${sender}${key}`;

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

  get(key: string): T | undefined {
    return this.#newer.get(key) ?? (this.#older.size === 0 ? undefined : this.#older.get(key));
  }

  set(key: string, value: T): void {
    if (this.#newer.size >= this.#keys) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(key, value);
  }

  delete(key: string): void {
    if (!this.#newer.delete(key)) this.#older.delete(key);
  }
}
