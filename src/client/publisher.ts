import { Backoff } from './backoff.js';
import { bodyBytes, bodyOf, numberOr, stringOr } from './codec.js';
import { ClientError } from './errors.js';
import { KeyGenerator } from './keys.js';
import { Outbox } from './outbox.js';
import { Pacer } from './pacer.js';
import { clockFields } from './vector-clock.js';
import type { Fields } from './codec.js';
import type { LamportClock } from './order.js';
import type { OutboxEntry } from './outbox.js';
import type { Link, Reply } from './replies.js';
import type { Body, Limits, PublishOptions, PublishResult } from './types.js';

/** Sends the outbox: again with the same key after a reconnect, later when the gateway says so, until each publish is answered. */
export class Publisher {
  readonly #link: Link;
  readonly #lamport: LamportClock;
  readonly #limits: Limits;
  readonly #outbox: Outbox;
  readonly #keys: KeyGenerator;
  readonly #backoff: Backoff;
  #pacer: Pacer | null = null;
  /** While set nothing is sent: the gateway, or the pace, asks to wait. */
  #hold: unknown = null;
  #heldUntil = 0;

  constructor(link: Link, lamport: LamportClock, limits: Limits) {
    this.#link = link;
    this.#lamport = lamport;
    this.#limits = limits;
    this.#outbox = new Outbox(limits.outboxMessages, limits.outboxBytes, limits.publishWindow);
    this.#keys = new KeyGenerator(() => link.clock.now(), link.random);
    this.#backoff = new Backoff(limits.backoffBaseMs, limits.backoffCapMs, link.random);
  }

  get pending(): number {
    return this.#outbox.messages;
  }

  /** Resolves once durable. Rejects with `outbox_full`, `too_big`, or what the gateway refused it for. */
  publish(channel: string, body: Body, options: PublishOptions): Promise<PublishResult> {
    const kept = bodyOf(body);
    if (kept === null) return Promise.reject(misused('body', 'a text or bytes', body));
    if (typeof channel !== 'string') return Promise.reject(misused('channel', 'a text', channel));
    if (options.key !== undefined && typeof options.key !== 'string') return Promise.reject(misused('key', 'a text', options.key));
    const bytes = bodyBytes(kept);
    if (bytes > this.#limits.maxBodyBytes) {
      return Promise.reject(new ClientError('too_big', `a body of ${bytes} bytes exceeds maxBodyBytes (${this.#limits.maxBodyBytes})`));
    }
    if (!this.#outbox.hasRoomFor(bytes)) {
      const message = `${this.#outbox.messages} publishes (${this.#outbox.bytes} bytes) wait for an answer`;
      return Promise.reject(new ClientError('outbox_full', message, { retryable: true }));
    }
    const header = {
      op: 'pub',
      channel,
      key: options.key ?? this.#keys.next(),
      client_ts: this.#link.clock.now(),
      lamport: this.#lamport.tick(),
      ...clockFields(options.clock ?? null),
    };
    return new Promise((resolve, reject) => {
      this.#outbox.add({ channel, header, body: kept, bytes, isSent: false, resolve, reject });
      this.#pump(channel);
    });
  }

  /** The connection is up. `perSecond` and `burst`: what the gateway allows, or null. */
  up(rate: { readonly perSecond: number; readonly burst: number } | null): void {
    this.#pacer = rate === null ? null : new Pacer(rate.perSecond, rate.burst, this.#link.clock.now());
    this.#pump();
  }

  down(): void {
    this.#outbox.putAllBack();
    this.#cancelHold();
  }

  /** Rejects everything that is unanswered. */
  end(error: ClientError): void {
    this.#cancelHold();
    for (const entry of this.#outbox.clear()) entry.reject(error);
  }

  #pump(channel?: string): void {
    if (!this.#link.isUp || this.#hold !== null) return;
    for (const entry of this.#outbox.sendable(channel)) {
      const waitMs = this.#pacer?.take(this.#link.clock.now()) ?? 0;
      if (waitMs > 0) {
        this.#holdFor(waitMs);
        return;
      }
      this.#outbox.markSent(entry);
      this.#link.request(entry.header, entry.body, (reply) => this.#answered(entry, reply));
      // Sending may have found the connection dead.
      if (!this.#link.isUp) return;
    }
  }

  #answered(entry: OutboxEntry, reply: Reply): void {
    if (reply.error === null) {
      this.#backoff.reset();
      this.#outbox.remove(entry);
      const result = resultOf(reply.ok);
      this.#lamport.receive(result.lamport);
      entry.resolve(result);
    } else if (reply.error.retryable) {
      this.#outbox.putBack(entry);
      this.#holdFor(reply.error.retryAfterMs ?? this.#backoff.next());
    } else {
      this.#outbox.remove(entry);
      entry.reject(reply.error);
    }
    this.#pump(entry.channel);
  }

  /** Everything waits, not only what was refused, which keeps the order and spares a gateway that is in trouble. */
  #holdFor(ms: number): void {
    const until = this.#link.clock.now() + ms;
    if (this.#hold !== null && until <= this.#heldUntil) return;
    this.#cancelHold();
    this.#heldUntil = until;
    this.#hold = this.#link.clock.setTimeout(() => {
      this.#hold = null;
      this.#pump();
    }, ms);
  }

  #cancelHold(): void {
    if (this.#hold !== null) this.#link.clock.clearTimeout(this.#hold);
    this.#hold = null;
  }
}

function resultOf(ok: Fields): PublishResult {
  return {
    msgId: stringOr(ok['msg_id'], ''),
    serverSeq: numberOr(ok['server_seq'], 0),
    serverTs: numberOr(ok['server_ts'], 0),
    lamport: numberOr(ok['lamport'], 0),
    duplicate: ok['duplicate'] === true,
  };
}

/** What JavaScript lets through and the wire does not carry would stand in the way of all that comes behind it. */
function misused(name: string, expected: string, value: unknown): ClientError {
  return new ClientError('bad_option', `${name}: expected ${expected}, got ${value === null ? 'null' : typeof value}`);
}
