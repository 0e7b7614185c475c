/**
 * Sessions that were resumed before their claims were written: those that become durable with one write have one list, and no promise or
 * closure each.
 */

import type { Row } from '../../engine/port.js';

interface Batch {
  readonly stored: Promise<unknown>;
  readonly rows: Row[];
  /** Of the rows' connections. */
  readonly generations: number[];
}

export class Claims {
  readonly #failed: (row: Row, generation: number, error: unknown) => void;
  #batch: Batch | null = null;

  /** `failed`: a claim was not written after all. */
  constructor(failed: (row: Row, generation: number, error: unknown) => void) {
    this.#failed = failed;
  }

  add(stored: Promise<unknown>, row: Row, generation: number): void {
    const batch = this.#batch?.stored === stored ? this.#batch : this.#begin(stored);
    batch.rows.push(row);
    batch.generations.push(generation);
  }

  #begin(stored: Promise<unknown>): Batch {
    const batch: Batch = { stored, rows: [], generations: [] };
    this.#batch = batch;
    const over = (): void => {
      if (this.#batch === batch) this.#batch = null;
    };
    stored.then(over, (error: unknown) => {
      over();
      batch.rows.forEach((row, i) => this.#failed(row, batch.generations[i] as number, error));
    });
    return batch;
  }
}
