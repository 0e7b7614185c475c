/**
 * First subscriptions of sessions on their way to the store: as many as sessions, so they have neither an entry with the writer nor a
 * promise each. What the store does not take at once, or fails to keep, is the writer's.
 */

import type { Row } from '../../engine/port.js';
import type { OpenChannel } from '../../sequence/channels.js';
import { SESSION } from '../../session/table.js';
import type { ChannelCursor } from '../../store/sessions/session-store.js';
import type { GatewayContext } from '../context.js';

const SOME = 256;

/** Of a session that gets what comes after `after`. */
export function subscribedCursor({ name, epoch, publishedSeq }: OpenChannel, after: number): ChannelCursor {
  return { channel: name, seq: Math.min(after, publishedSeq), epoch, subscribed: true, told: false };
}

/** Those that become durable together, in columns that are used again. */
class Batch {
  stored: Promise<boolean> | null = null;
  count = 0;
  rows = new Int32Array(SOME);
  /** Of the rows' connections. */
  generations = new Uint32Array(SOME);
  channelIds = new Uint32Array(SOME);
  seqs = new Float64Array(SOME);

  add(row: Row, generation: number, channelId: number, seq: number): void {
    if (this.count === this.rows.length) this.#grow();
    const at = this.count;
    this.count += 1;
    this.rows[at] = row;
    this.generations[at] = generation;
    this.channelIds[at] = channelId;
    this.seqs[at] = seq;
  }

  #grow(): void {
    const grown = <T extends Int32Array | Uint32Array | Float64Array>(old: T, larger: T): T => (larger.set(old), larger);
    const size = this.rows.length * 2;
    this.rows = grown(this.rows, new Int32Array(size));
    this.generations = grown(this.generations, new Uint32Array(size));
    this.channelIds = grown(this.channelIds, new Uint32Array(size));
    this.seqs = grown(this.seqs, new Float64Array(size));
  }
}

export class FirstCursors {
  readonly #context: GatewayContext;
  readonly #words = new Uint32Array(4);
  /** The one that more may be added to. */
  #batch: Batch | null = null;
  readonly #free: Batch[] = [];

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** False where it is not for this way. */
  add(row: Row, channelId: number, cursor: ChannelCursor): boolean {
    const { store, sessions } = this.#context;
    const words = sessions.copyId(row, this.#words);
    const stored = store.addFirstCursor?.(words, sessions.sessionGeneration(row), cursor) ?? null;
    if (stored === null) return false;
    const batch = this.#batch?.stored === stored ? this.#batch : this.#begin(stored);
    batch.add(row, sessions.generation(row), channelId, cursor.seq);
    return true;
  }

  #begin(stored: Promise<boolean>): Batch {
    const batch = this.#free.pop() ?? new Batch();
    batch.stored = stored;
    this.#batch = batch;
    stored.then(() => this.#over(batch), () => {
      for (let i = 0; i < batch.count; i += 1) this.#failed(batch, i);
      this.#over(batch);
    });
    return batch;
  }

  #over(batch: Batch): void {
    if (this.#batch === batch) this.#batch = null;
    batch.stored = null;
    batch.count = 0;
    this.#free.push(batch);
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
