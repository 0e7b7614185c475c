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
