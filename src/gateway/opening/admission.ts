/**
 * From `hello` to `welcome`: the token is checked, then the session is begun or claimed in the store. Both take time; what the client
 * sends meanwhile is kept, and what the connection does meanwhile decides what becomes of the answer.
 */

import type { Hold, Row } from '../../engine/port.js';
import { CLOSE, NotAuthorisedError, StoreError } from '../../errors.js';
import type { Identity } from '../../session/auth.js';
import type { Beginning, Opened } from '../../session/opener.js';
import type { Refusal } from '../../session/resume.js';
import { compilePatterns } from '../../session/patterns.js';
import { SESSION } from '../../session/table.js';
import type { Ahead } from '../message/ahead.js';
import { Beginnings, type Begun } from './beginnings.js';
import { Checks, type Kept } from '../message/checking.js';
import { Claims } from './claims.js';
import type { GatewayContext } from '../context.js';
import type { Header } from '../message/header.js';
import { Newcomers, type BehindHello } from './newcomers.js';
import { readHello, type Hello } from '../ops/hello.js';
import { settle, wantedPositions, type DevicePositions, type Settled } from './restore.js';
import { giveBack, welcome } from './welcome.js';

const NO_POSITIONS: DevicePositions = { named: new Map(), synced: new Map(), lastSeen: null };
const NOTHING_SETTLED: Settled = new Map();

/** Handles what clients sent while they were admitted. */
export interface Later extends BehindHello {
  readonly kept: (row: Row, kept: Kept) => void;
}

export class Admission {
  readonly #context: GatewayContext;
  readonly #checks: Checks;
  readonly #beginnings: Beginnings;
  readonly #claims: Claims;
  /** Null where each new session is a case of its own. */
  readonly #newcomers: Newcomers | null;
  readonly #later: Later;

