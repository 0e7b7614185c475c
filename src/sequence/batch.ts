import type { Address } from '../engine/port.js';
import type { FirstResult, LogEntry } from '../store/types.js';
import type { OpenChannel } from './channels.js';
import type { PublishRequest } from './types.js';

const NO_BYTES = new Uint8Array(0);

/**
 * A publish from its acceptance on: the log's entry, the duplicates' first result and the fan-out's command in one object, because
 * one object a message is all that the budget allows.
 */
export class Publication implements LogEntry, FirstResult {
  readonly channelId: number;
  readonly seq: number;
  readonly id: string;
  readonly serverTs: number;
  readonly lamport: number;
  readonly sender: string;
  readonly key: string;
  /** In the arena; empty once the publish is done. */
  frame: Uint8Array;
  readonly address: Address;
  readonly length: number;
  /** Null once the publish is done. */
  request: PublishRequest | null;
  channel: OpenChannel | null;
  /** Duplicates that came while it was under way. */
  waiting: PublishRequest[] | null = null;

  constructor(
    request: PublishRequest, channel: OpenChannel, id: string, serverTs: number, lamport: number, frame: Uint8Array, address: Address,
  ) {
    this.channelId = channel.id;
    this.seq = channel.sequencedSeq;
    this.id = id;
    this.serverTs = serverTs;
    this.lamport = lamport;
    this.sender = request.sender;
    this.key = request.key;
    this.frame = frame;
    this.address = address;
    this.length = frame.length;
    this.request = request;
    this.channel = channel;
  }

  get done(): boolean {
    return this.request === null;
  }

  /** Kept for duplicates from here on: lets go of everything that is large. */
  finish(): void {
    this.frame = NO_BYTES;
    this.request = null;
    this.channel = null;
    this.waiting = null;
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

  add(publication: Publication, now: number): void {
    if (this.publications.length === 0) this.since = now;
    this.publications.push(publication);
    this.bytes += publication.length;
  }

  clear(): void {
    this.publications.length = 0;
    this.bytes = 0;
    this.positions.fill(-1);
  }
}
