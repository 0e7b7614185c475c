/**
 * Replays in progress: rows that are being sent older messages, each a chunk at a time and the next when the former has left
 * its send queue. Rows take turns, so that a long catch-up does not hold up the others; a turn's bytes are bounded.
 * There is state for rows with a replay only: an idle connection costs nothing here.
 */

import type { Row } from '../engine/port.js';
import type { ReplayJob, ReplaySink } from './types.js';

export interface ReplayLimits {
  /** Bytes in flight to a row. */
  readonly chunkBytes: number;
  /** Bytes sent by one call of `pump`, over all rows. */
  readonly turnBytes: number;
}

interface RowReplay {
  readonly row: Row;
  /** In turn: the first is next. */
  readonly jobs: ReplayJob[];
  /** Those that wait for messages to be read. */
  readonly parked: ReplayJob[];
  /** Bytes sent since the row was last writable. */
  inFlight: number;
  /** When onWritable was asked for, in ms; -1 when it was not. */
  waitingSince: number;
  queued: boolean;
}

export class Replays {
  readonly #limits: ReplayLimits;
  readonly #sink: ReplaySink;
  /** Milliseconds, monotonic. */
  readonly #now: () => number;
  /** There is something for `pump`. */
  readonly #onReady: () => void;
  readonly #rows = new Map<Row, RowReplay>();
  #ready: RowReplay[] = [];

  constructor(limits: ReplayLimits, sink: ReplaySink, now: () => number, onReady: () => void = () => undefined) {
    this.#limits = limits;
    this.#sink = sink;
    this.#now = now;
    this.#onReady = onReady;
  }

  /** Rows with a replay. */
  get active(): number {
    return this.#rows.size;
  }

  /** Whether `pump` has something to send. */
  get ready(): boolean {
    return this.#ready.length > 0;
  }

  /** Adds a job. `blocked`: the row's send queue is full, so wait until it is writable before the first chunk. */
  add(row: Row, job: ReplayJob, blocked: boolean): void {
    const replay = this.#rows.get(row) ?? this.#open(row);
    replay.jobs.push(job);
    if (blocked) {
      replay.inFlight = this.#limits.chunkBytes;
      this.#wait(replay);
    }
    this.#enqueue(replay);
  }

  /** Job of a row that `wanted` picks, or undefined. */
  find<J extends ReplayJob>(row: Row, wanted: (job: ReplayJob) => job is J): J | undefined {
    const replay = this.#rows.get(row);
    return replay?.jobs.find(wanted) ?? replay?.parked.find(wanted);
  }

  /** Drops the row's jobs that `unwanted` picks. */
  cancel(row: Row, unwanted: (job: ReplayJob) => boolean): void {
    const replay = this.#rows.get(row);
    if (replay === undefined) return;
    for (const jobs of [replay.jobs, replay.parked]) {
      const at = jobs.findIndex(unwanted);
      if (at !== -1) jobs.splice(at, 1);
    }
    this.#forgetIfIdle(replay);
  }

  cancelRow(row: Row): void {
    const replay = this.#rows.get(row);
    if (replay === undefined) return;
    replay.jobs.length = 0;
    replay.parked.length = 0;
    replay.inFlight = 0;
    this.#rows.delete(row);
  }

  onWritable(row: Row): void {
    const replay = this.#rows.get(row);
    if (replay === undefined) return;
    replay.inFlight = 0;
    replay.waitingSince = -1;
    this.#enqueue(replay);
    this.#forgetIfIdle(replay);
  }

  /** Sends to the rows that are ready, in turn, until the turn's bytes or its milliseconds are used up; one chunk at least. */
  pump(turnMs = Infinity): void {
    let budget = this.#limits.turnBytes;
    const end = this.#now() + turnMs;
    const batch = this.#ready;
    let at = 0;
    // What becomes ready meanwhile goes into a new queue, behind those that this turn did not reach.
    this.#ready = [];
    for (; at < batch.length && budget > 0 && (at === 0 || this.#now() < end); at += 1) {
      const replay = batch[at] as RowReplay;
      replay.queued = false;
      budget -= this.#advance(replay);
    }
    if (at < batch.length) this.#ready = [...batch.slice(at), ...this.#ready];
  }

  /** Rows that wait for messages and have not become writable for `timeoutMs`. */
  stalled(timeoutMs: number): Row[] {
    const before = this.#now() - timeoutMs;
    const rows: Row[] = [];
    for (const { row, waitingSince, jobs } of this.#rows.values()) {
      if (waitingSince >= 0 && waitingSince <= before && jobs.length > 0) rows.push(row);
    }
    return rows;
  }

  #open(row: Row): RowReplay {
    const replay: RowReplay = { row, jobs: [], parked: [], inFlight: 0, waitingSince: -1, queued: false };
    this.#rows.set(row, replay);
    return replay;
  }

  #enqueue(replay: RowReplay): void {
    if (replay.queued || replay.jobs.length === 0 || replay.inFlight >= this.#limits.chunkBytes) return;
    replay.queued = true;
    this.#ready.push(replay);
    this.#onReady();
  }

  #advance(replay: RowReplay): number {
    const { row, jobs } = replay;
    const before = replay.inFlight;
    try {
      while (jobs.length > 0 && replay.inFlight < this.#limits.chunkBytes) {
        const job = jobs.shift() as ReplayJob;
        replay.inFlight += job.step(row, this.#sink, this.#limits.chunkBytes - replay.inFlight);
        if (job.waiting !== null) this.#park(replay, job, job.waiting);
        else if (!job.done) jobs.push(job);
      }
    } catch (error) {
      this.cancelRow(row);
      this.#sink.failed(row, error);
      return replay.inFlight - before;
    }
    if (replay.inFlight > 0 && replay.waitingSince < 0) this.#wait(replay);
    this.#forgetIfIdle(replay);
    return replay.inFlight - before;
  }

  #park(replay: RowReplay, job: ReplayJob, until: Promise<void>): void {
    replay.parked.push(job);
    until.then(() => this.#unpark(replay, job), (error: unknown) => this.#unread(replay, job, error));
  }

  /** Nothing for a job that was cancelled meanwhile. */
  #unpark(replay: RowReplay, job: ReplayJob): void {
    const at = replay.parked.indexOf(job);
    if (at < 0) return;
    replay.parked.splice(at, 1);
    replay.jobs.push(job);
    this.#enqueue(replay);
  }

  #unread(replay: RowReplay, job: ReplayJob, error: unknown): void {
    if (!replay.parked.includes(job)) return;
    this.cancelRow(replay.row);
    this.#sink.failed(replay.row, error);
  }

  #wait(replay: RowReplay): void {
    if (replay.waitingSince >= 0) return;
    replay.waitingSince = this.#now();
    this.#sink.notifyWritable(replay.row);
  }

  /** A row whose bytes are still in flight is kept, so that the next replay counts them. */
  #forgetIfIdle(replay: RowReplay): void {
    if (replay.jobs.length > 0 || replay.parked.length > 0 || replay.inFlight > 0) return;
    // An entry that was cancelled may still be queued while the row's next connection has one of its own.
    if (this.#rows.get(replay.row) === replay) this.#rows.delete(replay.row);
  }
}
