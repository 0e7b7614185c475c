/** The hot log's memory: chunks of the region that frames are written to once and sent from. */
import { SECTION_KIND } from './layout.js';
import { SHARED_CORE, type RegionView } from './region.js';
import type { Address, Arena } from './port.js';

export class RegionArena implements Arena {
  readonly chunkSize: number;
  readonly chunks: number;
  /** Where its first chunk begins. */
  readonly offset: Address;
  #chunk = 0;
  #used = 0;
  /** Chunks that were used before: entering one of them again recycles it. */
  #fresh = 1;
  onRecycle: ((chunk: number) => void) | null = null;

  /** `settled` is asked before a chunk is used again: false while commands that refer to it may still be under way. */
  constructor(
    region: RegionView,
    private readonly settled: (chunk: number) => boolean,
  ) {
    const section = region.section(SECTION_KIND.ARENA, SHARED_CORE);
    this.offset = section.offset;
    this.chunkSize = section.elementSize;
    this.chunks = section.elementCount;
  }

  claim(length: number): Address {
    if (length > this.chunkSize) return -1;
    if (this.#used + length > this.chunkSize && !this.#next()) return -1;
    const address = this.offset + this.#chunk * this.chunkSize + this.#used;
    this.#used += length;
    return address;
  }

  /** -1 for what does not lie in the arena. */
  chunkOf(address: Address): number {
    const at = address - this.offset;
    return at < 0 || at >= this.chunks * this.chunkSize ? -1 : Math.floor(at / this.chunkSize);
  }

  #next(): boolean {
    const next = (this.#chunk + 1) % this.chunks;
    if (this.#fresh < this.chunks) {
      this.#fresh++;
    } else {
      if (!this.settled(next)) return false;
      this.onRecycle?.(next);
    }
    this.#chunk = next;
    this.#used = 0;
    return true;
  }
}
