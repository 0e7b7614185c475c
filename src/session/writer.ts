/**
 * What connections change of their sessions, on its way to the store: gathered for a moment, one write of a session at a time unless
 * somebody is about to read it, in slices, so that a burst (a channel list that is subscribed, a network that comes back) does not hold
 * up publishing. When the store fails everything is kept and repeated; nothing here may be more than a moment old when the process dies.
 */

import {
  laterId, mergeChange, type CursorChange, type SessionPatch, type SessionRef, type SessionStore, type SessionTimes,
} from '../store/sessions/session-store.js';

/** How the connection's part ends: the lease is given up, or the session is over. */
type Final = { readonly times: SessionTimes } | { readonly forgetAt: number };

const NO_CURSORS: readonly CursorChange[] = [];

/** Changes that are merged: any number of them is one write. */
class Changes {
  lastSeen: string | null = null;
  confirmed = false;
  /** Most have one. */
  #first: CursorChange | null = null;
  #others: Map<string, CursorChange> | null = null;

  get empty(): boolean {
    return this.lastSeen === null && !this.confirmed && this.#first === null;
  }

  add({ lastSeenMessageId, confirmed = false, upsert = NO_CURSORS }: SessionPatch): void {
    if (lastSeenMessageId !== undefined) this.lastSeen = laterId(this.lastSeen, lastSeenMessageId);
    this.confirmed ||= confirmed;
    for (const cursor of upsert) this.#addCursor(cursor);
  }

  #addCursor(cursor: CursorChange): void {
    const { channel } = cursor;
    if (this.#first === null || this.#first.channel === channel) {
      this.#first = mergeChange(this.#first ?? undefined, cursor);
      return;
    }
    this.#others ??= new Map();
    this.#others.set(channel, mergeChange(this.#others.get(channel), cursor));
  }

  get patch(): SessionPatch {
    const cursors = this.#first === null ? NO_CURSORS : [this.#first, ...(this.#others?.values() ?? [])];
    const rest = { upsert: cursors, confirmed: this.confirmed };
    return this.lastSeen === null ? rest : { ...rest, lastSeenMessageId: this.lastSeen };
  }
}

interface Entry {
  readonly ref: SessionRef;
  waiting: Changes;
  final: Final | null;
  /** What the store was given and has not answered: of all writes that are under way. */
  sent: { readonly changes: Changes; readonly final: Final | null } | null;
  writes: number;
  /** One of them failed. */
  failed: boolean;
  queued: boolean;
}

export interface WriterOptions {
  readonly store: Pick<SessionStore, 'update' | 'release' | 'end'>;
  /** Changes that nobody waits for are gathered this long, ms. */
  readonly gatherMs: number;
  readonly after: (ms: number, run: () => void) => void;
  /** The store says that the session has another owner, or is gone. */
  readonly lost: (ref: SessionRef) => void;
  /** The store failed (an error) or is well again (null). */
  readonly onHealth: (error: unknown) => void;
}

/** Writes begun in one turn of the event loop: about 10 ms of it. */
const SLICE = 2000;
const RETRY_MS = 500;
/** Ended connections that wait to be written. Beyond it the lease of one runs out by itself, and its cursors stay as they were. */
const LEAVING_MAX = 100_000;

export class SessionWriter {
  readonly #options: WriterOptions;
  readonly #entries = new Map<string, Entry>();
  #queue: Entry[] = [];
  /** 0 nothing is planned, 1 a gathering's end, 2 the next turn or a retry. */
  #planned = 0;
  /** The latest plan; the others are void. */
  #plans = 0;
  #failing = false;
  #leaving = 0;
  #dropped = 0;
  #inFlight = 0;
  /** Writes that the store answers together: it gives one promise to all. */
  #sent: { readonly answer: Promise<boolean>; readonly entries: Entry[] } | null = null;
  #onIdle: (() => void) | null = null;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Sessions with changes that are not stored yet. */
  get pending(): number {
    return this.#entries.size;
  }

  /** Whether something of this session waits to be stored. */
  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Ended connections that could not be kept for a store that fails. */
  get dropped(): number {
    return this.#dropped;
  }

  /** `soon`: with the next turn of the event loop; else within gatherMs. */
  change(ref: SessionRef, patch: SessionPatch, soon: boolean): void {
    const entry = this.#entry(ref);
    if (entry === null) return;
    entry.waiting.add(patch);
    this.#enqueue(entry, soon);
  }

  release(ref: SessionRef, times: SessionTimes, patch: SessionPatch): void {
    this.#finish(ref, { times }, patch);
  }

  end(ref: SessionRef, forgetAt: number): void {
    this.#finish(ref, { forgetAt }, {});
  }

  /** Gives the store what there is of this session now, so that a read that follows sees it, whatever is under way to the disk. */
  push(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#send(entry);
  }

