import type { Address, Arena, EnginePort } from '../../../src/engine/port.js';

/** An arena over plain memory: chunks in turn, as the region's. */
export class FakeArena implements Arena {
  onRecycle: ((chunk: number) => void) | null = null;
  /** Claims fail while set. */
  exhausted = false;
  #at = 0;
  #lapped = false;

  constructor(readonly chunkSize: number, readonly chunks: number) {}

  claim(length: number): Address {
    if (this.exhausted || length > this.chunkSize) return -1;
    const chunk = this.chunkOf(this.#at);
    if (this.#at + length > (chunk + 1) * this.chunkSize) this.#next(chunk);
    const address = this.#at;
    this.#at += length;
    if (this.#at % this.chunkSize === 0) this.#next(this.chunkOf(address));
    return address;
  }

  #next(chunk: number): void {
    const next = (chunk + 1) % this.chunks;
    if (next === 0) this.#lapped = true;
    this.#at = next * this.chunkSize;
    if (this.#lapped) this.onRecycle?.(next);
  }

  chunkOf(address: Address): number {
    return Math.floor(address / this.chunkSize);
  }
}

export interface Published {
  readonly channelId: number;
  readonly seq: number;
  /** The WebSocket payload. */
  readonly text: string;
  readonly opcode: number;
}

/** What publisher and hot log use of a port; everything else is missing on purpose. */
export class FakePort {
  readonly memory: Buffer;
  readonly cores = 2;
  readonly arena: FakeArena;
  readonly published: Published[] = [];
  readonly confirmed: [core: number, position: number][] = [];
  /** In order: "publish 7 1", "confirm 0 12". */
  readonly calls: string[] = [];

  constructor(chunkSize = 65_536, chunks = 16) {
    this.arena = new FakeArena(chunkSize, chunks);
    this.memory = Buffer.alloc(chunkSize * (chunks + 2));
  }

  /** Where a received body may be put. */
  get scratch(): number {
    return this.arena.chunkSize * this.arena.chunks;
  }

  publish(channelId: number, address: Address, length: number, seq: number): void {
    const frame = this.memory.subarray(address, address + length);
    this.published.push({ channelId, seq, text: payload(frame), opcode: frame[0]! & 0xf });
    this.calls.push(`publish ${channelId} ${seq}`);
  }

  confirm(core: number, position: number): void {
    this.confirmed.push([core, position]);
    this.calls.push(`confirm ${core} ${position}`);
  }

  get port(): EnginePort {
    return this as unknown as EnginePort;
  }
}

/** Payload of a server's WebSocket frame; throws when its length is not the frame's. */
export function payload(frame: Uint8Array): string {
  const bytes = Buffer.from(frame);
  const short = bytes[1]!;
  const [start, length] = short < 126 ? [2, short] : short === 126 ? [4, bytes.readUInt16BE(2)] : [10, Number(bytes.readBigUInt64BE(2))];
  if (bytes.length !== start + length) throw new Error(`frame of ${bytes.length} bytes says ${length}`);
  return bytes.toString('utf8', start);
}
