/** The control plane's end of one core's event ring. */
import { EVENT, FLAG, NOTICE, RING, SECTION_KIND } from './layout.js';
import type { EngineEvents, EngineNotice, OpenRequest } from './port.js';
import type { RegionView } from './region.js';

const WORDS = RING.RECORD_BYTES / 4;

const NOTICES = new Map<number, EngineNotice>([
  [NOTICE.FILE_LIMIT, 'file_limit'],
  [NOTICE.FILE_LIMIT_OVER, 'file_limit_over'],
  [NOTICE.RECEIVE_EXHAUSTED, 'receive_exhausted'],
  [NOTICE.LISTEN_ERROR, 'listen_error'],
  [NOTICE.ASSEMBLY_EXHAUSTED, 'assembly_exhausted'],
  [NOTICE.TABLE_FULL, 'table_full'],
]);

export class EventReader {
  readonly #core: number;
  readonly #firstRow: number;
  readonly #header: Int32Array;
  readonly #records: Int32Array;
  readonly #mask: number;
  readonly #memory: Buffer;
  readonly #generations: Int32Array;
  #read: number;
  /** Events delivered since the start; what positions are counted in. */
  #position = 0;
  #confirmed = 0;

  constructor(region: RegionView, memory: Buffer, core: number, generations: Int32Array) {
    const ring = region.section(SECTION_KIND.EVENT_RING, core);
    this.#core = core;
    this.#firstRow = core * region.connectionsPerCore;
    this.#header = new Int32Array(region.buffer, ring.offset, RING.RECORDS / 4);
    this.#records = new Int32Array(region.buffer, ring.offset + RING.RECORDS, ring.elementCount * WORDS);
    this.#mask = ring.elementCount - 1;
    this.#memory = memory;
    this.#generations = generations;
    this.#read = Atomics.load(this.#header, RING.TAIL / 4);
  }

  /** Delivers what is there; returns how many events. */
  drain(events: EngineEvents): number {
    const head = Atomics.load(this.#header, RING.HEAD / 4);
    const count = (head - this.#read) | 0;
    if (count <= 0) return 0;
    while (this.#read !== head) {
      const at = (this.#read & this.#mask) * WORDS;
      // An event counts as delivered before its handler runs: one that throws is not called again for the same event.
      const taken = (this.#records[at]! & 0xff) === EVENT.OPEN ? 2 : 1;
      this.#read = (this.#read + taken) | 0;
      this.#position += taken;
      this.#deliver(at, events);
    }
    events.onTurnEnd(this.#core, this.#position);
    return count;
  }

  /** Gives the events up to `position` back to the core. */
  confirm(position: number): void {
    if (position <= this.#confirmed || position > this.#position) return;
    this.#confirmed = position;
    Atomics.store(this.#header, RING.TAIL / 4, (this.#read - (this.#position - position)) | 0);
  }

  /** Announces that this side sleeps; false when something came meanwhile. */
  prepareSleep(): boolean {
    Atomics.store(this.#header, RING.CONSUMER_SLEEPING / 4, 1);
    if (Atomics.load(this.#header, RING.HEAD / 4) === this.#read) return true;
    this.wake();
    return false;
  }

  wake(): void {
    Atomics.store(this.#header, RING.CONSUMER_SLEEPING / 4, 0);
  }

  #deliver(at: number, events: EngineEvents): void {
    const records = this.#records;
    const head = records[at]!;
    const row = this.#firstRow + records[at + 1]!;
    switch (head & 0xff) {
      case EVENT.MESSAGE:
        events.onMessage(row, records[at + 3]! >>> 0, records[at + 4]! >>> 0, records[at + 5]! >>> 0, ((head >> 8) & FLAG.TEXT) !== 0);
        return;
      case EVENT.OPEN:
        this.#generations[row] = records[at + 2]!;
        events.onOpen(row, this.#request(at));
        return;
      case EVENT.CLOSE: {
        const address = records[at + 3]! >>> 0;
        const length = records[at + 4]! >>> 0;
        events.onClose(row, head >>> 16, length === 0 ? '' : this.#memory.toString('utf8', address, address + length));
        return;
      }
      case EVENT.WRITABLE:
        if (this.#generations[row] === records[at + 2]!) events.onWritable(row);
        return;
      case EVENT.LAGGING:
        if (this.#generations[row] === records[at + 2]!) {
          events.onLagging(row, records[at + 5]! >>> 0, (records[at + 6]! >>> 0) + (records[at + 7]! >>> 0) * 2 ** 32);
        }
        return;
      case EVENT.NOTICE:
        events.onNotice(NOTICES.get(head >>> 16) ?? 'listen_error', this.#core, records[at + 5]! >>> 0);
        return;
    }
  }

  /** An opening is two records; the second has the peer's address. */
  #request(at: number): OpenRequest {
    const second = (((at / WORDS) + 1) & this.#mask) * WORDS;
    const bytes = Buffer.from(this.#records.buffer, this.#records.byteOffset + second * 4 + 12, 16);
    const family = this.#records[second]! >>> 16;
    return {
      address: this.#records[at + 3]! >>> 0,
      length: this.#records[at + 4]! >>> 0,
      peerAddress: family === 6 ? ipv6(bytes) : `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`,
      peerPort: this.#records[second + 7]! >>> 0,
    };
  }
}

function ipv6(bytes: Buffer): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(i).toString(16));
  // URL's parser knows the canonical text form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
