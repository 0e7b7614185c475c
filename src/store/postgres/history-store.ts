import pg from 'pg';
import type { HistoryBounds, HistoryLimits, HistoryPlace, HistorySegment, HistoryStore } from '../history-store.js';
import type { FrameRun } from '../types.js';
import { StoreError } from '../../errors.js';
import { postgresError } from './failure.js';
import { statementsFor, type Statements } from './statements.js';

export interface PostgresHistoryOptions {
  /** "postgres://user:password@host:5432/database" */
  readonly url: string;
  readonly table: string;
  /** Connections at most. */
  readonly pool: number;
  /** For connecting, and for each statement. */
  readonly timeoutMs: number;
}

/** Messages that retention removes of a channel in one go. */
const REMOVED_MAX = 5000;
/** An idle connection is closed, so that a database that was moved is found again. */
const IDLE_MS = 30_000;

type Row = readonly unknown[];

/**
 * The cold tier in PostgreSQL, which any number of nodes may share: a row for each message. It connects when it is first asked, so that a
 * gateway starts, and serves, without it.
 */
export class PostgresHistoryStore implements HistoryStore {
  readonly #pool: pg.Pool;
  readonly #sql: Statements;
  #prepared: Promise<void> | null = null;
  #closed = false;
  /** The (channel, epoch) behind which retention goes on. */
  #retained: readonly [string, string] = ['', ''];