  /** Writes what there is; resolves when the store has it, or failed. */
  async close(): Promise<void> {
    // What came while the first write of a session was under way is its second.
    for (let round = 0; round < 2 && this.#entries.size > 0; round += 1) {
      for (const entry of this.#queue.splice(0)) this.#sendNext(entry);
      if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    }
  }

  #finish(ref: SessionRef, final: Final, patch: SessionPatch): void {
    const entry = this.#entry(ref);
    if (entry === null) return;
    if (entry.final === null && this.#leaving >= LEAVING_MAX) {
      this.#dropped += 1;
      this.#entries.delete(ref.id);
      return;
    }
    entry.waiting.add(patch);
    // Who said `bye` loses the connection next.
    if (entry.final === null) {
      this.#leaving += 1;
      entry.final = final;
    }
    this.#enqueue(entry, true);
  }

  /** Null when the session is known to have gone on in a later generation. */
  #entry(ref: SessionRef): Entry | null {
    const known = this.#entries.get(ref.id);
    if (known !== undefined && known.ref.generation > ref.generation) return null;
    if (known?.ref.generation === ref.generation) return known;
    // An entry of an earlier generation would be refused by the store.
    if (known !== undefined) this.#remove(known);
    const entry: Entry = { ref, waiting: new Changes(), final: null, sent: null, writes: 0, failed: false, queued: false };
    this.#entries.set(ref.id, entry);
    return entry;
  }

  #enqueue(entry: Entry, soon: boolean): void {
    if (!entry.queued && entry.sent === null) {
      entry.queued = true;
      this.#queue.push(entry);
    }
    if (!this.#failing) this.#plan(soon ? 2 : 1, soon ? 0 : this.#options.gatherMs);
  }

  #plan(urgency: 1 | 2, ms: number): void {
    if (this.#planned >= urgency) return;
    this.#planned = urgency;
    const plan = (this.#plans += 1);
    this.#options.after(ms, () => {
      if (plan !== this.#plans) return;
      this.#planned = 0;
      this.#failing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const slice = this.#queue.splice(0, SLICE);
    for (const entry of slice) this.#sendNext(entry);
    if (this.#queue.length > 0 && !this.#failing) this.#plan(2, 1);
  }

  /** What waits behind a write is sent when that is done. */
  #sendNext(entry: Entry): void {
    entry.queued = false;
    if (entry.sent === null) this.#send(entry);
  }

  #send(entry: Entry): void {
    entry.queued = false;
    if (this.#entries.get(entry.ref.id) !== entry) return;
    const { waiting, final, sent } = entry;
    if (waiting.empty && final === (sent?.final ?? null)) return;
    const patch = waiting.patch;
    sent?.changes.add(patch);
    entry.sent = { changes: sent?.changes ?? waiting, final };
    entry.waiting = new Changes();
    entry.writes += 1;
    this.#inFlight += 1;
    const answer = this.#write(entry.ref, patch, final);
    if (this.#sent?.answer === answer) this.#sent.entries.push(entry);
    else this.#await(answer, entry);
  }

  #await(answer: Promise<boolean>, first: Entry): void {
    const sent = { answer, entries: [first] };
    this.#sent = sent;
    const over = (): readonly Entry[] => {
      if (this.#sent === sent) this.#sent = null;
      return sent.entries;
    };
    answer.then(
      (kept) => {
        for (const entry of over()) this.#written(entry, kept);
      },
      (error: unknown) => {
        for (const entry of over()) this.#failed(entry, error);
      },
    );
  }

  #write({ id, generation }: SessionRef, patch: SessionPatch, final: Final | null): Promise<boolean> {
    const { store } = this.#options;
    if (final === null) return store.update(id, generation, patch);
    if ('times' in final) return store.release(id, generation, final.times, patch);
    return store.end(id, generation, patch, final.forgetAt);
  }

  #written(entry: Entry, kept: boolean): void {
    const { sent } = entry;
    entry.writes -= 1;
    this.#options.onHealth(null);
    // Where it is not kept nothing else of it will be; it may have been said already.
    if (!kept && sent !== null) {
      entry.sent = null;
      this.#remove(entry);
      if (sent.final === null) this.#options.lost(entry.ref);
    } else if (entry.writes === 0) this.#answered(entry);
    this.#settled();
  }

  /** Whether it was written is not known; everything here may be written twice. */
  #failed(entry: Entry, error: unknown): void {
    entry.writes -= 1;
    entry.failed = true;
    if (entry.writes === 0) this.#answered(entry);
    this.#options.onHealth(error);
    this.#settled();
  }

  /** Nothing of it is under way any more. */
  #answered(entry: Entry): void {
    const { sent, failed } = entry;
    entry.sent = null;
    entry.failed = false;
    if (sent === null || this.#entries.get(entry.ref.id) !== entry) return;
    if (failed) return this.#again(entry, sent.changes);
    if (sent.final !== null || (entry.waiting.empty && entry.final === null)) this.#remove(entry);
    else this.#enqueue(entry, entry.final !== null);
  }

  #again(entry: Entry, changes: Changes): void {
    changes.add(entry.waiting.patch);
    entry.waiting = changes;
    if (!this.#failing) {
      this.#failing = true;
      this.#planned = 0;
      this.#plan(2, RETRY_MS);
    }
    this.#enqueue(entry, false);
  }

  #remove(entry: Entry): void {
    if (this.#entries.get(entry.ref.id) !== entry) return;
    this.#entries.delete(entry.ref.id);
    if (entry.final !== null) this.#leaving -= 1;
  }

  #settled(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onIdle?.();
  }
}
