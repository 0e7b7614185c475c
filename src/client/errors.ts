/** Stable codes; what each means and what to do about it stands in docs/CLIENT.md. */
export type ClientErrorCode =
  | 'bad_option'
  | 'no_websocket'
  | 'closed'
  | 'not_authorised'
  | 'token_failed'
  | 'taken_over'
  | 'refused'
  | 'protocol'
  | 'timeout'
  | 'outbox_full'
  | 'too_big'
  | 'already_subscribed';

export interface ClientErrorDetails {
  /** The gateway's `err` code or close code. */
  readonly serverCode?: number | undefined;
  readonly serverName?: string | undefined;
  readonly retryable?: boolean;
  readonly retryAfterMs?: number | null;
  readonly cause?: unknown;
}

export class ClientError extends Error {
  readonly code: ClientErrorCode;
  /** Null when the error did not come from the gateway. */
  readonly serverCode: number | null;
  readonly serverName: string | null;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;

  constructor(code: ClientErrorCode, message: string, details: ClientErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ClientError';
    this.code = code;
    this.serverCode = details.serverCode ?? null;
    this.serverName = details.serverName ?? null;
    this.retryable = details.retryable ?? false;
    this.retryAfterMs = details.retryAfterMs ?? null;
  }
}