  constructor({ url, table, pool, timeoutMs }: PostgresHistoryOptions) {
    this.#sql = statementsFor(table);
    this.#pool = new pg.Pool({
      connectionString: url, max: pool, connectionTimeoutMillis: timeoutMs, statement_timeout: timeoutMs, query_timeout: timeoutMs,
      idleTimeoutMillis: IDLE_MS, application_name: 'sluice', keepAlive: true,
    });
    // Of connections that nobody uses at the moment: the next statement makes another one.
    this.#pool.on('error', () => undefined);
  }

  async #query(text: string, values: readonly unknown[]): Promise<Row[]> {
    if (this.#closed) throw new StoreError('the history store is closed', false);
    try {
      await this.#prepare();
      return (await this.#pool.query<unknown[]>({ text, values: [...values], rowMode: 'array' })).rows;
    } catch (error) {
      throw postgresError(error);
    }
  }

  /** Makes the table, once. */
  #prepare(): Promise<void> {
    this.#prepared ??= this.#pool.query(this.#sql.create).then(() => undefined, (error: unknown) => {
      this.#prepared = null;
      throw error;
    });
    return this.#prepared;
  }

  async write(segments: readonly HistorySegment[]): Promise<void> {
    const columns: [string[], string[], number[], string[], number[]] = [[], [], [], [], []];
    const [channels, epochs, seqs, ids, times] = columns;
    const at: number[] = [];
    const bytes: number[] = [];
    let start = 0;
    for (const { channel, epoch, firstSeq, ids: own, serverTs, frames, ends } of segments) {
      let from = 0;
      ends.forEach((end, i) => {
        channels.push(channel);
        epochs.push(epoch);
        seqs.push(firstSeq + i);
        ids.push(own[i] as string);
        times.push(Math.floor(serverTs[i] as number));
        at.push(start + from);
        bytes.push(end - from);
        from = end;
      });
      start += frames.length;
    }
    if (seqs.length === 0) return;
    await this.#query(this.#sql.write, [...columns, Buffer.concat(segments.map(({ frames }) => frames)), at, bytes]);
  }

  async read(place: HistoryPlace, fromSeq: number, maxCount: number, maxBytes: number): Promise<FrameRun | null> {
    const found = await this.#page(this.#sql.read, place, fromSeq, maxCount, maxBytes);
    if (found === null) return null;
    const { seqs, lengths, frames } = found;
    const hole = seqs.findIndex((seq, i) => seq !== (seqs[0] as number) + i);
    return run(seqs, lengths, frames, 0, hole < 0 ? seqs.length : hole);
  }

  async readBack(place: HistoryPlace, toSeq: number, maxCount: number, maxBytes: number): Promise<FrameRun | null> {
    const found = await this.#page(this.#sql.readBack, place, toSeq, maxCount, maxBytes);
    if (found === null) return null;
    const { seqs, lengths, frames } = found;
    const last = seqs.length - 1;
    const hole = seqs.findLastIndex((seq, i) => seq !== (seqs[last] as number) - last + i);
    return run(seqs, lengths, frames, hole + 1, seqs.length);
  }

  async #page(sql: string, { channel, epoch }: HistoryPlace, seq: number, maxCount: number, maxBytes: number): Promise<Page | null> {
    if (maxCount < 1) return null;
    const [row] = await this.#query(sql, [channel, epoch, seq, maxCount, maxBytes]);
    const [seqs, lengths, frames] = row as [string[] | null, number[], Buffer];
    return seqs === null ? null : { seqs: seqs.map(Number), lengths, frames };
  }

  async bounds({ channel, epoch }: HistoryPlace): Promise<HistoryBounds | null> {
    const [row] = await this.#query(this.#sql.bounds, [channel, epoch]);
    const [oldest, newest] = row as [string | null, string];
    return oldest === null ? null : { oldestSeq: Number(oldest), newestSeq: Number(newest) };
  }

  async seqAtTs({ channel, epoch }: HistoryPlace, ts: number): Promise<number | null> {
    return first(await this.#query(this.#sql.seqAtTs, [channel, epoch, Math.ceil(ts)]));
  }

  async seqAfterId({ channel, epoch }: HistoryPlace, id: string): Promise<number | null> {
    return first(await this.#query(this.#sql.seqAfterId, [channel, epoch, id]));
  }

  async retain(limits: HistoryLimits, channels: number): Promise<number> {
    if (limits.before === null && limits.maxMessages === null) return 0;
    const rows = await this.#query(this.#sql.channels, [...this.#retained, channels]);
    const places = rows as unknown as [channel: string, epoch: string, oldest: string, newest: string][];
    const last = places.at(-1);
    this.#retained = places.length < channels || last === undefined ? ['', ''] : [last[0], last[1]];
    let removed = 0;
    for (const [channel, epoch, oldest, newest] of places) {
      removed += await this.#retain({ channel, epoch }, { oldestSeq: Number(oldest), newestSeq: Number(newest) }, limits);
    }
    return removed;
  }

  async #retain(place: HistoryPlace, { oldestSeq, newestSeq }: HistoryBounds, { before, maxMessages }: HistoryLimits): Promise<number> {
    const young = before === null ? oldestSeq : ((await this.seqAtTs(place, before)) ?? newestSeq + 1);
    const keepFrom = Math.max(young, maxMessages === null ? oldestSeq : newestSeq - maxMessages + 1);
    if (keepFrom <= oldestSeq) return 0;
    await this.#query(this.#sql.remove, [place.channel, place.epoch, keepFrom, REMOVED_MAX]);
    return Math.min(keepFrom - oldestSeq, REMOVED_MAX);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pool.end();
  }
}

interface Page {
  /** Ascending. */
  readonly seqs: readonly number[];
  readonly lengths: readonly number[];
  readonly frames: Buffer;
}

/** Messages [from, end) of a page. */
function run(seqs: readonly number[], lengths: readonly number[], frames: Buffer, from: number, end: number): FrameRun {
  const start = lengths.slice(0, from).reduce((sum, length) => sum + length, 0);
  const ends = new Uint32Array(end - from);
  let at = 0;
  for (let i = from; i < end; i++) ends[i - from] = at += lengths[i] as number;
  return { firstSeq: seqs[from] as number, lastSeq: seqs[end - 1] as number, frames: frames.subarray(start, start + at), ends };
}

function first([row]: Row[]): number | null {
  const seq = row?.[0];
  return typeof seq === 'string' ? Number(seq) : null;
}
