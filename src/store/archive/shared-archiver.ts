import { ArchiveLoop, type ArchiveLoopOptions } from './archive-loop.js';
import type { Archiving, ArchiverStats } from './archiver.js';
import type { HistorySegment } from '../history-store.js';
import type { MarkedChannel, SharedArchive } from './shared-archive.js';

export interface SharedArchiverOptions extends ArchiveLoopOptions {
  readonly log: SharedArchive;
  /** A channel that was not appended to for so long may be struck off the list: more than MARK_MS, and what an append may take. */
  readonly leftMs?: number;
}

/** Channels that are read and written together. */
const CHANNELS_AT_ONCE = 16;
const MESSAGES_AT_ONCE = 1000;
const IDLE_MS = 250;
const PAUSE_MS = 5;
const LEASE_MS = 10_000;
/** A channel that another node sees to is looked at again after that long. */
const ELSEWHERE_MS = 500;
/** A channel in use is marked anew at this age. */
const MARK_MS = 30_000;
const LEFT_MS = 120_000;
const LOOK_MS = 15_000;
const LOOK_CHANNELS = 64;
/** Channels whose mark is remembered; those that go are marked anew. */
const MARKS_MAX = 100_000;

/**
 * Archives the channels that this node appends to, and those that nobody has appended to for a while, which a node may have left when it
 * died. One node at a time sees to a channel, under a lease that saves work and that nothing depends on: the cold tier ignores what it
 * has already, and the log's own cursor only moves forward (docs/decisions/0111).
 */
export class SharedArchiver implements Archiving {
  readonly #options: SharedArchiverOptions;
  readonly #loop: ArchiveLoop;
  /** Channels that this node appended to, and since when they wait. */
  readonly #waiting = new Map<string, number>();
  /** Of channels of other nodes: when to look again. */
  readonly #elsewhere = new Map<string, number>();
  readonly #marks = new Map<string, number>();
  #toMark: string[] = [];
  #archived = 0;
  #dropped = 0;
  #bytes = 0;
  /** Messages that were seen to wait when their channels were taken last. */
  #backlog = 0;
  #lookedAt = 0;

  constructor(options: SharedArchiverOptions) {
    this.#options = options;
    this.#loop = new ArchiveLoop(options, () => this.#round());
    this.#lookedAt = options.now();
  }

  get stats(): ArchiverStats {
    const since = this.#waiting.size === 0 ? null : [...this.#waiting.values()].reduce((oldest, at) => Math.min(oldest, at));
    const average = this.#archived === 0 ? 0 : this.#bytes / this.#archived;
    const backlog = { bytes: since === null ? 0 : Math.round(this.#backlog * average), since, dropped: this.#dropped };
    return { ...this.#loop.stats, archived: this.#archived, backlog };
  }

  /** This node appended to the channel. */
  appended(channel: string): void {
    if (!this.#waiting.has(channel)) this.#waiting.set(channel, this.#options.now());
  }

  /** This node is about to append to the channel. */
  appending(channel: string): void {
    const now = this.#options.now();
    if (now - (this.#marks.get(channel) ?? -Infinity) < MARK_MS) return;
    if (this.#marks.size >= MARKS_MAX) this.#marks.clear();
    this.#marks.set(channel, now);
    if (this.#toMark.push(channel) === 1) queueMicrotask(() => void this.#mark());
  }

  /** Together with this turn's appends; a mark that comes too late delays its messages and loses none. Never rejects. */
  async #mark(): Promise<void> {
    const channels = this.#toMark;
    this.#toMark = [];
    try {
      await this.#options.log.mark(channels);
    } catch {
      // The next append tries again.
      for (const channel of channels) this.#marks.delete(channel);
    }
  }

  start(): void {
    this.#loop.start();
  }

  /** Milliseconds until the next one. */
  async #round(): Promise<number> {
    const more = await this.#archive(this.#next());
    await this.#look();
    return more ? PAUSE_MS : IDLE_MS;
  }

  /** Those that wait longest and are not another node's at the moment. */
  #next(): string[] {
    const now = this.#options.now();
    const next: string[] = [];
    for (const channel of this.#waiting.keys()) {
      const free = this.#elsewhere.get(channel) ?? 0;
      if (free > now) continue;
      this.#elsewhere.delete(channel);
      next.push(channel);
      if (next.length === CHANNELS_AT_ONCE) break;
    }
    return next;
  }

  /** Whether something of these channels may wait still. */
  async #archive(channels: readonly string[]): Promise<boolean> {
    if (channels.length === 0) return false;
    const { log, store, now } = this.#options;
    const since = new Map(channels.map((channel) => [channel, this.#waiting.get(channel)]));
    // What is appended from here on makes its channel wait anew.
    for (const channel of channels) this.#waiting.delete(channel);
    try {
      const read = (await Promise.all(channels.map((channel) => this.#read(channel)))).filter((part) => part !== null);
      const segments = read.map(({ segment }) => segment);
      if (segments.length > 0) await store.write(segments);
      await Promise.all(segments.map(({ channel, epoch, firstSeq, ends }) => log.archived(channel, epoch, firstSeq + ends.length - 1)));
      this.#backlog = 0;
      for (const { segment, left } of read) {
        this.#archived += segment.ends.length;
        this.#bytes += segment.frames.length;
        this.#backlog += left;
        if (left > 0) this.#waiting.set(segment.channel, since.get(segment.channel) ?? now());
      }
      return this.#waiting.size > this.#elsewhere.size;
    } catch (error) {
      for (const [channel, at] of since) this.#waiting.set(channel, at ?? now());
      throw error;
    }
  }

  /** The next messages of a channel, and how many wait behind them; null where there are none, or another node sees to it. */
  async #read(channel: string): Promise<{ readonly segment: HistorySegment; readonly left: number } | null> {
    const { log, now } = this.#options;
    const share = await log.take(channel, LEASE_MS);
    if (share === null) {
      this.#waiting.set(channel, this.#waiting.get(channel) ?? now());
      this.#elsewhere.set(channel, now() + ELSEWHERE_MS);
      return null;
    }
    this.#dropped += share.dropped;
    if (share.headSeq <= share.archivedSeq) return null;
    const segment = await log.read(channel, share.epoch, share.archivedSeq + 1, MESSAGES_AT_ONCE);
    return segment === null ? null : { segment, left: Math.max(0, share.headSeq - (segment.firstSeq + segment.ends.length - 1)) };
  }

  /** Channels that nobody has marked for a while: what is left of them is archived, then they are struck off the list. */
  async #look(): Promise<void> {
    const { log, now, leftMs = LEFT_MS } = this.#options;
    if (now() - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now();
    for (const marked of await log.marked(leftMs, LOOK_CHANNELS)) {
      if (this.#loop.closed) return;
      if (!this.#waiting.has(marked.channel)) await this.#finish(marked);
    }
  }

  async #finish(marked: MarkedChannel): Promise<void> {
    const { log } = this.#options;
    const share = await log.take(marked.channel, LEASE_MS);
    if (share === null) return;
    this.#dropped += share.dropped;
    if (share.headSeq <= share.archivedSeq) await log.settle(marked);
    else this.appended(marked.channel);
  }

  /** Resolves when the batch under way is written, or has failed. What is left, any node goes on with. */
  close(): Promise<void> {
    return this.#loop.close();
  }
}
