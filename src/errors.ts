/**
 * Every error that Sluice raises: a class with a stable `code`, whether trying again can help, and what to do about it.
 * docs/ERRORS.md is the same list for readers; a test keeps the two alike.
 */

/** What an error kind always says: its code and the remedy, in one table so that the page can be checked against it. */
export interface ErrorKind {
  readonly code: string;
  readonly remedy: string;
}

export const ERROR_KINDS = {
  usage: { code: 'SLUICE_USAGE', remedy: '`sluice COMMAND --help` lists what it takes.' },
  config: { code: 'SLUICE_CONFIG', remedy: 'Correct the option that is named, in sluice.json or on the command line.' },
  listen: { code: 'SLUICE_LISTEN', remedy: 'Choose another address or port, or stop the process that holds it (`ss -ltnp`).' },
  engine: { code: 'SLUICE_ENGINE', remedy: 'Run `sluice doctor`; build the addon with `npm run build:native` where it is missing.' },
  store: { code: 'SLUICE_STORE', remedy: 'Look at the disk of the data folder. Publish again with the same key.' },
  data: { code: 'SLUICE_DATA_FOLDER', remedy: 'Make the folder writable for this user, or name another one with --data.' },
  notAuthorised: { code: 'SLUICE_NOT_AUTHORISED', remedy: 'Present a valid token whose `read` and `write` patterns cover the channel.' },
  invalid: { code: 'SLUICE_INVALID', remedy: 'Correct the argument that is named.' },
  tooBig: { code: 'SLUICE_TOO_BIG', remedy: 'Send less, or raise limits.messageBytes.' },
  limit: { code: 'SLUICE_LIMIT', remedy: 'Stay below the limit that is named, or raise it in the configuration.' },
  rateLimited: { code: 'SLUICE_RATE_LIMITED', remedy: 'Wait for retryAfterMs, then send again with the same key.' },
  busy: { code: 'SLUICE_BUSY', remedy: 'Wait for retryAfterMs, then send again with the same key.' },
  stopped: { code: 'SLUICE_STOPPED', remedy: 'The object was closed: make a new one.' },
  admin: { code: 'SLUICE_ADMIN', remedy: 'Check that the gateway runs and that --admin names its admin address.' },
  region: { code: 'SLUICE_REGION', remedy: 'Check the name (`/stats` of the admin API has it), the release and the user.' },
  attach: { code: 'SLUICE_ATTACH', remedy: 'Do what the message says; connections stay with their engine meanwhile.' },
  internal: { code: 'SLUICE_INTERNAL', remedy: 'A defect: report it with the message and the log.' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorKindName = keyof typeof ERROR_KINDS;
export type ErrorCode = (typeof ERROR_KINDS)[ErrorKindName]['code'];

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Overrides the kind's remedy where the place of the failure knows better. */
  readonly remedy?: string;
}

export class SluiceError extends Error {
  /** Stable over releases; programs may compare it. */
  readonly code: ErrorCode;
  /** True when the same call can succeed later without anybody mending anything. */
  readonly retryable: boolean;
  /** One sentence: what to do. */
  readonly remedy: string;

  constructor(kind: ErrorKindName, message: string, retryable: boolean, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = ERROR_KINDS[kind].code;
    this.retryable = retryable;
    this.remedy = options.remedy ?? ERROR_KINDS[kind].remedy;
  }
}

/** Bad command line; the process ends with status 2. */
export class UsageError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('usage', message, false, options);
  }
}

/** An option that is unknown or has a value it cannot have. */
export class ConfigError extends SluiceError {
  /** The option's path, "limits.messageBytes". */
  readonly path: string;
  readonly expected: string;

  constructor(path: string, expected: string, options?: ErrorOptions) {
    super('config', `${path}: ${expected}`, false, options);
    this.path = path;
    this.expected = expected;
  }
}

/** The address cannot be listened on. */
export class ListenError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('listen', message, false, options);
  }
}

/** The data plane cannot be loaded or started. */
export class EngineError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('engine', message, false, options);
  }
}

/** The log refused or failed; nothing of what was being written counts as stored. */
export class StoreError extends SluiceError {
  constructor(message: string, retryable: boolean, options?: ErrorOptions) {
    super('store', message, retryable, options);
  }
}

/** The data folder cannot be used. */
export class DataFolderError extends SluiceError {
  /** The folder or file in question. */
  readonly path: string;

  constructor(path: string, message: string, options?: ErrorOptions) {
    super('data', `${path}: ${message}`, false, options);
    this.path = path;
  }
}

/** No valid token, or one without the right to the channel. */
export class NotAuthorisedError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('notAuthorised', message, false, options);
  }
}

/** An argument that cannot be used. */
export class InvalidError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('invalid', message, false, options);
  }
}

export class TooBigError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('tooBig', message, false, options);
  }
}

/** A limit other than size and rate was reached. */
export class LimitError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('limit', message, false, options);
  }
}

export class RateLimitedError extends SluiceError {
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number, options?: ErrorOptions) {
    super('rateLimited', message, true, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Memory or a queue is full for the moment. */
export class BusyError extends SluiceError {
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number, options?: ErrorOptions) {
    super('busy', message, true, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** A handle that was closed is dead. */
export class StoppedError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('stopped', message, false, options);
  }
}

/** The admin API does not answer, or not with success. */
export class AdminError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('admin', message, true, options);
  }
}

/** The shared-memory region cannot be attached to. */
export class RegionError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('region', message, false, options);
  }
}

/** A detached engine cannot be attached to, or is no longer this control plane's. */
export class AttachError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('attach', message, false, options);
  }
}

/** A broken invariant. */
export class InternalError extends SluiceError {
  constructor(message: string, options?: ErrorOptions) {
    super('internal', message, false, options);
  }
}

/** WebSocket close codes that Sluice sends; the numbers are part of the protocol. */
export const CLOSE = {
  done: 1000,
  goingAway: 1001,
  protocolError: 1002,
  badUtf8: 1007,
  policy: 1008,
  tooBig: 1009,
  internal: 1011,
  serviceRestart: 1012,
  tryAgainLater: 1013,
  sessionTakenOver: 4001,
  heartbeatMissed: 4002,
  notAuthorised: 4003,
  sessionExpired: 4004,
  rateLimited: 4008,
  slowConsumer: 4009,
} as const;

export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];

/** `code` and `name` of an `err` reply. The code says what class of trouble it is, the name which one. */
export const REPLY = {
  badRequest: { code: 1002, name: 'bad_request' },
  unknownOp: { code: 1002, name: 'unknown_op' },
  secondHello: { code: 1002, name: 'second_hello' },
  epochChanged: { code: 1002, name: 'epoch_changed' },
  tooManyChannels: { code: 1008, name: 'too_many_channels' },
  tooManySenders: { code: 1008, name: 'too_many_senders' },
  tooManyRequests: { code: 1008, name: 'too_many_requests' },
  tooBig: { code: 1009, name: 'too_big' },
  internal: { code: 1011, name: 'internal' },
  restarting: { code: 1012, name: 'service_restart' },
  tryAgainLater: { code: 1013, name: 'try_again_later' },
  notAuthorised: { code: 4003, name: 'not_authorised' },
  rateLimited: { code: 4008, name: 'rate_limited' },
} as const;

export type ReplyKind = (typeof REPLY)[keyof typeof REPLY];
