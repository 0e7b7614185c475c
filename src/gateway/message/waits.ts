/**
 * Rows whose next message cannot be handled yet, because what it needs is being fetched. What they send meanwhile is kept, in order, and
 * they are not received from: their TCP window fills. There is state for such rows only.
 */

import type { EnginePort, Hold, Row } from '../../engine/port.js';
import { CLOSE, type CloseCode } from '../../errors.js';
import { Checks, type Check, type Kept } from './checking.js';

export interface WaitsParts {
  readonly port: EnginePort;
  readonly bytesMax: number;
  /** What the message needs; null when there is nothing to wait for. */
  readonly needs: (row: Row, kept: Kept) => Promise<void> | null;
  /** Handles it; returns the hold that is to be let go, or -1. */
  readonly handle: (row: Row, kept: Kept) => Hold;
  /** What it needs could not be had. */
  readonly failed: (row: Row, kept: Kept, error: unknown) => void;
  readonly end: (row: Row, code: CloseCode, reason: string) => void;
}

export class Waits {
  readonly #parts: WaitsParts;
  readonly #checks: Checks;

  constructor(parts: WaitsParts) {
    this.#parts = parts;
    this.#checks = new Checks(parts.bytesMax);
  }

  holds(row: Row): boolean {
    return this.#checks.waits(row);
  }

  /** The row's message waits until `until` has settled, and those behind it wait with it. */
  begin(row: Row, until: Promise<void>, message: Uint8Array, headerLength: number, text: boolean, hold: Hold): void {
    this.#parts.port.pause(row);
    const check = this.#checks.begin(row);
    check.kept.push({ message: Buffer.from(message), headerLength, text, hold: hold < 0 ? this.#parts.port.hold(row) : hold });
    void this.#go(check, until);
  }

  /** A message behind the one that waits. `hold`: of its event, if it has one already. */
  keep(row: Row, message: Uint8Array, headerLength: number, text: boolean, hold: Hold): void {
    const { port, end } = this.#parts;
    if (this.#checks.keep(row, message, headerLength, text, () => (hold < 0 ? port.hold(row) : hold))) return;
    port.letGo(hold);
    end(row, CLOSE.tryAgainLater, 'too much was sent while the store did not answer');
  }

  cancel(row: Row): void {
    for (const { hold } of this.#checks.take(row)) this.#parts.port.letGo(hold);
  }

  /** Rejects only when a handler throws, which is a defect and ends the process. */
  async #go(check: Check, until: Promise<void>): Promise<void> {
    const { port, needs, handle, failed } = this.#parts;
    const { row, kept } = check;
    for (let wait: Promise<void> | null = until; kept.length > 0;) {
      const failure = wait === null ? null : await settled(wait);
      if (!this.#checks.has(check)) break;
      const next = kept.shift() as Kept;
      if (failure === null) port.letGo(handle(row, next));
      else {
        failed(row, next, failure.error);
        port.letGo(next.hold);
      }
      wait = kept[0] === undefined ? null : needs(row, kept[0]);
    }
    // Of a connection that is gone.
    for (const { hold } of kept.splice(0)) port.letGo(hold);
    if (this.#checks.finish(check)) port.resume(row);
  }
}

async function settled(wait: Promise<void>): Promise<{ readonly error: unknown } | null> {
  try {
    await wait;
    return null;
  } catch (error) {
    return { error };
  }
}
