/** Begins sessions and resumes them, over the store: what `hello` asks for, without the connection. */

import { CLOSE } from '../errors.js';
import type { FirstCursors, SessionClaim, SessionRecord, SessionRef, SessionStore, SessionTimes } from '../store/sessions/session-store.js';
import type { ResumeClaims, ResumeTokens } from './resume-token.js';
import { claimedBefore, judgeResume, type Refusal, type Resumer, type ResumeVerdict } from './resume.js';
import { drawSessionIds, formatSessionId, parseSessionId, randomSessionId, type SessionWords } from '../store/sessions/session-id.js';

export interface SessionTerms {
  /** A lease lasts this long, ms. */
  readonly leaseMs: number;
  /** How long a session can be resumed once nobody is connected, ms. */
  readonly resumeTtlMs: number;
  /** How long the token before the last is good while the last is not confirmed, ms. */
  readonly resumeGraceMs: number;
  /** How long a session that cannot be resumed is kept for its device's cursors, ms. */
  readonly cursorsTtlMs: number;
}

export interface SessionRequest extends Resumer {
  readonly resume: string | null;
}

export interface Opened {
  readonly do: 'open';
  readonly record: SessionRecord;
  /** The record's id. */
  readonly words: SessionWords;
  readonly resumed: boolean;
}

/** A session on its way to the store, which may give one promise to many. */
export interface Beginning {
  readonly opened: Opened;
  readonly stored: Promise<unknown>;
}

/** New sessions that differ in their ids only, on their way to the store. */
export interface Beginnings {
  /** One of them; without its id. */
  readonly record: SessionRecord;
  readonly stored: Promise<void>;
}

export interface OpenerParts {
  readonly store: SessionStore;
  readonly tokens: ResumeTokens;
  readonly terms: SessionTerms;
  /** Name of this node, which holds the leases. */
  readonly node: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Hands to the store what this node has of the session and has not written yet. */
  readonly push: (id: string) => void;
  /** Where there are other nodes: the session was one's, which may still have its connection. */
  readonly taken?: (owner: string, former: SessionRef) => void;
}

/** A claim that was lost to another is judged anew; more than a few in a row means that somebody is playing. */
const TRIES = 4;
/** Clocks of nodes may differ by so much: what is older by them is older. */
const CLOCKS_APART_MS = 5000;
/** Sessions of which a node remembers that they were claimed. */
const SEEN_MAX = 10_000;
const NO_CURSORS: readonly never[] = [];
const OVERTAKEN = 'the session goes on over another connection';
const ELSEWHERE: Refusal = { do: 'refuse', code: CLOSE.tryAgainLater, reason: 'the session is being resumed at another node as well' };
const FORGED: Refusal = { do: 'refuse', code: CLOSE.notAuthorised, reason: 'the resume token is forged or damaged' };

/** When an attempt came, and the generation of its session that was known then. */
interface Arrival {
  /** Milliseconds since the Unix epoch; -Infinity: before the session's present generation for sure. */
  readonly at: number;
  readonly seen: number;
}

export class SessionOpener {
  readonly #parts: OpenerParts;
  /** The latest attempt to resume each session, while attempts are under way. */
  readonly #attempts = new Map<string, number>();
  #attempted = 0;
  readonly #seen = new SeenGenerations();
  #failing = false;

  constructor(parts: OpenerParts) {
    this.#parts = parts;
  }

  /** Rejects with StoreError. */
  async open(request: SessionRequest): Promise<Opened | Refusal> {
    return request.resume === null ? this.#begin(request) : this.#resume(request, request.resume);
  }

  /** A new session of somebody who has none to go on with. `stored` rejects with StoreError. */
  begin(user: string | null, device: string | null): Beginning {
    return this.#create(user, device, null);
  }

