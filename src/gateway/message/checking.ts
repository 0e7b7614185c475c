/**
 * Rows one of whose messages is being answered asynchronously: a `hello`, or what needs something of a shared store. What a client sends
 * behind it is kept, in order and within a bound, and handled when the answer is there. There is state only for rows that sent something
 * meanwhile, or whose answer takes more than a write of the store.
 */

import type { Hold, Row } from '../../engine/port.js';

export interface Kept {
  readonly message: Buffer;
  readonly headerLength: number;
  readonly text: boolean;
  /** Of its event. */
  readonly hold: Hold;
}

/** One check under way; its identity tells it from a later one of the same row. */
export interface Check {
  readonly row: Row;
  readonly kept: Kept[];
  bytes: number;
}

const NOTHING: readonly Kept[] = [];

export class Checks {
  readonly #bytesMax: number;
  readonly #checks = new Map<Row, Check>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  begin(row: Row): Check {
    const check: Check = { row, kept: [], bytes: 0 };
    this.#checks.set(row, check);
    return check;
  }

  /** Keeps a copy of the message; false when the row has too much waiting. */
  keep(row: Row, message: Uint8Array, headerLength: number, text: boolean, hold: () => Hold): boolean {
    const check = this.#checks.get(row) ?? this.begin(row);
    // Every message counts for some bytes, so that empty ones are bounded too.
    if (check.bytes + message.length + 64 > this.#bytesMax) return false;
    check.bytes += message.length + 64;
    check.kept.push({ message: Buffer.from(message), headerLength, text, hold: hold() });
    return true;
  }

  /** Whether there is a check of the row, or something was kept. */
  waits(row: Row): boolean {
    return this.#checks.size > 0 && this.#checks.has(row);
  }

  has(check: Check): boolean {
    return this.#checks.get(check.row) === check;
  }

  /** False when the row was closed meanwhile. */
  finish(check: Check): boolean {
    return this.#checks.get(check.row) === check && this.#checks.delete(check.row);
  }

  /** Ends the row's check, if there is one; gives what was kept. */
  take(row: Row): readonly Kept[] {
    if (this.#checks.size === 0) return NOTHING;
    const check = this.#checks.get(row);
    if (check === undefined) return NOTHING;
    this.#checks.delete(row);
    return check.kept.splice(0);
  }
}
