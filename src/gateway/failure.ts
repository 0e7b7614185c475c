/** Errors of the gateway's own parts as clients are told them. */

import {
  BusyError, InternalError, LimitError, REPLY, RateLimitedError, SluiceError, StoppedError, StoreError, TooBigError, type ReplyKind,
} from '../errors.js';
import type { DropReason } from './context.js';

export interface FailureReply {
  readonly kind: ReplyKind;
  /** Safe to be told: no path, no stack. */
  readonly message: string;
  readonly retryAfterMs: number | null;
  readonly drop: DropReason;
}

/** Time after which a failed store is worth another try. */
const STORE_RETRY_MS = 1000;

export function failureReply(error: unknown): FailureReply {
  if (error instanceof BusyError || error instanceof RateLimitedError) {
    return { kind: REPLY.tryAgainLater, message: error.message, retryAfterMs: error.retryAfterMs, drop: 'busy' };
  }
  if (error instanceof StoreError) return storeReply(error);
  if (error instanceof StoppedError) {
    return { kind: REPLY.restarting, message: 'the gateway is stopping', retryAfterMs: STORE_RETRY_MS, drop: 'busy' };
  }
  if (error instanceof TooBigError) return { kind: REPLY.tooBig, message: error.message, retryAfterMs: null, drop: 'too_big' };
  if (error instanceof LimitError) return { kind: REPLY.tooManyRequests, message: error.message, retryAfterMs: null, drop: 'busy' };
  return { kind: REPLY.internal, message: 'internal error', retryAfterMs: null, drop: 'internal' };
}

/** A full disk is not mended by repeating at once, but it may be by an operator: the client keeps its message and comes back. */
function storeReply(error: StoreError): FailureReply {
  const kind = error.retryable ? REPLY.tryAgainLater : REPLY.internal;
  return { kind, message: 'the message log cannot be written', retryAfterMs: error.retryable ? STORE_RETRY_MS : null, drop: 'store' };
}

/** The error itself where it is one of ours, for callers in this process. */
export function asSluiceError(error: unknown): SluiceError {
  return error instanceof SluiceError ? error : new InternalError(error instanceof Error ? error.message : String(error), { cause: error });
}
