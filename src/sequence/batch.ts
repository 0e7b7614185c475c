import type { Address } from '../engine/port.js';
import type { FirstResult, LogEntry } from '../store/types.js';
import type { KeyHash } from '../store/key-hash.js';
import { TailKeys } from '../store/log/tail-keys.js';
import type { OpenChannel } from './channels.js';
import type { PublishRequest } from './types.js';

/**
 * A publish from its acceptance to its result: the log's entry, the duplicates' first result and the fan-out's command in one
 * object, because one object a message is all that the budget allows.
 */
export class Publication implements LogEntry, FirstResult {
  readonly channelId: number;
  readonly seq: number;
  readonly id: string;
  readonly serverTs: number;
  readonly lamport: number;
  readonly sender: string;
  readonly key: string;
  readonly memory: Buffer;
  readonly address: Address;
  readonly length: number;
  readonly request: PublishRequest;
  readonly channel: OpenChannel;
  /** Duplicates that came while it was under way. */
  waiting: PublishRequest[] | null = null;

  constructor(
    request: PublishRequest,
    channel: OpenChannel,
    id: string,
    serverTs: number,
    lamport: number,
    memory: Buffer,
    address: Address,
    length: number,
  ) {
    this.channelId = channel.id;
    this.seq = channel.sequencedSeq;
    this.id = id;
    this.serverTs = serverTs;
    this.lamport = lamport;
    this.sender = request.sender;
    this.key = request.key;
    this.memory = memory;
    this.address = address;
    this.length = length;
    this.request = request;
    this.channel = channel;
  }

}

/** What is committed together, and the events that are done with when it is. */
export class Batch {
  readonly publications: Publication[] = [];
  bytes = 0;
  /** By core: the position to confirm, or -1. Positions only grow, so the last one stands for all. */
  readonly positions: Float64Array;
  /** Hashes of the publications' keys, by their place in the batch. */
  readonly #keys = new TailKeys();
  /** When the first publication joined, in milliseconds of the monotonic clock. */
  since = 0;

  constructor(cores: number) {
    this.positions = new Float64Array(cores).fill(-1);
  }

  /** `hash`: of channel, sender and key. */
  add(publication: Publication, hash: KeyHash): void {
    this.publications.push(publication);
    this.#keys.add(hash);
    this.bytes += publication.length;
  }

  /** The publication with this channel, sender and key, or null. */
  find(hash: KeyHash, channelId: number, sender: string, key: string): Publication | null {
    for (let at = this.#keys.find(hash); at >= 0; at = this.#keys.findBefore(at, hash)) {
      const publication = this.publications[at]!;
      if (publication.channelId === channelId && publication.sender === sender && publication.key === key) return publication;
    }
    return null;
  }

  clear(): void {
    this.#keys.clear();
    this.publications.length = 0;
    this.bytes = 0;
    this.positions.fill(-1);
  }
}
