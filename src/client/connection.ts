import { Backoff } from './backoff.js';
import { closeAction } from './close-policy.js';
import { HEARTBEAT, decode, encode, numberOr, stringOr } from './codec.js';
import { ClientError } from './errors.js';
import { gatewayUrl } from './options.js';
import type { Fields, Frame } from './codec.js';
import type { ResolvedOptions } from './options.js';
import type { Body, ClientState, CloseInfo, DrainNotice, ReconnectInfo, WebSocketLike } from './types.js';

export interface ConnectionHandlers {
  /** Fields of `hello` that say how far the device is. */
  cursors(): Fields;
  state(state: ClientState): void;
  /** `welcome` came: operations may be sent. */
  up(welcome: Fields): void;
  frame(frame: Frame): void;
  /** Whatever was unanswered on this connection stays unanswered. */
  down(info: CloseInfo): void;
  reconnecting(info: ReconnectInfo): void;
  drain(notice: DrainNotice): void;
  error(error: ClientError): void;
  /** Stopped for good, and not by stop(). */
  stopped(error: ClientError): void;
}

const SUBPROTOCOL = 'sluice.v1';
// Two missed heartbeats, and half an interval for the network.
const SILENT_INTERVALS = 2.5;
const CODE_ABNORMAL = 1006;
const CODE_HEARTBEAT_MISSED = 4002;

/** One socket after another: dials, says hello, answers heartbeats, notices death, and dials again as the close code allows. */
export class Connection {
  readonly #options: ResolvedOptions;
  readonly #handlers: ConnectionHandlers;
  readonly #backoff: Backoff;
  #state: ClientState = 'idle';
  #socket: WebSocketLike | null = null;
  /** Changes with every dial, so that a token that arrives late is not used. */
  #dials = 0;
  #url: string;
  #resume: string | null = null;
  #openedAt = 0;
  #heardAt = 0;
  #protocolFailures = 0;
  /** Time before which a drained gateway does not want to see this client again. */
  #notBefore = 0;
  /** Deadline for `welcome` while connecting, for silence while open, for the next dial while waiting. */
  #timer: unknown = null;
  #drainTimer: unknown = null;

