/** The control plane's end of one core's command ring and of its data ring. */
import { COMMAND, FLAG, RING, SECTION_KIND } from './layout.js';
import { RegionError, TooBigError } from '../errors.js';
import type { RegionView } from './region.js';

const WORDS = RING.RECORD_BYTES / 4;
/** Bytes that cost less one by one than a call that copies them. */
const SHORT = 8;
/** Positions in the data ring are counted modulo 2^32, and distances between them are compared as signed numbers. */
const DATA_MOST = 2 ** 29;
/** A welcome is one record, or two where its subscription does not fit into it. */
const WELCOME_RECORDS = 2;

/** A command that did not fit the ring; with the bytes that belong into the data ring, or null. */
interface Waiting {
  readonly type: number;
  readonly flags: number;
  readonly code: number;
  readonly slot: number;
  readonly generation: number;
  readonly address: number;
  readonly length: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly bytes: Buffer | null;
}

export class CommandWriter {
  readonly #memory: Buffer;
  readonly #header: Int32Array;
  readonly #records: Int32Array;
  readonly #mask: number;
  readonly #capacity: number;
  readonly #dataOffset: number;
  /** A power of two. */
  readonly #dataSize: number;
  readonly #drain: (() => void) | null;
  #head: number;
  #tail: number;
  /** Positions, as signed words: beyond 2^31 they would be floating-point numbers to V8, and each byte's index computed from one. */
  #dataHead: number;
  #dataTail: number;
  /** Where the head was when it was last published, and how many commands had been put into the ring until then. */
  #publishedHead: number;
  #published = 0;
  /** Of each place that was claimed last for welcomes. */
  #welcomeBytes = 0;
  /** What did not fit the ring, in order; what comes later waits behind it. */
  #waiting: Waiting[] = [];

  /** `drain` has the core carry out what is published, at once; null where it has a thread or a process of its own. */
  constructor(region: RegionView, memory: Buffer, core: number, drain: (() => void) | null) {
    const ring = region.section(SECTION_KIND.COMMAND_RING, core);
    const data = region.section(SECTION_KIND.COMMAND_DATA, core);
    this.#memory = memory;
    this.#header = new Int32Array(region.buffer, ring.offset, RING.RECORDS / 4);
    this.#records = new Int32Array(region.buffer, ring.offset + RING.RECORDS, ring.elementCount * WORDS);
    this.#capacity = ring.elementCount;
    this.#mask = ring.elementCount - 1;
    this.#dataOffset = data.offset;
    this.#dataSize = data.size;
    if (data.size > DATA_MOST || (data.size & (data.size - 1)) !== 0) {
      throw new RegionError(`the data ring has a size of ${data.size}, which is no power of two up to ${DATA_MOST}`);
    }
    this.#drain = drain;
    this.#head = Atomics.load(this.#header, RING.HEAD / 4);
    this.#publishedHead = this.#head;
    this.#tail = Atomics.load(this.#header, RING.TAIL / 4);
    this.#dataHead = Atomics.load(this.#header, RING.DATA_TAIL / 4);
    this.#dataTail = this.#dataHead;
  }

