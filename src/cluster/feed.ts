/**
 * What a node has of one life of a channel of a shared log: a pure state machine. News come as they are published, perhaps late, twice or
 * never; what is delivered is dense. A gap is filled from the log, so a lost message of pub/sub costs one read and nothing else.
 */

import type { SharedHead, SharedNews } from '../store/shared-log.js';
import type { FrameRun } from '../store/types.js';

export type FeedEffect =
  /** Hand these whole frames to fan-out; they are the next ones. */
  | {
      readonly kind: 'deliver';
      readonly firstSeq: number;
      readonly lastSeq: number;
      readonly frames: Uint8Array;
      readonly ends: Uint32Array | null;
    }
  /** Read from the log, at most up to `toSeq`, and give the answer to `onFetched`. One is under way at a time. */
  | { readonly kind: 'fetch'; readonly fromSeq: number; readonly toSeq: number }
  /** Messages `fromSeq` to `toSeq` cannot be had any more. */
  | { readonly kind: 'lost'; readonly fromSeq: number; readonly toSeq: number }
  /** Ask the log for the head: only that says which life of the sequence is the present one. */
  | { readonly kind: 'check' };

/** News that came before their time are kept up to here; beyond it they are read from the log when their turn comes. */
const AHEAD_BYTES_MAX = 1 << 20;

export class ChannelFeed {
  readonly epoch: string;
  #delivered: number;
  /** Highest seq that is known to exist. */
  #known: number;
  #ahead: SharedNews[] = [];
  #aheadBytes = 0;
  #fetching = false;

  /** Follows the channel from its head on. */
  constructor(head: SharedHead) {
    this.epoch = head.epoch;
    this.#delivered = head.headSeq;
    this.#known = head.headSeq;
  }

  /** Highest seq that is known to exist. */
  get knownSeq(): number {
    return this.#known;
  }

  get deliveredSeq(): number {
    return this.#delivered;
  }

  /** Messages are known of that were not delivered yet. */
  get behind(): boolean {
    return this.#known > this.#delivered;
  }

  onNews(news: SharedNews): FeedEffect[] {
    // Of a former life and late, or of the next one: news alone cannot tell.
    if (news.epoch !== this.epoch) return [{ kind: 'check' }];
    if (news.lastSeq <= this.#delivered) return [];
    this.#known = Math.max(this.#known, news.lastSeq);
    this.#keep(news);
    return this.#advance();
  }

  /** A publish of this node's own got this number: its news are on their way. `overdue` asks for them if they do not come. */
  onPublished(epoch: string, seq: number): FeedEffect[] {
    if (epoch !== this.epoch) return [{ kind: 'check' }];
    this.#known = Math.max(this.#known, seq);
    return [];
  }

  /** News that should have come meanwhile are read. */
  overdue(): FeedEffect[] {
    return this.#advance();
  }

  /** Messages up to `headSeq` are there, as the log says. */
  onHead(headSeq: number): FeedEffect[] {
    this.#known = Math.max(this.#known, headSeq);
    return this.#advance();
  }

  /** News that cannot be taken at the moment: `overdue` reads them. */
  onSkipped({ epoch, lastSeq }: Pick<SharedNews, 'epoch' | 'lastSeq'>): FeedEffect[] {
    return this.onPublished(epoch, lastSeq);
  }

  /** The answer to a fetch: what is there from its `fromSeq` on, or null where nothing is. */
  onFetched(fromSeq: number, toSeq: number, run: FrameRun | null): FeedEffect[] {
    this.#fetching = false;
    const effects: FeedEffect[] = [];
    const firstSeq = run === null ? toSeq + 1 : run.firstSeq;
    if (fromSeq === this.#delivered + 1 && firstSeq > fromSeq) {
      effects.push({ kind: 'lost', fromSeq, toSeq: firstSeq - 1 });
      this.#delivered = firstSeq - 1;
    }
    // What news brought meanwhile is not delivered again.
    if (run !== null && run.firstSeq <= this.#delivered + 1 && run.lastSeq > this.#delivered) {
      effects.push({ kind: 'deliver', ...behind(run, this.#delivered) });
      this.#delivered = run.lastSeq;
      // It may reach further than was asked.
      this.#known = Math.max(this.#known, run.lastSeq);
    }
    return [...effects, ...this.#advance()];
  }

  /** The fetch failed: the next news, head or `overdue` tries again. */
  onFetchFailed(): void {
    this.#fetching = false;
  }

  #keep(news: SharedNews): void {
    const next = news.firstSeq === this.#delivered + 1;
    if (!next && this.#aheadBytes + news.frames.length > AHEAD_BYTES_MAX) return;
    this.#aheadBytes += news.frames.length;
    this.#ahead.push(news);
    this.#ahead.sort((a, b) => a.firstSeq - b.firstSeq);
  }

  /** Delivers what was kept and is next; asks for what is missing. */
  #advance(): FeedEffect[] {
    const effects: FeedEffect[] = [];
    while (this.#ahead[0] !== undefined && this.#ahead[0].firstSeq <= this.#delivered + 1) {
      const news = this.#ahead.shift() as SharedNews;
      this.#aheadBytes -= news.frames.length;
      // Half of it came another way: what is left of it is read.
      if (news.firstSeq !== this.#delivered + 1) continue;
      effects.push({ kind: 'deliver', firstSeq: news.firstSeq, lastSeq: news.lastSeq, frames: news.frames, ends: null });
      this.#delivered = news.lastSeq;
    }
    if (this.#fetching || !this.behind) return effects;
    this.#fetching = true;
    const next = this.#ahead[0]?.firstSeq ?? this.#known + 1;
    effects.push({ kind: 'fetch', fromSeq: this.#delivered + 1, toSeq: next - 1 });
    return effects;
  }
}

/** The part of a run above `seq`. */
function behind(run: FrameRun, seq: number): { firstSeq: number; lastSeq: number; frames: Uint8Array; ends: Uint32Array } {
  const skip = Math.max(0, seq + 1 - run.firstSeq);
  const start = skip === 0 ? 0 : run.ends[skip - 1]!;
  const ends = run.ends.subarray(skip).map((end) => end - start);
  return { firstSeq: run.firstSeq + skip, lastSeq: run.lastSeq, frames: run.frames.subarray(start), ends };
}