  constructor(options: ResolvedOptions, handlers: ConnectionHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#url = options.url;
    this.#backoff = new Backoff(options.limits.backoffBaseMs, options.limits.backoffCapMs, options.random);
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Dials now, also where a later try was planned. */
  start(): void {
    if (this.#state !== 'idle' && this.#state !== 'waiting') return;
    const { token } = this.#options;
    const dial = (this.#dials += 1);
    this.#setState('connecting');
    this.#arm(this.#options.limits.connectTimeoutMs, () => this.#abandon(CODE_ABNORMAL, 'no welcome in time'));
    if (typeof token !== 'function') {
      this.#dial(token);
      return;
    }
    const isCurrent = () => dial === this.#dials && this.#state === 'connecting';
    Promise.resolve()
      .then(token)
      .then(
        (value) => {
          if (isCurrent()) this.#dial(value);
        },
        (cause: unknown) => {
          if (!isCurrent()) return;
          this.#handlers.error(new ClientError('token_failed', 'the token function failed', { cause, retryable: true }));
          this.#abandon(CODE_ABNORMAL, 'the token function failed');
        },
      );
  }

  /** Ends the session and the connection; nothing is reported any more. */
  stop(): void {
    if (this.#state === 'open') this.#socket?.send(encode({ op: 'bye' }));
    this.#release(1000);
    this.#setState('closed');
  }

  /** Sends when open. */
  send(header: Fields, body: Body | null): void {
    if (this.#state === 'open') this.#socket?.send(encode(header, body));
  }

  #dial(token: string | null): void {
    let socket: WebSocketLike;
    try {
      socket = new this.#options.WebSocket(this.#url, SUBPROTOCOL);
    } catch (cause) {
      this.#stopFor(new ClientError('bad_option', `the WebSocket constructor refused ${this.#url}`, { cause }));
      return;
    }
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => socket.send(encode(this.#hello(token)));
    socket.onmessage = (event: { data: unknown }) => this.#receive(event.data);
    // The close event that follows says more.
    socket.onerror = () => undefined;
    socket.onclose = (event: { code?: number; reason?: string }) => this.#lost(event.code ?? CODE_ABNORMAL, event.reason ?? '');
  }

  #hello(token: string | null): Fields {
    const { device } = this.#options;
    return {
      op: 'hello',
      ...(token === null ? {} : { token }),
      ...(device === null ? {} : { device }),
      ...(this.#resume === null ? {} : { resume: this.#resume }),
      ...this.#handlers.cursors(),
    };
  }

  #receive(data: unknown): void {
    this.#heardAt = this.#options.clock.now();
    if (data === HEARTBEAT) {
      this.#socket?.send(HEARTBEAT);
      return;
    }
    const frame = decode(data);
    if (frame === null) {
      this.#handlers.error(new ClientError('protocol', 'the gateway sent a message that cannot be understood'));
      this.#abandon(1002, 'message not understood');
    } else if (frame.op === 'hb') this.#socket?.send(HEARTBEAT);
    else if (frame.op === 'welcome') this.#welcome(frame.header);
    else if (frame.op === 'drain') this.#drain(frame.header);
    else if (this.#state === 'open') this.#handlers.frame(frame);
  }

  #welcome(header: Fields): void {
    if (this.#state !== 'connecting') return;
    this.#resume = stringOr(header['resume'], null);
    this.#openedAt = this.#heardAt;
    const heartbeatMs = numberOr(header['heartbeat_ms'], 0);
    this.#disarm();
    if (heartbeatMs > 0) this.#watch(heartbeatMs * SILENT_INTERVALS);
    this.#setState('open');
    this.#handlers.up(header);
  }

  /** One timer that is set anew when it fires, not with every message. */
  #watch(silenceMs: number): void {
    const left = this.#heardAt + silenceMs - this.#options.clock.now();
    if (left <= 0) this.#abandon(CODE_HEARTBEAT_MISSED, 'heartbeat missed');
    else this.#arm(left, () => this.#watch(silenceMs));
  }

  #drain(header: Fields): void {
    const notice: DrainNotice = {
      reason: stringOr(header['reason'], ''),
      deadlineMs: numberOr(header['deadline_ms'], 0),
      reconnectInMs: Math.max(0, numberOr(header['reconnect_in_ms'], 0)),
      target: stringOr(header['target'], null),
    };
    if (notice.target !== null) this.#retarget(notice.target);
    this.#notBefore = this.#options.clock.now() + notice.reconnectInMs;
    this.#options.clock.clearTimeout(this.#drainTimer);
    this.#drainTimer = this.#options.clock.setTimeout(() => this.#abandon(1012, 'moving as the gateway asked'), notice.reconnectInMs);
    this.#handlers.drain(notice);
  }

  /** The token goes to the target, so a secure connection is never exchanged for an open one. */
  #retarget(target: string): void {
    try {
      const url = gatewayUrl(target);
      if (this.#options.url.startsWith('wss:') && !url.startsWith('wss:')) throw new ClientError('protocol', 'the target is not wss:');
      this.#url = url;
    } catch (cause) {
      this.#handlers.error(new ClientError('protocol', `the drain target ${JSON.stringify(target)} is not used`, { cause }));
    }
  }

  /** Gives the socket up without waiting for its close event, which a dead network delays for minutes. */
  #abandon(code: number, reason: string): void {
    if (this.#state !== 'connecting' && this.#state !== 'open') return;
    const wasMove = code === 1012;
    this.#lost(code, reason);
    if (wasMove && this.state === 'waiting') this.start();
  }

  #lost(code: number, reason: string): void {
    const { clock, limits, token } = this.#options;
    const wasOpen = this.#state === 'open';
    if (wasOpen && clock.now() - this.#openedAt >= limits.stableMs) {
      this.#backoff.reset();
      this.#protocolFailures = 0;
    }
    // A target that cannot be reached is forgotten: the configured URL knows the way.
    if (!wasOpen) this.#url = this.#options.url;
    this.#release();
    // With a resume token it may be that which was refused: one more try without it tells.
    const action = closeAction(code, typeof token === 'function' || this.#resume !== null);
    if (action.do === 'stop') {
      this.#handlers.down({ code, reason, willReconnect: false });
      this.#stopFor(new ClientError(action.code, reason === '' ? action.message : `${action.message}: ${reason}`, { serverCode: code }));
      return;
    }
    if (action.forgetSession) this.#resume = null;
    if (action.protocol && (this.#protocolFailures += 1) >= limits.protocolFailures) {
      this.#handlers.down({ code, reason, willReconnect: false });
      this.#stopFor(new ClientError('protocol', `${limits.protocolFailures} protocol errors in a row: ${reason}`, { serverCode: code }));
      return;
    }
    // The state is set first: a listener of the events may call connect() or close().
    const notBefore = this.#notBefore - clock.now();
    const delayMs = notBefore > 0 ? notBefore : this.#backoff.next();
    this.#setState('waiting');
    this.#arm(delayMs, () => this.start());
    this.#handlers.down({ code, reason, willReconnect: true });
    if (this.#state === 'waiting') this.#handlers.reconnecting({ attempt: this.#backoff.attempts, delayMs });
  }

  #stopFor(error: ClientError): void {
    this.#release();
    this.#setState('closed');
    this.#handlers.stopped(error);
  }

  /** Lets go of the socket and every timer. Handlers stay in place as no-ops: ws throws for an error without a listener. */
  #release(code?: number): void {
    this.#disarm();
    this.#options.clock.clearTimeout(this.#drainTimer);
    this.#drainTimer = null;
    this.#dials += 1;
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = () => undefined;
    socket.close(code);
  }

  #arm(ms: number, callback: () => void): void {
    this.#disarm();
    this.#timer = this.#options.clock.setTimeout(callback, ms);
  }

  #disarm(): void {
    if (this.#timer !== null) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #setState(state: ClientState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#handlers.state(state);
  }
}
