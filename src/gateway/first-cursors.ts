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
  readonly channelIds: number[];
  readonly seqs: number[];
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
  add(row: Row, channelId: number, cursor: ChannelCursor): boolean {
    const { store, sessions } = this.#context;
    const words = sessions.copyId(row, this.#words);
    const stored = store.addFirstCursor?.(words, sessions.sessionGeneration(row), cursor) ?? null;
    if (stored === null) return false;
    if (this.#batch?.stored !== stored) this.#begin(stored);
    const { rows, generations, channelIds, seqs } = this.#batch as Batch;
    rows.push(row);
    generations.push(sessions.generation(row));
    channelIds.push(channelId);
    seqs.push(cursor.seq);
    return true;
  }

  #begin(stored: Promise<boolean>): void {
    const batch: Batch = { stored, rows: [], generations: [], channelIds: [], seqs: [] };
    this.#batch = batch;
    const over = (): void => {
      if (this.#batch === batch) this.#batch = null;
    };
    stored.then(over, () => {
      over();
      for (let i = 0; i < batch.rows.length; i += 1) this.#failed(batch, i);
    });
  }

  /** The writer tries until the store is well again, unless the row has gone or left the channel meanwhile. */
  #failed({ rows, generations, channelIds, seqs }: Batch, i: number): void {
    const { sessions, subscriptions, channels, writer, keeper } = this.#context;
    const row = rows[i] as Row;
    if (sessions.generation(row) !== generations[i] || sessions.state(row) !== SESSION.open) return;
    const channel = channels.byId(channelIds[i] as number);
    if (channel === undefined || subscriptions.find(row, channel.id) < 0) return;
    const cursor = { channel: channel.name, seq: seqs[i] as number, epoch: channel.epoch, subscribed: true, told: false };
    writer.change(keeper.ref(row), { upsert: [cursor] }, true);
  }
}
