/** The control plane's end of one core's command ring and of its data ring. */
import { COMMAND, FLAG, RING, SECTION_KIND } from './layout.js';
import { TooBigError } from '../errors.js';
import type { RegionView } from './region.js';

const WORDS = RING.RECORD_BYTES / 4;

export class CommandWriter {
  readonly #memory: Buffer;
  readonly #header: Int32Array;
  readonly #records: Int32Array;
  readonly #mask: number;
  readonly #capacity: number;
  readonly #dataOffset: number;
  readonly #dataSize: number;
  readonly #drain: () => void;
  #head: number;
  #tail: number;
  #dataHead: number;
  #dataTail: number;
  #unpublished = 0;

  /** `drain` has the core carry out what is published; it may return before that has happened when the core has a thread of its own. */
  constructor(region: RegionView, memory: Buffer, core: number, drain: () => void) {
    const ring = region.section(SECTION_KIND.COMMAND_RING, core);
    const data = region.section(SECTION_KIND.COMMAND_DATA, core);
    this.#memory = memory;
    this.#header = new Int32Array(region.buffer, ring.offset, RING.RECORDS / 4);
    this.#records = new Int32Array(region.buffer, ring.offset + RING.RECORDS, ring.elementCount * WORDS);
    this.#capacity = ring.elementCount;
    this.#mask = ring.elementCount - 1;
    this.#dataOffset = data.offset;
    this.#dataSize = data.size;
    this.#drain = drain;
    this.#head = Atomics.load(this.#header, RING.HEAD / 4);
    this.#tail = Atomics.load(this.#header, RING.TAIL / 4);
    this.#dataHead = Atomics.load(this.#header, RING.DATA_TAIL / 4) >>> 0;
    this.#dataTail = this.#dataHead;
  }

  /** Commands that were written and not yet published. */
  get unpublished(): number {
    return this.#unpublished;
  }

  write(
    type: number, flags: number, code: number, slot: number, generation: number,
    address: number, length: number, a: number, b: number, c: number,
  ): void {
    if (((this.#head - this.#tail) | 0) >= this.#capacity) this.#waitForRecord();
    const at = (this.#head & this.#mask) * WORDS;
    const records = this.#records;
    records[at] = type | (flags << 8) | (code << 16);
    records[at + 1] = slot;
    records[at + 2] = generation;
    records[at + 3] = address;
    records[at + 4] = length;
    records[at + 5] = a;
    records[at + 6] = b;
    records[at + 7] = c;
    this.#head = (this.#head + 1) | 0;
    this.#unpublished++;
  }

  /** A message's payload, copied. Throws TooBigError above half of the data ring. */
  writeText(slot: number, generation: number, text: string): void {
    // Three bytes are the most that a UTF-16 unit takes in UTF-8; short texts are not measured first.
    const bound = text.length < 1024 ? text.length * 3 : Buffer.byteLength(text);
    const at = this.#claim(bound);
    const length = this.#memory.utf8Write(text, at, bound);
    this.#commit(COMMAND.SEND, FLAG.TEXT, 0, slot, generation, at, length);
  }

  writeBytes(type: number, flags: number, code: number, slot: number, generation: number, bytes: Uint8Array): void {
    const at = this.#claim(bytes.length);
    this.#memory.set(bytes, at);
    this.#commit(type, flags, code, slot, generation, at, bytes.length);
  }

  /** Makes what was written visible. True when the core sleeps and must be rung. */
  publish(): boolean {
    if (this.#unpublished === 0) return false;
    this.#unpublished = 0;
    // Atomics are sequentially consistent: the store comes before the load, as the sleeping side's protocol needs.
    Atomics.store(this.#header, RING.HEAD / 4, this.#head);
    return Atomics.load(this.#header, RING.CONSUMER_SLEEPING / 4) !== 0;
  }

  /** True when the core has carried out everything that was published. */
  settled(): boolean {
    this.#refresh();
    return this.#tail === this.#head;
  }

  #commit(type: number, flags: number, code: number, slot: number, generation: number, at: number, length: number): void {
    this.#dataHead = (this.#dataHead + length) >>> 0;
    this.write(type, flags | FLAG.DATA, code, slot, generation, at, length, 0, 0, this.#dataHead | 0);
  }

  /** Address of `length` contiguous bytes of the data ring. */
  #claim(length: number): number {
    const most = this.#dataSize / 2;
    if (length > most) throw new TooBigError(`a copy of ${length} bytes does not fit the command ring (at most ${most})`);
    if (this.#unpublished === 0) this.#refresh();
    if (this.#dataHead === this.#dataTail) {
      // Empty: start at the front again, where the lines are still in cache.
      this.#dataHead = this.#dataTail = this.#alignUp(this.#dataHead);
    }
    let inRing = this.#dataHead % this.#dataSize;
    if (inRing + length > this.#dataSize) {
      this.#dataHead = this.#alignUp(this.#dataHead);
      inRing = 0;
    }
    while (((this.#dataHead + length - this.#dataTail) >>> 0) > this.#dataSize) this.#wait();
    return this.#dataOffset + inRing;
  }

  /** The next multiple of the ring's size, modulo 2^32 (the size is a power of two). */
  #alignUp(position: number): number {
    const rest = position % this.#dataSize;
    return rest === 0 ? position : (position + this.#dataSize - rest) >>> 0;
  }

  #waitForRecord(): void {
    while (((this.#head - this.#tail) | 0) >= this.#capacity) this.#wait();
  }

  /** The ring is full: the core is given what there is and time to carry it out. */
  #wait(): void {
    this.publish();
    this.#drain();
    this.#refresh();
  }

  #refresh(): void {
    this.#tail = Atomics.load(this.#header, RING.TAIL / 4);
    const freed = Atomics.load(this.#header, RING.DATA_TAIL / 4) >>> 0;
    if (((freed - this.#dataTail) >>> 0) <= this.#dataSize * 2) this.#dataTail = freed;
  }
}