  /**
   * As many new sessions of clients without a user and a device, whose ids are drawn into `ids`, four words each, and that begin with
   * `cursors`. Null where the store takes them one by one only.
   */
  beginMany(ids: Uint32Array, count: number, cursors: FirstCursors): Beginnings | null {
    const { store } = this.#parts;
    if (store.createMany === undefined) return null;
    drawSessionIds(ids, count);
    const record = this.#record('', null, null, null);
    const stored = store.createMany(ids, count, record, cursors);
    return stored === null ? null : { record, stored };
  }

  /** Writes the `welcome`s of the first `count` of them at `at` of `into`, and each `stride` bytes further; returns the length of each. */
  writeWelcomes(ids: Uint32Array, count: number, tail: Uint8Array, into: Uint8Array, at: number, stride: number): number {
    return this.#parts.tokens.writeWelcomes(ids, count, tail, into, at, stride);
  }

  /** The token for the next time. */
  token({ record: { id, user, generation }, words }: Opened): string {
    return this.#parts.tokens.sign({ session: id, user, generation }, words);
  }

  /** Times of a session that is connected at `now`. */
  static connected(terms: SessionTerms, now: number): SessionTimes {
    const leaseUntil = now + terms.leaseMs;
    return { leaseUntil, expiresAt: leaseUntil + terms.resumeTtlMs, forgetAt: leaseUntil + terms.resumeTtlMs + terms.cursorsTtlMs };
  }

  /** Times of a session whose connection ends at `now`. */
  static released(terms: SessionTerms, now: number): SessionTimes {
    return { leaseUntil: 0, expiresAt: now + terms.resumeTtlMs, forgetAt: now + terms.resumeTtlMs + terms.cursorsTtlMs };
  }

  /** What open() comes to for a client that resumes, where that can be decided within the turn; else null. Throws StoreError. */
  resumeNow(resumer: Resumer, token: string): Beginning | Refusal | null {
    const { store, now, push, tokens } = this.#parts;
    if (store.claimNow === undefined || this.#failing) return null;
    const claims = tokens.verify(token);
    if (claims === null) return FORGED;
    // Another attempt waits for the store, and must notice this one.
    if (this.#attempts.size > 0 && this.#attempts.has(claims.session)) return null;
    push(claims.session);
    const at = now();
    let verdict: ResumeVerdict | null = null;
    let formerOwner: string | null = null;
    const claimed = store.claimNow(claims.session, (former) => {
      const judged = judgeResume(claims, former, resumer, at);
      verdict = judged;
      if (judged.do === 'refuse') return null;
      formerOwner = former?.owner ?? null;
      return this.#terms(judged, at);
    });
    if (claimed === null) return refusalOf(verdict);
    this.#tellFormer(formerOwner, { id: claims.session, generation: claimed.record.generation - 1 });
    return { opened: resumed(claimed.record), stored: claimed.stored };
  }

  /** What was resumed within the turn could not be written: from here on the store is waited for, until it is well again. */
  unstored(): void {
    this.#failing = true;
  }

  #terms({ previous, next }: { readonly previous: number; readonly next: number }, at: number): SessionClaim {
    const { terms, node } = this.#parts;
    return { previous, previousUntil: at + terms.resumeGraceMs, generation: next, owner: node, ...SessionOpener.connected(terms, at) };
  }

  /** The session may have a connection with the node that had it before. */
  #tellFormer(owner: string | null, former: SessionRef): void {
    if (owner !== null && owner !== this.#parts.node) this.#parts.taken?.(owner, former);
  }

  /**
   * Whether another node may have claimed the session after this attempt came, for a later one of the same client: its connection must
   * not be ended for one that is dead. None of them can tell which heard the client last, as their clocks differ; but who lives comes
   * again, and then this node has seen the claim before (docs/decisions/0165).
   */
  #isRace(former: SessionRecord, { at, seen }: Arrival): boolean {
    const { terms, node, taken } = this.#parts;
    if (taken === undefined || former.owner === node || former.generation <= seen) return false;
    return !claimedBefore(former, terms.resumeGraceMs, at - CLOCKS_APART_MS);
  }

