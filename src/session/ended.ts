/**
 * Sessions that said `bye`, so that their resume tokens are refused: the latest of them, in memory. The SessionStore, where leases
 * live, is the lasting answer; it takes this place behind the same two calls.
 */

import { HashIndex } from './hash-index.js';
import type { SessionWords } from './session-id.js';

export class EndedSessions {
  readonly #capacity: number;
  readonly #ids: Uint32Array;
  readonly #index: HashIndex;
  #next = 0;

  constructor(capacity = 65_536) {
    this.#capacity = capacity;
    this.#ids = new Uint32Array(capacity * 4);
    this.#index = new HashIndex((slot) => this.#ids[slot * 4] as number, capacity);
  }

  add(id: SessionWords): void {
    const slot = this.#next % this.#capacity;
    if (this.#next >= this.#capacity) this.#index.remove(this.#ids[slot * 4] as number, slot);
    this.#ids.set(id, slot * 4);
    this.#index.insert(id[0] as number, slot);
    this.#next += 1;
  }

  has(id: SessionWords): boolean {
    for (let at = this.#index.first(id[0] as number), slot; (slot = this.#index.value(at)) >= 0; at = this.#index.next(at)) {
      const base = slot * 4;
      if (id.every((word, i) => this.#ids[base + i] === word)) return true;
    }
    return false;
  }
}
