import { ClientError } from './errors.js';
import type { Fields } from './codec.js';
import type { Link, Reply } from './replies.js';
import type { Limits, Message } from './types.js';

export interface ReadResult {
  readonly ok: Fields;
  readonly messages: Message[];
}

interface Read {
  readonly header: Fields;
  id: number;
  messages: Message[];
  timer: unknown;
  readonly resolve: (result: ReadResult) => void;
  readonly reject: (error: ClientError) => void;
}

/** history, presence and sync: harmless to repeat, so they are asked again after a reconnect until their time is over. */
export class Reads {
  readonly #link: Link;
  readonly #limits: Limits;
  readonly #reads = new Set<Read>();

  constructor(link: Link, limits: Limits) {
    this.#link = link;
    this.#limits = limits;
  }

  /** Rejects with `timeout`, or what the gateway refused it for. */
  read(header: Fields): Promise<ReadResult> {
    return new Promise((resolve, reject) => {
      const read: Read = { header, id: -1, messages: [], timer: null, resolve, reject };
      this.#reads.add(read);
      const { requestTimeoutMs } = this.#limits;
      read.timer = this.#link.clock.setTimeout(() => {
        const message = `no answer to ${String(header['op'])} within ${requestTimeoutMs} ms`;
        this.#fail(read, new ClientError('timeout', message, { retryable: true }));
      }, requestTimeoutMs);
      if (this.#link.isUp) this.#send(read);
    });
  }

  up(): void {
    for (const read of this.#reads) this.#send(read);
  }

  /** A `msg` that carries the id of a history request. */
  collect(id: number, message: Message): void {
    for (const read of this.#reads) if (read.id === id) read.messages.push(message);
  }

  /** A `msg` of a channel without a subscription: part of a sync, or on its way when the subscription ended. */
  collectSynced(message: Message): void {
    for (const read of this.#reads) if (read.header['op'] === 'sync') read.messages.push(message);
  }

  end(error: ClientError): void {
    for (const read of this.#reads) this.#fail(read, error);
  }

  #send(read: Read): void {
    // Half an answer from the last connection is worth nothing.
    read.messages = [];
    read.id = this.#link.request(read.header, null, (reply) => this.#answered(read, reply));
  }

  #answered(read: Read, reply: Reply): void {
    if (!this.#reads.has(read)) return;
    if (reply.error !== null) {
      this.#fail(read, reply.error);
      return;
    }
    this.#forget(read);
    read.resolve({ ok: reply.ok, messages: read.messages });
  }

  #fail(read: Read, error: ClientError): void {
    this.#forget(read);
    read.reject(error);
  }

  #forget(read: Read): void {
    this.#reads.delete(read);
    this.#link.clock.clearTimeout(read.timer);
  }
}
