import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { CLIENT_CPU, exited, startPinned, stopChild } from '../lib/child.js';
import { LOAD } from '../lib/paths.js';

/** What a run takes of the machine's memory, in MiB: server, generator, and the kernel for their files. */
export interface MemoryNeed {
  /** While all connections open, in proportion to how many have. */
  readonly opening: number;
  readonly connections: number;
  /** In a second of load behind that. */
  readonly loadSecond: number;
  readonly loadS: number;
}

/** What was found out about the machine's memory, as it is kept with a run. */
export interface Reserved {
  readonly mib: number;
  /** MiB/s of who touches memory that was free, and of who touches some that has just been given back. */
  readonly first_mib_per_s: number;
  readonly again_mib_per_s: number;
}

/** Given before it is needed, of what the opening takes. */
const LEAD = 1 / 16;
const LEAD_MOST = 512;
/** And of load, in seconds. */
const LOAD_LEAD_S = 3;
/** Openings a second before there is a line of progress. */
const FIRST_RATE = 200_000;
/** Phases that take memory beside `open`. */
const LOADS: readonly string[] = ['publish', 'storm'];
const EVERY_MS = 100;
/** Left to everything else. */
const KEPT_MIB = 1024;
/** Touching it takes so long where the host has to find every page, and more. */
const READY_MS = 180_000;

/** How much is due, in MiB, as a run goes on: a little more than was needed so far. */
export class MemoryPace {
  readonly #need: MemoryNeed;
  #phase = 'open';
  #ready = 0;
  #rate = FIRST_RATE;
  #atMs: number;
  /** Of phases before this one. */
  #before = 0;
  #phaseMs: number;

  constructor(need: MemoryNeed, nowMs: number) {
    this.#need = need;
    this.#atMs = nowMs;
    this.#phaseMs = nowMs;
  }

  /** A line of progress, once a second. */
  progress(phase: string, ready: number, nowMs: number): void {
    if (phase !== this.#phase) {
      this.#before = this.due(nowMs);
      this.#phase = phase;
      this.#phaseMs = nowMs;
    } else if (phase === 'open' && nowMs > this.#atMs) this.#rate = Math.max(0, ready - this.#ready) / ((nowMs - this.#atMs) / 1000);
    this.#ready = ready;
    this.#atMs = nowMs;
  }

  due(nowMs: number): number {
    const { opening, connections, loadSecond } = this.#need;
    if (this.#phase === 'open') {
      const lead = Math.min(LEAD_MOST, opening * LEAD);
      const ready = this.#ready + (this.#rate * (nowMs - this.#atMs)) / 1000;
      return Math.min(opening, lead + (opening * ready) / connections);
    }
    return this.#before + (LOADS.includes(this.#phase) ? loadSecond * (LOAD_LEAD_S + (nowMs - this.#phaseMs) / 1000) : 0);
  }
}

function availableMib(): number {
  return Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 1024;
}

/**
 * Memory that the machine really has, taken before a run and given back while it needs it (`sluice-load reserve`): the host of a
 * virtual machine takes back what is free, and every first touch then waits for the host to find and clear a page. What waits there is
 * neither the server nor the generator. See docs/decisions/0375.
 */
export class MemoryReserve {
  readonly reserved: Reserved;
  readonly #child: ReturnType<typeof startPinned>;
  readonly #need: MemoryNeed;
  #pace: MemoryPace | null = null;
  #timer: NodeJS.Timeout | undefined;
  #given = 0;

  private constructor(child: ReturnType<typeof startPinned>, need: MemoryNeed, reserved: Reserved) {
    this.#child = child;
    this.#need = need;
    this.reserved = reserved;
  }

  /** Null where there is not enough for it: the run then takes what it finds. */
  static async take(need: MemoryNeed, available = availableMib()): Promise<MemoryReserve | null> {
    const mib = Math.ceil(need.opening + need.loadSecond * need.loadS);
    if (mib < 1 || mib > available - KEPT_MIB) return null;
    const child = startPinned([LOAD, 'reserve', String(mib)], CLIENT_CPU, { stdin: 'pipe' });
    const { stdout, stdin } = child;
    if (stdout === null || stdin === null) throw new Error('no pipes to sluice-load');
    // It may be gone when something is given back.
    stdin.on('error', () => {});
    const line = await new Promise<string | null>((resolve) => {
      const timer = setTimeout(() => resolve(null), READY_MS);
      const lines = createInterface({ input: stdout });
      const end = (text: string | null): void => {
        clearTimeout(timer);
        resolve(text);
      };
      lines.once('line', end);
      lines.once('close', () => end(null));
    });
    if (line === null) {
      await stopChild(child);
      return null;
    }
    const { first_mib_per_s, again_mib_per_s } = JSON.parse(line) as Omit<Reserved, 'mib'>;
    return new MemoryReserve(child, need, { mib, first_mib_per_s, again_mib_per_s });
  }

  /** Connections begin to open. */
  begin(): void {
    const pace = new MemoryPace(this.#need, Date.now());
    this.#pace = pace;
    this.#timer = setInterval(() => this.#give(Math.floor(pace.due(Date.now())) - this.#given), EVERY_MS);
    this.#give(Math.floor(pace.due(Date.now())));
  }

  progress(phase: string, ready: number): void {
    this.#pace?.progress(phase, ready, Date.now());
  }

  #give(mib: number): void {
    if (mib < 1 || exited(this.#child)) return;
    this.#given += mib;
    this.#child.stdin?.write(`${mib}\n`);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await stopChild(this.#child);
  }
}