  /** Commands that were written and not yet published. */
  get unpublished(): number {
    return (this.#head - this.#publishedHead) | 0;
  }

  /** Commands wait for room in the ring: nothing that leads to more of them should be begun. */
  get blocked(): boolean {
    return this.#waiting.length > 0;
  }

  write(
    type: number, flags: number, code: number, slot: number, generation: number,
    address: number, length: number, a: number, b: number, c: number,
  ): void {
    if (this.#waiting.length > 0 || !this.#hasRecords(1)) {
      this.#waiting.push({ type, flags, code, slot, generation, address, length, a, b, c, bytes: null });
      return;
    }
    this.#put(type, flags, code, slot, generation, address, length, a, b, c);
  }

  /**
   * SEND of bytes of the region: what a busy server's commands are, so nothing of it is handed on from call to call. `type` with the flags,
   * as the record begins.
   */
  writeSend(type: number, slot: number, generation: number, address: number, length: number): void {
    const head = this.#head;
    if (this.#waiting.length > 0 || ((head - this.#tail) | 0) >= this.#capacity) {
      return this.write(COMMAND.SEND, type >> 8, 0, slot, generation, address, length, 0, 0, 0);
    }
    const at = (head & this.#mask) * WORDS;
    const records = this.#records;
    // The words behind are other commands': a SEND's are not read.
    records[at] = type;
    records[at + 1] = slot;
    records[at + 2] = generation;
    records[at + 3] = address;
    records[at + 4] = length;
    this.#head = (head + 1) | 0;
  }

  #put(
    type: number, flags: number, code: number, slot: number, generation: number,
    address: number, length: number, a: number, b: number, c: number,
  ): void {
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
  }

  /** A message's payload, copied. Throws TooBigError above half of the data ring. */
  writeText(slot: number, generation: number, text: string): void {
    // Three bytes are the most that a UTF-16 unit takes in UTF-8; short texts are not measured first.
    const bound = text.length < 1024 ? text.length * 3 : Buffer.byteLength(text);
    const at = this.#waiting.length > 0 ? -1 : this.#claim(bound);
    if (at < 0) return this.#wait(COMMAND.SEND, FLAG.TEXT, 0, slot, generation, Buffer.from(text), 0, 0);
    const length = this.#memory.utf8Write(text, at, bound);
    this.#commit(COMMAND.SEND, FLAG.TEXT, 0, slot, generation, at, length, 0, 0);
  }

  /** A message's payload, the first `length` bytes, copied. Throws TooBigError above half of the data ring. */
  writeMessage(flags: number, slot: number, generation: number, bytes: Uint8Array, length: number): void {
    const at = this.#waiting.length > 0 ? -1 : this.#claim(length);
    if (at < 0) return this.#wait(COMMAND.SEND, flags, 0, slot, generation, Buffer.from(bytes.subarray(0, length)), 0, 0);
    if (length > SHORT) this.#memory.set(length === bytes.length ? bytes : bytes.subarray(0, length), at);
    else for (let i = 0; i < length; i++) this.#memory[at + i] = bytes[i]!;
    this.#commit(COMMAND.SEND, flags, 0, slot, generation, at, length, 0, 0);
  }

  /** Address of `length` bytes of the data ring, for writeClaimed(), which is the next thing that is written; -1 where there is no room. */
  claimMessage(length: number): number {
    return this.#waiting.length > 0 ? -1 : this.#claim(length);
  }

  /** A message whose payload is there. */
  writeClaimed(flags: number, slot: number, generation: number, at: number, length: number): void {
    this.#commit(COMMAND.SEND, flags, 0, slot, generation, at, length, 0, 0);
  }

  /** Address of `count` times `most` bytes, for writeWelcome() of each, which come next in the ring; -1 where there is no room for all. */
  claimWelcomes(count: number, most: number): number {
    const bytes = count * most;
    if (this.#waiting.length > 0 || bytes > this.#dataSize / 2 || !this.#hasRecords(count * WELCOME_RECORDS)) return -1;
    this.#welcomeBytes = most;
    return this.#claim(bytes);
  }

  /** The first `length` of the next bytes that were claimed, which begin at `at`, are `frames` whole frames. */
  writeWelcome(flags: number, frames: number, slot: number, generation: number, at: number, length: number, a: number, b: number): void {
    this.#dataHead = (this.#dataHead + this.#welcomeBytes) | 0;
    this.#put(COMMAND.WELCOME, flags | FLAG.DATA, frames, slot, generation, at, length, a, b, this.#dataHead);
  }

  writeBytes(type: number, flags: number, code: number, slot: number, generation: number, bytes: Uint8Array, a = 0, b = 0): void {
    const at = this.#waiting.length > 0 ? -1 : this.#claim(bytes.length);
    if (at < 0) return this.#wait(type, flags, code, slot, generation, Buffer.from(bytes), a, b);
    this.#memory.set(bytes, at);
    this.#commit(type, flags, code, slot, generation, at, bytes.length, a, b);
  }

  /** Hands over what waited, as far as there is room now. True when nothing waits any more. */
  resume(): boolean {
    const waiting = this.#waiting;
    if (waiting.length === 0) return true;
    this.#waiting = [];
    this.#refresh();
    let done = 0;
    for (; done < waiting.length; done++) if (!this.#tryAgain(waiting[done]!)) break;
    this.#waiting = waiting.slice(done);
    return this.#waiting.length === 0;
  }

  #tryAgain({ type, flags, code, slot, generation, address, length, a, b, c, bytes }: Waiting): boolean {
    if (bytes === null) {
      if (!this.#hasRecords(1)) return false;
      this.#put(type, flags, code, slot, generation, address, length, a, b, c);
      return true;
    }
    const at = this.#claim(bytes.length);
    if (at < 0) return false;
    this.#memory.set(bytes, at);
    this.#commit(type, flags, code, slot, generation, at, bytes.length, a, b);
    return true;
  }

  /** Asks to be woken when the core has made room; false when it has in the meantime. */
  prepareWait(): boolean {
    Atomics.store(this.#header, RING.PRODUCER_BLOCKED / 4, 1);
    const before = this.#tail;
    this.#refresh();
    return this.#tail === before;
  }

  endWait(): void {
    Atomics.store(this.#header, RING.PRODUCER_BLOCKED / 4, 0);
  }

  /** Makes what was written visible. True when the core sleeps and must be rung. */
  publish(): boolean {
    if (this.unpublished === 0) return false;
    this.#published += this.unpublished;
    this.#publishedHead = this.#head;
    // Atomics are sequentially consistent: the store comes before the load, as the sleeping side's protocol needs.
    Atomics.store(this.#header, RING.HEAD / 4, this.#head);
    return Atomics.load(this.#header, RING.CONSUMER_SLEEPING / 4) !== 0;
  }

  /** Commands that were put into the ring since the start. */
  get #puts(): number {
    return this.#published + this.unpublished;
  }

  /** Commands written so far, which is the number of the last one. */
  get position(): number {
    return this.#puts + this.#waiting.length;
  }

  /** How many of them the core has carried out: it refers to nothing any more that those named. */
  carriedOut(): number {
    this.#refresh();
    return this.#puts - ((this.#head - this.#tail) | 0);
  }

  #commit(
    type: number, flags: number, code: number, slot: number, generation: number, at: number, length: number, a: number, b: number,
  ): void {
    this.#dataHead = (this.#dataHead + length) | 0;
    this.#put(type, flags | FLAG.DATA, code, slot, generation, at, length, a, b, this.#dataHead);
  }

  #wait(type: number, flags: number, code: number, slot: number, generation: number, bytes: Buffer, a: number, b: number): void {
    this.#waiting.push({ type, flags, code, slot, generation, address: 0, length: 0, a, b, c: 0, bytes });
  }

  /** Address of `length` contiguous bytes of the data ring, with a record for them; -1 when there is no room now. */
  #claim(length: number): number {
    const most = this.#dataSize / 2;
    if (length > most) throw new TooBigError(`a copy of ${length} bytes does not fit the command ring (at most ${most})`);
    if (!this.#hasRecords(1)) return -1;
    if (this.unpublished === 0) this.#refresh();
    if (this.#dataHead === this.#dataTail) {
      // Empty: start at the front again, where the lines are still in cache.
      this.#dataHead = this.#dataTail = this.#alignUp(this.#dataHead);
    }
    const size = this.#dataSize;
    let inRing = this.#dataHead & (size - 1);
    let head = this.#dataHead;
    if (inRing + length > size) {
      head = this.#alignUp(head);
      inRing = 0;
    }
    if (!this.#hasBytes(head, length)) return -1;
    this.#dataHead = head;
    return this.#dataOffset + inRing;
  }

  /** The next multiple of the ring's size. */
  #alignUp(position: number): number {
    const last = this.#dataSize - 1;
    return (position + last) & ~last;
  }

  #hasRecords(count: number): boolean {
    if (((this.#head - this.#tail) | 0) + count <= this.#capacity) return true;
    this.#makeRoom();
    return ((this.#head - this.#tail) | 0) + count <= this.#capacity;
  }

  #hasBytes(head: number, length: number): boolean {
    if (((head + length - this.#dataTail) >>> 0) <= this.#dataSize) return true;
    this.#makeRoom();
    return ((head + length - this.#dataTail) >>> 0) <= this.#dataSize;
  }

  /** The ring is full. A core on this thread carries out what there is; another one is not waited for. */
  #makeRoom(): void {
    if (this.#drain !== null) {
      this.publish();
      this.#drain();
    }
    this.#refresh();
  }

  #refresh(): void {
    const tail = Atomics.load(this.#header, RING.TAIL / 4);
    // The core's index comes out of memory that another process writes to.
    if (((this.#head - tail) | 0) < 0 || ((this.#head - tail) | 0) > this.#capacity) throw new RegionError('the command ring is damaged');
    this.#tail = tail;
    const freed = Atomics.load(this.#header, RING.DATA_TAIL / 4);
    if (((freed - this.#dataTail) >>> 0) <= this.#dataSize * 2) this.#dataTail = freed;
  }
}