  constructor(context: GatewayContext, later: Later) {
    this.#context = context;
    this.#checks = new Checks(context.config.limits.pendingBytes);
    this.#later = later;
    this.#beginnings = new Beginnings({
      timeoutMs: context.config.session.storeTimeoutMs,
      stored: (begun) => this.#stored(begun),
      failed: (begun, error) => this.#failed(begun, error),
      late: ({ opened }) => giveBack(this.#context, opened),
    });
    this.#claims = new Claims((row, generation, error) => this.#unclaimed(row, generation, error));
    this.#newcomers = Newcomers.of({
      context,
      alone: (row, hold, said) => {
        this.#beginAlone(row, context.auth.anonymous as Identity, null, hold);
        if (said !== null) this.#keepInFront(row, said);
      },
      later,
      welcomed: (row) => this.#goOn(row),
      failed: (row, error) => this.#refuse(row, error),
    });
  }

  /** Takes the first message of a row where it is a `hello` that asks for nothing but a session; false where it has to be parsed. */
  plainHello(row: Row, address: number, length: number): boolean {
    const { sessions, port } = this.#context;
    if (this.#newcomers === null || !this.#newcomers.isHello(address, length)) return false;
    sessions.setState(row, SESSION.checking);
    this.#newcomers.add(row, port.detached ? port.hold(row) : -1);
    return true;
  }

  endTurn(): void {
    this.#newcomers?.endTurn();
  }

  hello(row: Row, header: Header): void {
    const { auth, sessions, port, end } = this.#context;
    const hello = readHello(this.#context, row, header);
    if (hello === null) return;
    if (hello.token === null && auth.anonymous === null) return end(row, CLOSE.notAuthorised, 'a token is required');
    sessions.setState(row, SESSION.checking);
    if (hello.token === null && isNew(auth.anonymous as Identity, hello)) {
      return this.#begin(row, auth.anonymous as Identity, hello, port.detached ? port.hold(row) : -1);
    }
    if (hello.token === null && this.#resumeNow(row, auth.anonymous as Identity, hello)) return;
    port.pause(row);
    void this.#admit(row, hello, port.hold(row));
  }

  /**
   * Resumes a session within the turn where the store can and nothing else has to be asked: the client is answered before the claim is
   * written (docs/decisions/0120), or with that write where the engine is detached, as a successor would not know what was not stored.
   * False where there is more to wait for.
   */
  #resumeNow(row: Row, identity: Identity, { device, resume, positions }: Hello): boolean {
    const { opener, sessions, port, end, cold, ahead } = this.#context;
    if (resume === null || cold !== null || ahead !== null || (port.detached && !isNowhere(positions))) return false;
    try {
      const begun = opener.resumeNow({ user: identity.user, device }, resume);
      if (begun === null) return false;
      if (!('opened' in begun)) end(row, begun.code, begun.reason);
      else if (port.detached) this.#beginnings.add(begun, row, sessions.generation(row), identity, port.hold(row));
      else this.#resumed(row, identity, positions, begun);
    } catch (error) {
      this.#refuse(row, error);
    }
    return true;
  }

  #resumed(row: Row, identity: Identity, positions: DevicePositions, { opened, stored }: Beginning): void {
    const { sessions } = this.#context;
    sessions.setState(row, SESSION.connected);
    welcome(this.#context, row, identity, positions, opened, NOTHING_SETTLED);
    this.#claims.add(stored, row, sessions.generation(row));
  }

  /** What cannot be written after all is undone, so the session goes on in another connection. */
  #unclaimed(row: Row, generation: number, error: unknown): void {
    const { sessions, opener } = this.#context;
    opener.unstored();
    if (sessions.listens(row, generation)) this.#refuse(row, error);
  }

  /** A message behind the `hello`. */
  keep(row: Row, address: number, length: number, headerLength: number, text: boolean): void {
    const { port } = this.#context;
    // Only what comes first is taken along.
    const mayGoAlong = text && headerLength === length && !port.detached && !this.#checks.waits(row);
    if (mayGoAlong && this.#newcomers?.takeAlong(row, address, length) === true) return;
    this.#keep(row, port.memory.subarray(address, address + length), headerLength, text);
  }

  #keep(row: Row, message: Uint8Array, headerLength: number, text: boolean): void {
    const { port, end } = this.#context;
    if (!this.#checks.waits(row)) port.pause(row);
    if (this.#checks.keep(row, message, headerLength, text, () => port.hold(row))) return;
    end(row, CLOSE.policy, 'too much was sent before the session was open');
  }

  /** A text that came before what is kept already. */
  #keepInFront(row: Row, said: Uint8Array): void {
    const later = this.#checks.take(row);
    this.#keep(row, said, said.length, true);
    for (const { message, headerLength, text, hold } of later) this.#checks.keep(row, message, headerLength, text, () => hold);
  }

  cancel(row: Row): void {
    for (const { hold } of this.#checks.take(row)) this.#context.port.letGo(hold);
  }

  /** A session that goes on with nothing: there is nothing to wait for but the store's next write. */
  #begin(row: Row, identity: Identity, { device }: Hello, hold: Hold): void {
    if (this.#newcomers !== null && device === null) this.#newcomers.add(row, hold);
    else this.#beginAlone(row, identity, device, hold);
  }

  #beginAlone(row: Row, identity: Identity, device: string | null, hold: Hold): void {
    const { opener, sessions } = this.#context;
    this.#beginnings.add(opener.begin(identity.user, device), row, sessions.generation(row), identity, hold);
  }

  #stored({ row, generation, identity, opened, hold }: Begun): void {
    const { sessions, port } = this.#context;
    if (sessions.generation(row) !== generation || sessions.state(row) !== SESSION.checking) giveBack(this.#context, opened);
    else {
      sessions.setState(row, SESSION.connected);
      welcome(this.#context, row, identity, NO_POSITIONS, opened, NOTHING_SETTLED);
      this.#goOn(row);
    }
    port.letGo(hold);
  }

  /** The row was welcomed: what came meanwhile is handled. */
  #goOn(row: Row): void {
    if (!this.#checks.waits(row)) return;
    const kept = this.#checks.take(row);
    this.#context.port.resume(row);
    for (const message of kept) this.#later.kept(row, message);
  }

  #failed({ row, generation, hold }: Begun, error: unknown): void {
    const { sessions, port } = this.#context;
    if (sessions.generation(row) === generation && sessions.state(row) === SESSION.checking) this.#refuse(row, error);
    port.letGo(hold);
  }

  #refuse(row: Row, error: unknown): void {
    const { end } = this.#context;
    if (error instanceof NotAuthorisedError) end(row, CLOSE.notAuthorised, error.message);
    else if (error instanceof StoreError && error.retryable) end(row, CLOSE.tryAgainLater, 'sessions cannot be stored at the moment');
    else end(row, CLOSE.internal, 'the session could not be opened');
  }

  /** Never rejects. */
  async #admit(row: Row, hello: Hello, hold: Hold): Promise<void> {
    const { auth, end, port } = this.#context;
    const check = this.#checks.begin(row);
    try {
      const identity = hello.token === null ? (auth.anonymous as Identity) : await auth.verify(hello.token);
      if (!this.#checks.has(check)) return;
      if (!this.#context.port.detached && this.#resumeNow(row, identity, hello)) return this.#goOn(row);
      const opened = await this.#open(identity, hello);
      if (this.#context.ahead !== null && opened.do === 'open') await this.#fetch(this.#context.ahead, identity, hello, opened);
      const settling = this.#settle(hello, opened);
      const settled = settling instanceof Promise ? await settling : settling;
      if (!this.#checks.finish(check)) return opened.do === 'open' ? giveBack(this.#context, opened) : undefined;
      if (opened.do === 'refuse') return end(row, opened.code, opened.reason);
      this.#welcome(row, identity, hello, opened, settled);
      for (const kept of check.kept.splice(0)) this.#later.kept(row, kept);
    } catch (error) {
      if (this.#checks.finish(check)) this.#refuse(row, error);
    } finally {
      port.letGo(hold);
      // Of a connection that is gone, or was not admitted.
      for (const kept of check.kept.splice(0)) port.letGo(kept.hold);
    }
  }

  #welcome(row: Row, identity: Identity, hello: Hello, opened: Opened, settled: Settled): void {
    const { sessions, port } = this.#context;
    sessions.setState(row, SESSION.connected);
    welcome(this.#context, row, identity, hello.positions, opened, settled);
    port.resume(row);
  }

  /** What the session's channels need of a shared log. Where it cannot be had the session is given back. Rejects with StoreError. */
  async #fetch(ahead: Ahead, identity: Identity, { positions }: Hello, opened: Opened): Promise<void> {
    const { config } = this.#context;
    const readable = compilePatterns(identity.read);
    const wanted = [...wantedPositions(opened.record.cursors, opened.resumed, positions)].filter(([name]) => readable.matches(name));
    const some = wanted.slice(0, config.limits.channelsPerSession).map(([name, { position }]) => [name, position] as const);
    try {
      await ahead.positions(some);
    } catch (error) {
      giveBack(this.#context, opened);
      throw error;
    }
  }

  /** Without a cold tier there is nothing to wait for, not even a turn. */
  #settle(hello: Hello, opened: Opened | Refusal): Promise<Settled> | Settled {
    if (opened.do === 'refuse' || this.#context.cold === null) return NOTHING_SETTLED;
    return settle(this.#context, opened.record.cursors, opened.resumed, hello.positions);
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

/** Whether the session has nothing to go on with: no former one, no device that was here before, no positions. */
function isNew({ user }: Identity, { resume, device, positions }: Hello): boolean {
  return resume === null && (user === null || device === null) && isNowhere(positions);
}

function isNowhere({ named, synced, lastSeen }: DevicePositions): boolean {
  return named.size === 0 && synced.size === 0 && lastSeen === null;
}
