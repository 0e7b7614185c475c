/**
 * From `hello` to `welcome`: the token is checked, then the session is begun or claimed in the store. Both take time; what the client
 * sends meanwhile is kept, and what the connection does meanwhile decides what becomes of the answer.
 */

import type { Hold, Row } from '../engine/port.js';
import { CLOSE, NotAuthorisedError, StoreError } from '../errors.js';
import type { Identity } from '../session/auth.js';
import type { Opened } from '../session/opener.js';
import type { Refusal } from '../session/resume.js';
import { SESSION } from '../session/table.js';
import { Checks, type Kept } from './checking.js';
import type { GatewayContext } from './context.js';
import type { Header } from './header.js';
import { readHello, type Hello } from './ops/hello.js';
import { giveBack, welcome } from './welcome.js';

type OnKept = (row: Row, kept: Kept) => void;

export class Admission {
  readonly #context: GatewayContext;
  readonly #checks: Checks;
  /** Handles what was kept. */
  readonly #onKept: OnKept;

  constructor(context: GatewayContext, onKept: OnKept) {
    this.#context = context;
    this.#checks = new Checks(context.config.limits.pendingBytes);
    this.#onKept = onKept;
  }

  hello(row: Row, header: Header): void {
    const { auth, sessions, port, end } = this.#context;
    const hello = readHello(this.#context, row, header);
    if (hello === null) return;
    if (hello.token === null && auth.anonymous === null) return end(row, CLOSE.notAuthorised, 'a token is required');
    sessions.setState(row, SESSION.checking);
    port.pause(row);
    void this.#admit(row, hello, port.hold());
  }

  /** A message behind the `hello`. */
  keep(row: Row, message: Uint8Array, headerLength: number, text: boolean): void {
    if (this.#checks.keep(row, message, headerLength, text, () => this.#context.port.hold())) return;
    this.#context.end(row, CLOSE.policy, 'too much was sent before the session was open');
  }

  cancel(row: Row): void {
    this.#checks.cancel(row);
  }

  /** Never rejects. */
  async #admit(row: Row, hello: Hello, hold: Hold): Promise<void> {
    const { auth, end, port } = this.#context;
    const check = this.#checks.begin(row);
    try {
      const identity = hello.token === null ? (auth.anonymous as Identity) : await auth.verify(hello.token);
      if (!this.#checks.has(check)) return;
      const opened = await this.#open(identity, hello);
      if (!this.#checks.finish(check)) return opened.do === 'open' ? giveBack(this.#context, opened) : undefined;
      if (opened.do === 'refuse') return end(row, opened.code, opened.reason);
      this.#welcome(row, identity, hello, opened);
      for (const kept of check.kept.splice(0)) this.#onKept(row, kept);
    } catch (error) {
      if (!this.#checks.finish(check)) return;
      if (error instanceof NotAuthorisedError) end(row, CLOSE.notAuthorised, error.message);
      else if (error instanceof StoreError && error.retryable) end(row, CLOSE.tryAgainLater, 'sessions cannot be stored at the moment');
      else end(row, CLOSE.internal, 'the session could not be opened');
    } finally {
      port.letGo(hold);
      // Of a connection that is gone, or was not admitted.
      for (const kept of check.kept.splice(0)) port.letGo(kept.hold);
    }
  }

  #welcome(row: Row, identity: Identity, hello: Hello, opened: Opened): void {
    const { sessions, port } = this.#context;
    sessions.setState(row, SESSION.connected);
    welcome(this.#context, row, identity, hello, opened);
    port.resume(row);
  }

  /** Rejects with StoreError, also when the store takes too long: the session that it may still open then is given back. */
  async #open({ user }: Identity, { device, resume }: Hello): Promise<Opened | Refusal> {
    const { opener, config } = this.#context;
    let late = false;
    const opening = opener.open({ user, device, resume });
    opening.then((opened) => (late && opened.do === 'open' ? giveBack(this.#context, opened) : undefined), () => undefined);
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        late = true;
        reject(new StoreError('the session store does not answer', true));
      }, config.session.storeTimeoutMs);
    });
    try {
      return await Promise.race([opening, bound]);
    } finally {
      clearTimeout(timer);
    }
  }
}
