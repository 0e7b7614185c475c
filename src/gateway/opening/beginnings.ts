/**
 * Sessions that are being stored, new ones and such as go on: those that become durable with one write are welcomed together. There is a
 * list of them per write, and no promise, timer or closure for each.
 */

import type { Hold, Row } from '../../engine/port.js';
import { StoreError } from '../../errors.js';
import type { Identity } from '../../session/auth.js';
import type { Beginning, Opened } from '../../session/opener.js';

export interface Begun {
  readonly row: Row;
  /** Of the row's connection. */
  readonly generation: number;
  readonly identity: Identity;
  readonly opened: Opened;
  /** Of the event that brought the `hello`. */
  readonly hold: Hold;
}

export interface BeginningsOptions {
  /** How long the store may take, ms. */
  readonly timeoutMs: number;
  /** The sessions are stored. */
  readonly stored: (begun: Begun) => void;
  /** They are not, as far as one knows. */
  readonly failed: (begun: Begun, error: unknown) => void;
  /** They are stored after all, after they were taken for failed. */
  readonly late: (begun: Begun) => void;
}

export class Beginnings {
  readonly #options: BeginningsOptions;
  #batch: { readonly stored: Promise<unknown>; readonly begun: Begun[] } | null = null;

  constructor(options: BeginningsOptions) {
    this.#options = options;
  }

  add({ opened, stored }: Beginning, row: Row, generation: number, identity: Identity, hold: Hold): void {
    const begun: Begun = { row, generation, identity, opened, hold };
    if (this.#batch?.stored === stored) this.#batch.begun.push(begun);
    else this.#begin(stored, begun);
  }

  #begin(stored: Promise<unknown>, first: Begun): void {
    const batch = { stored, begun: [first] };
    this.#batch = batch;
    const { timeoutMs, late } = this.#options;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#fail(batch.begun, new StoreError('the session store does not answer', true));
    }, timeoutMs);
    const end = (): void => {
      clearTimeout(timer);
      if (this.#batch === batch) this.#batch = null;
    };
    stored.then(
      () => {
        end();
        for (const begun of batch.begun) (isLate ? late : this.#options.stored)(begun);
      },
      (error: unknown) => {
        end();
        if (!isLate) this.#fail(batch.begun, error);
      },
    );
  }

  #fail(all: readonly Begun[], error: unknown): void {
    for (const begun of all) this.#options.failed(begun, error);
  }
}