  /** A new session goes on with the cursors of its device. */
  async #begin({ user, device }: SessionRequest): Promise<Opened> {
    const former = user === null || device === null ? null : await this.#device(user, device);
    const { opened, stored } = this.#create(user, device, former);
    await stored;
    return opened;
  }

  #create(user: string | null, device: string | null, former: SessionRecord | null): Beginning {
    const words = randomSessionId();
    const record = this.#record(formatSessionId(words), user, device, former);
    return { opened: { do: 'open', record, words, resumed: false }, stored: this.#parts.store.create(record, words) };
  }

  #record(id: string, user: string | null, device: string | null, former: SessionRecord | null): SessionRecord {
    const { terms, node, now } = this.#parts;
    const { leaseUntil, expiresAt, forgetAt } = SessionOpener.connected(terms, now());
    return {
      id, user, device, generation: 1, previous: 0, previousUntil: 0, owner: node, ended: false, leaseUntil, expiresAt, forgetAt,
      lastSeenMessageId: former?.lastSeenMessageId ?? null,
      cursors: former?.cursors ?? NO_CURSORS,
    };
  }

  async #device(user: string, device: string): Promise<SessionRecord | null> {
    const { store, push } = this.#parts;
    const found = await store.findDevice(user, device);
    if (found === null) return null;
    push(found.id);
    return store.get(found.id);
  }

  async #resume(request: SessionRequest, token: string): Promise<Opened | Refusal> {
    const claims = this.#parts.tokens.verify(token);
    if (claims === null) return FORGED;
    const attempt = (this.#attempted += 1);
    this.#attempts.set(claims.session, attempt);
    try {
      return await this.#claim(request, claims, attempt);
    } finally {
      if (this.#attempts.get(claims.session) === attempt) this.#attempts.delete(claims.session);
    }
  }

  async #claim(request: SessionRequest, claims: ResumeClaims, attempt: number): Promise<Opened | Refusal> {
    const { store, now, push } = this.#parts;
    const came: Arrival = { at: now(), seen: this.#seen.of(claims.session) };
    for (let tries = 0; tries < TRIES; tries += 1) {
      push(claims.session);
      const at = now();
      const former = await store.get(claims.session);
      const verdict = judgeResume(claims, former, request, at);
      // A client whose network broke said hello again meanwhile: the connection of this one is dead, and must not end the other's.
      if (this.#attempts.get(claims.session) !== attempt) return { do: 'refuse', code: CLOSE.sessionTakenOver, reason: OVERTAKEN };
      if (verdict.do === 'refuse') return verdict;
      const { expected } = verdict;
      if (former !== null && claims.generation < expected && this.#isRace(former, tries === 0 ? came : { ...came, at: -Infinity })) {
        this.#seen.add(former.id, expected);
        return ELSEWHERE;
      }
      const record = await store.claim(claims.session, expected, this.#terms(verdict, at));
      if (record === null) continue;
      this.#failing = false;
      this.#seen.add(record.id, record.generation);
      this.#tellFormer(former?.owner ?? null, { id: record.id, generation: expected });
      return resumed(record);
    }
    return { do: 'refuse', code: CLOSE.tryAgainLater, reason: 'the session is being taken over again and again' };
  }
}

/** Generations of sessions that this node knows of, as many as are remembered: who is not only has to come once more. */
class SeenGenerations {
  readonly #generations = new Map<string, number>();

  /** 0: none. */
  of(id: string): number {
    return this.#generations.get(id) ?? 0;
  }

  add(id: string, generation: number): void {
    this.#generations.delete(id);
    this.#generations.set(id, generation);
    if (this.#generations.size <= SEEN_MAX) return;
    const [oldest] = this.#generations.keys();
    if (oldest !== undefined) this.#generations.delete(oldest);
  }
}

function resumed(record: SessionRecord): Opened {
  return { do: 'open', record, words: parseSessionId(record.id) as SessionWords, resumed: true };
}

function refusalOf(verdict: ResumeVerdict | null): Refusal | null {
  return verdict?.do === 'refuse' ? verdict : null;
}
