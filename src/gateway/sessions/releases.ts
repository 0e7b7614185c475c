/**
 * Sessions whose connections ended, on their way to the store. Where a network breaks there are very many at once, most with one channel
 * or none: they have neither an entry with the writer nor a promise each. What the store does not take at once, or fails to keep, is the
 * writer's.
 */

import type { Row } from '../../engine/port.js';
import { SessionOpener } from '../../session/opener.js';
import { formatSessionId } from '../../store/sessions/session-id.js';
import type { ChannelCursor } from '../../store/sessions/session-store.js';
import type { GatewayContext } from '../context.js';

const SOME = 256;

/** Those that become durable together, in columns that are used again. */
class Batch {
  stored: Promise<boolean> | null = null;
  count = 0;
  /** Four words each. */
  ids = new Uint32Array(SOME * 4);
  /** Of the sessions. */
  generations = new Uint32Array(SOME);
  /** When their connections ended, in ms since the Unix epoch. */
  ended = new Float64Array(SOME);
  readonly cursors: (ChannelCursor | null)[] = [];

  /** The last one's id is in `ids` already. */
  add(generation: number, ended: number, cursor: ChannelCursor | null): void {
    this.generations[this.count] = generation;
    this.ended[this.count] = ended;
    this.cursors[this.count] = cursor;
    this.count += 1;
  }

  makeRoom(): void {
    if (this.count < this.generations.length) return;
    const grown = <T extends Uint32Array | Float64Array>(old: T, larger: T): T => (larger.set(old), larger);
    const size = this.generations.length * 2;
    this.ids = grown(this.ids, new Uint32Array(size * 4));
    this.generations = grown(this.generations, new Uint32Array(size));
    this.ended = grown(this.ended, new Float64Array(size));
  }
}

export class Releases {
  readonly #context: GatewayContext;
  readonly #words = new Uint32Array(4);
  /** The one that more may be added to. */
  #batch: Batch | null = null;
  readonly #free: Batch[] = [];
  #pending = 0;

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** Not stored yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Resolves when what there is has been stored, or is the writer's. */
  async settled(): Promise<void> {
    while (this.#batch?.stored != null) await this.#batch.stored.catch(() => undefined);
  }

  /** `cursor`: all that there is to tell of the session's channels. False where it is not for this way. */
  add(row: Row, cursor: ChannelCursor | null): boolean {
    const { store, sessions, config, clock } = this.#context;
    const words = sessions.copyId(row, this.#words);
    const generation = sessions.sessionGeneration(row);
    const now = clock.now();
    const stored = store.releaseNow?.(words, generation, SessionOpener.released(config.session, now), cursor) ?? null;
    if (stored === null) return false;
    const batch = this.#batch?.stored === stored ? this.#batch : this.#begin(stored);
    batch.makeRoom();
    for (let word = 0; word < 4; word += 1) batch.ids[batch.count * 4 + word] = words[word] as number;
    batch.add(generation, now, cursor);
    this.#pending += 1;
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
    this.#pending -= batch.count;
    batch.stored = null;
    batch.count = 0;
    batch.cursors.length = 0;
    this.#free.push(batch);
  }

  /** The writer tries until the store is well again. */
  #failed({ ids, generations, ended, cursors }: Batch, i: number): void {
    const { writer, config } = this.#context;
    const cursor = cursors[i] ?? null;
    const ref = { id: formatSessionId(ids, i * 4), generation: generations[i] as number };
    writer.release(ref, SessionOpener.released(config.session, ended[i] as number), { upsert: cursor === null ? [] : [cursor] });
  }
}
