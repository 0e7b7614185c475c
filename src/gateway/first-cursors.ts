/**
 * First subscriptions of sessions on their way to the store: as many as sessions, so they have neither an entry with the writer nor a
 * promise each. What the store does not take at once, or fails to keep, is the writer's.
 */

import type { Row } from '../engine/port.js';
import { SESSION } from '../session/table.js';
import type { ChannelCursor } from '../store/session-store.js';
import type { GatewayContext } from './context.js';

interface Batch {
  readonly stored: Promise<boolean>;
  readonly rows: Row[];
  /** Of the rows' connections. */
  readonly generations: number[];
  readonly cursors: ChannelCursor[];
}

export class FirstCursors {
  readonly #context: GatewayContext;
  readonly #words = new Uint32Array(4);
  /** Those that become durable together. */
  #batch: Batch | null = null;

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** False where it is not for this way. */
  add(row: Row, cursor: ChannelCursor): boolean {
    const { store, sessions } = this.#context;
    const words = sessions.copyId(row, this.#words);
    const stored = store.addFirstCursor?.(words, sessions.sessionGeneration(row), cursor) ?? null;
    if (stored === null) return false;
    if (this.#batch?.stored !== stored) this.#begin(stored);
    const { rows, generations, cursors } = this.#batch as Batch;
    rows.push(row);
    generations.push(sessions.generation(row));
    cursors.push(cursor);
    return true;
  }

  #begin(stored: Promise<boolean>): void {
    const batch: Batch = { stored, rows: [], generations: [], cursors: [] };
    this.#batch = batch;
    const over = (): void => {
      if (this.#batch === batch) this.#batch = null;
    };
    stored.then(over, () => {
      over();
      batch.rows.forEach((row, i) => this.#failed(row, batch.generations[i] as number, batch.cursors[i] as ChannelCursor));
    });
  }

  /** The writer tries until the store is well again, unless the row has gone or left the channel meanwhile. */
  #failed(row: Row, generation: number, cursor: ChannelCursor): void {
    const { sessions, subscriptions, channels, writer, keeper } = this.#context;
    if (sessions.generation(row) !== generation || sessions.state(row) !== SESSION.open) return;
    const channel = channels.find(cursor.channel);
    if (channel !== null && subscriptions.find(row, channel.id) >= 0) writer.change(keeper.ref(row), { upsert: [cursor] }, true);
  }
}
