/** Finds the parts of a mapped region. */
import { HEADER, LAYOUT, RING, SECTION, SECTION_KIND } from './layout.js';
import { RegionError } from '../errors.js';

export interface SectionView {
  readonly offset: number;
  readonly size: number;
  readonly elementSize: number;
  readonly elementCount: number;
}

export type SectionKind = (typeof SECTION_KIND)[keyof typeof SECTION_KIND];

export const SHARED_CORE = 0xffffffff;

/** Read once: whoever else writes to the region changes nothing of where this side looks for things. */
export class RegionView {
  readonly buffer: ArrayBuffer;
  readonly cores: number;
  readonly connectionsPerCore: number;
  readonly #view: DataView;
  readonly #sections = new Map<string, SectionView>();

  /** Throws RegionError for a section that lies outside. */
  constructor(buffer: ArrayBuffer) {
    this.buffer = buffer;
    this.#view = new DataView(buffer);
    this.cores = Math.min(this.#view.getUint32(HEADER.CORES, true), LAYOUT.MAX_CORES);
    this.connectionsPerCore = this.#view.getUint32(HEADER.CONNECTIONS_PER_CORE, true);
    const count = Math.min(this.#view.getUint32(HEADER.SECTION_COUNT, true), LAYOUT.MAX_SECTIONS);
    for (let i = 0; i < count; i++) this.#readSection(HEADER.SECTIONS + i * SECTION.BYTES);
  }

  #readSection(at: number): void {
    const kind = this.#view.getUint32(at + SECTION.KIND, true);
    const section = {
      offset: Number(this.#view.getBigUint64(at + SECTION.OFFSET, true)),
      size: Number(this.#view.getBigUint64(at + SECTION.SIZE, true)),
      elementSize: this.#view.getUint32(at + SECTION.ELEMENT_SIZE, true),
      elementCount: this.#view.getUint32(at + SECTION.ELEMENT_COUNT, true),
    };
    const ring = kind === SECTION_KIND.EVENT_RING || kind === SECTION_KIND.COMMAND_RING ? RING.RECORDS : 0;
    const { offset, size, elementSize, elementCount } = section;
    if (offset % 4096 !== 0 || offset + size > this.buffer.byteLength || ring + elementSize * elementCount > size) {
      throw new RegionError(`section ${kind} of the region lies outside of it`);
    }
    this.#sections.set(`${kind}/${this.#view.getUint32(at + SECTION.CORE, true)}`, section);
  }
  get enginePid(): number {
    return this.#view.getUint32(HEADER.ENGINE_PID, true);
  }
  get ownerPid(): number {
    return this.#view.getUint32(HEADER.OWNER_PID, true);
  }
  get detached(): boolean {
    return this.#view.getUint32(HEADER.DETACHED, true) === 1;
  }
  get listenAddress(): string {
    return this.#text(HEADER.LISTEN_ADDRESS, HEADER.LISTEN_ADDRESS_BYTES);
  }
  get listenPort(): number {
    return this.#view.getUint32(HEADER.LISTEN_PORT, true);
  }
  get maxMessage(): number {
    return this.#view.getUint32(HEADER.MAX_MESSAGE, true);
  }
  get sendBudget(): number {
    return this.#view.getUint32(HEADER.SEND_BUDGET, true);
  }
  get heartbeatMs(): number {
    return this.#view.getUint32(HEADER.HEARTBEAT_MS, true);
  }
  get ownerEpoch(): number {
    return this.#view.getUint32(HEADER.OWNER_EPOCH, true);
  }
  /** Milliseconds since the Unix epoch. */
  get startedMs(): number {
    return Number(this.#view.getBigUint64(HEADER.ENGINE_STARTED_MS, true));
  }
  get name(): string {
    return this.#text(HEADER.NAME, HEADER.NAME_BYTES);
  }
  get driver(): string {
    return this.#text(HEADER.DRIVER, HEADER.DRIVER_BYTES);
  }
  get driverReason(): string {
    return this.#text(HEADER.DRIVER_REASON, HEADER.DRIVER_REASON_BYTES);
  }

  /** Throws RegionError when the region has no such section. */
  section(kind: SectionKind, core: number): SectionView {
    const section = this.#sections.get(`${kind}/${core}`);
    if (section !== undefined) return section;
    throw new RegionError(`the region has no section ${kind} for core ${core}`);
  }

  #text(offset: number, length: number): string {
    const bytes = Buffer.from(this.buffer, offset, length);
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? length : end);
  }
}
