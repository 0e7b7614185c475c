import type { Address } from '../engine/port.js';
import type { FirstResult, LogEntry } from '../store/types.js';
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
  readonly #memory: Buffer;
  readonly address: Address;
  readonly length: number;
  readonly request: PublishRequest;
  readonly channel: OpenChannel;
  /** Duplicates that came while it was under way. */
  waiting: PublishRequest[] | null = null;
  /** Another one under way with the same channel and key, from another sender. */
  sameKey: Publication | null = null;

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
    this.#memory = memory;
    this.address = address;
    this.length = length;
    this.request = request;
    this.channel = channel;
  }

  /** Made when the log asks for it: a view that lived as long as its commit would cost the garbage collector more. */
  get frame(): Uint8Array {
    return this.#memory.subarray(this.address, this.address + this.length);
  }
}

/** What is committed together, and the events that are done with when it is. */
export class Batch {
  readonly publications: Publication[] = [];
  bytes = 0;
  /** By core: the position to confirm, or -1. Positions only grow, so the last one stands for all. */
  readonly positions: Float64Array;
  /** When the first publication joined, in milliseconds of the monotonic clock. */
  since = 0;

  constructor(cores: number) {
    this.positions = new Float64Array(cores).fill(-1);
  }

  add(publication: Publication): void {
    this.publications.push(publication);
    this.bytes += publication.length;
  }

  clear(): void {
    this.publications.length = 0;
    this.bytes = 0;
    this.positions.fill(-1);
  }
}
