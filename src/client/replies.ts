import { numberOr, stringOr } from './codec.js';
import { ClientError } from './errors.js';
import type { Fields } from './codec.js';
import type { Body, Clock } from './types.js';

export type Reply = { readonly ok: Fields; readonly error: null } | { readonly ok: null; readonly error: ClientError };

/** What a subscription, the publisher and the readers need of the connection. */
export interface Link {
  readonly clock: Clock;
  readonly random: () => number;
  /** Whether operations can be sent now. */
  readonly isUp: boolean;
  /** Sends an operation with a fresh `id`, which it returns. `answer` is never called when the connection breaks first. */
  request(header: Fields, body: Body | null, answer: (reply: Reply) => void): number;
}

/** Operations on the present connection that wait for their `ok` or `err`. */
export class Replies {
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #lastId = 0;

  add(answer: (reply: Reply) => void): number {
    this.#lastId += 1;
    this.#waiting.set(this.#lastId, answer);
    return this.#lastId;
  }

  /** False when nobody waits for it. */
  settle(op: string, header: Fields): boolean {
    const id = numberOr(header['id'], -1);
    const answer = this.#waiting.get(id);
    if (answer === undefined) return false;
    this.#waiting.delete(id);
    answer(op === 'ok' ? { ok: header, error: null } : { ok: null, error: errorOf(header) });
    return true;
  }

  /** The connection is gone, and with it the answers. */
  clear(): void {
    this.#waiting.clear();
  }
}

// Internal error, restart, try again later, rate limited: PROTOCOL.md's codes for what passes.
const PASSING = new Set([1011, 1012, 1013, 4008]);

/** The ClientError of an `err`. */
export function errorOf(header: Fields): ClientError {
  const serverCode = numberOr(header['code'], 0);
  const retryAfterMs = numberOr(header['retry_after_ms'], null);
  return new ClientError(serverCode === 4003 ? 'not_authorised' : 'refused', stringOr(header['message'], 'refused by the gateway'), {
    serverCode,
    serverName: stringOr(header['name'], undefined),
    retryable: retryAfterMs !== null || PASSING.has(serverCode),
    retryAfterMs,
  });
}
