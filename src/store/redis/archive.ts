import { idsOfFrames } from '../delivery-frame.js';
import type { HistorySegment } from '../history-store.js';
import type { ArchiveShare, MarkedChannel, SharedArchive } from '../archive/shared-archive.js';
import type { RedisClient } from './client.js';
import { ChannelKeys } from './keys.js';
import { StreamReader } from './stream-reader.js';

export interface RedisArchiveOptions {
  readonly redis: RedisClient;
  /** Unlike any other process's. */
  readonly owner: string;
  /** Messages of a channel that are kept, about. */
  readonly messagesMax: number;
  /** Messages above that which are kept while they wait. */
  readonly backlogMax: number;
  /** Age above which messages may go, ms; 0 keeps them all. */
  readonly retentionMs: number;
}

const KEYS_MAX = 10_000;

/** The streams of `shared-log.ts` as nodes archive them (archive-scripts.ts). */
export class RedisArchive implements SharedArchive {
  readonly #options: RedisArchiveOptions;
  readonly #marks: string;
  readonly #reader: StreamReader;
  /** With how large their entries are. */
  readonly #keys = new Map<string, ChannelKeys>();

  constructor(options: RedisArchiveOptions) {
    this.#options = options;
    this.#marks = `${options.redis.prefix}archive`;
    this.#reader = new StreamReader(options.redis, (channel) => this.#keysOf(channel));
  }

  async mark(channels: readonly string[]): Promise<void> {
    await this.#options.redis.script('sluiceArchiveMark', [this.#marks], channels);
  }

  async marked(ageMs: number, count: number): Promise<readonly MarkedChannel[]> {
    const answer = (await this.#options.redis.script('sluiceArchiveMarked', [this.#marks], [ageMs, count])) as Buffer[];
    return Array.from({ length: answer.length / 2 }, (_, i) => ({ channel: String(answer[2 * i]), mark: String(answer[2 * i + 1]) }));
  }

  async settle({ channel, mark }: MarkedChannel): Promise<void> {
    await this.#options.redis.script('sluiceArchiveSettle', [this.#marks], [channel, mark]);
  }

  async take(channel: string, leaseMs: number): Promise<ArchiveShare | null> {
    const { redis, owner, backlogMax } = this.#options;
    const { head, stream } = this.#keysOf(channel);
    const answer = (await redis.script('sluiceArchiveTake', [head, stream], [owner, leaseMs, backlogMax])) as Buffer[] | null;
    if (answer === null) return null;
    const [epoch, archived, seq, dropped] = answer.map(String);
    return { epoch: epoch ?? '', archivedSeq: Number(archived), headSeq: Number(seq), dropped: Number(dropped) };
  }

  async read(channel: string, epoch: string, fromSeq: number, count: number): Promise<HistorySegment | null> {
    const run = await this.#reader.read(channel, fromSeq, count);
    if (run === null) return null;
    const { firstSeq, ends, frames, serverTs } = run;
    return { channel, epoch, firstSeq, ends, frames, serverTs, ids: idsOfFrames(run) };
  }

  async archived(channel: string, epoch: string, seq: number): Promise<void> {
    const { redis, messagesMax, retentionMs } = this.#options;
    const { head, stream } = this.#keysOf(channel);
    await redis.script('sluiceArchiveMove', [head, stream], [epoch, seq, messagesMax, retentionMs]);
  }

  #keysOf(channel: string): ChannelKeys {
    let keys = this.#keys.get(channel);
    if (keys !== undefined) return keys;
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
    keys = new ChannelKeys(this.#options.redis.prefix, channel);
    this.#keys.set(channel, keys);
    return keys;
  }
}
