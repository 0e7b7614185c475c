/** A reader of a running gateway's region: nothing is asked of the gateway, and nothing is written. */
import { loadNative } from './native.js';
import { COUNTERS, DEVICE_COUNTERS, RING, SECTION_KIND } from './layout.js';
import { RegionError } from '../errors.js';
import { RegionView } from './region.js';

const COUNTER_SLOTS: Readonly<Record<string, number>> = { ...COUNTERS, ...DEVICE_COUNTERS };

export interface RegionCounters {
  readonly name: string;
  readonly driver: string;
  readonly driverReason: string;
  readonly cores: number;
  readonly enginePid: number;
  readonly ownerEpoch: number;
  /** 0: none is attached. */
  readonly ownerPid: number;
  /** The engine is a process of its own. */
  readonly detached: boolean;
  readonly startedMs: number;
  /** Summed over the cores. */
  readonly counters: Readonly<Record<string, number>>;
  readonly eventRing: RingFill;
  readonly commandRing: RingFill;
}

/** Records in the fullest core's ring. */
export interface RingFill {
  readonly used: number;
  readonly capacity: number;
}

export class RegionReader {
  readonly #region: RegionView;

  /** Throws RegionError when there is no such region or this release cannot read it. */
  static attach(name: string): RegionReader {
    try {
      return new RegionReader(new RegionView(loadNative().attachRegion(name, false)));
    } catch (error) {
      throw new RegionError(error instanceof Error ? error.message : String(error));
    }
  }

  constructor(region: RegionView) {
    this.#region = region;
  }

  get region(): RegionView {
    return this.#region;
  }

  counter(name: string): number {
    const index = COUNTER_SLOTS[name];
    if (index === undefined) throw new RegionError(`there is no counter '${name}'`);
    let sum = 0;
    for (let core = 0; core < this.#region.cores; core++) sum += this.#counters(core).getFloat(index);
    return sum;
  }

  read(): RegionCounters {
    const region = this.#region;
    const counters: Record<string, number> = {};
    // What a device counts is there only with the driver that has one.
    const names = region.driver === 'dpdk' ? { ...COUNTERS, ...DEVICE_COUNTERS } : COUNTERS;
    for (const name of Object.keys(names)) counters[name] = this.counter(name);
    return {
      name: region.name,
      driver: region.driver,
      driverReason: region.driverReason,
      cores: region.cores,
      enginePid: region.enginePid,
      ownerEpoch: region.ownerEpoch,
      ownerPid: region.ownerPid,
      detached: region.detached,
      startedMs: region.startedMs,
      counters,
      eventRing: this.#fill(SECTION_KIND.EVENT_RING),
      commandRing: this.#fill(SECTION_KIND.COMMAND_RING),
    };
  }

  #counters(core: number): { getFloat(index: number): number } {
    const section = this.#region.section(SECTION_KIND.COUNTERS, core);
    const words = new Uint32Array(this.#region.buffer, section.offset, section.elementCount * 2);
    // Two words without an order between them: a carry seen in between is off by 2^32 for one reading, every few weeks.
    return { getFloat: (index) => (words[index * 2] ?? 0) + (words[index * 2 + 1] ?? 0) * 2 ** 32 };
  }

  #fill(kind: typeof SECTION_KIND.EVENT_RING | typeof SECTION_KIND.COMMAND_RING): RingFill {
    let used = 0;
    let capacity = 0;
    for (let core = 0; core < this.#region.cores; core++) {
      const section = this.#region.section(kind, core);
      const words = new Uint32Array(this.#region.buffer, section.offset, RING.RECORDS / 4);
      used = Math.max(used, ((words[RING.HEAD / 4] ?? 0) - (words[RING.TAIL / 4] ?? 0)) >>> 0);
      capacity = section.elementCount;
    }
    return { used, capacity };
  }
}
