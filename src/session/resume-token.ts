/**
 * Resume tokens: what a client shows to go on with its session. A statement (session, user, generation) and its HMAC-SHA256. The
 * token proves which session it was, not who the client is now: `hello` still authenticates. Until when a session can be resumed
 * stands in its record, because that moves as long as it is connected. Digests and texts are made natively (native/session).
 */

import { loadNative, RESUME_STATEMENT_MAX, type NativeResumeTokens } from '../engine/native.js';
import { formatSessionId, parseSessionId, type SessionWords } from '../store/sessions/session-id.js';

export interface ResumeClaims {
  /** 32 hexadecimal digits. */
  readonly session: string;
  /** Null for an anonymous session. */
  readonly user: string | null;
  /** Counts the tokens of a session: each `welcome` gives the next. */
  readonly generation: number;
}

/** First byte of the statement: another meaning gets another number, so that old tokens are refused, not misread. */
const VERSION = 3;
/** The session's id and the generation follow; the rest is the user's name, which is never empty. */
const ID = 1;
const GENERATION = 17;
const USER = 21;

export class ResumeTokens {
  readonly #native: NativeResumeTokens;
  readonly #statement = Buffer.alloc(RESUME_STATEMENT_MAX);
  readonly #words = new Uint32Array(4);

  /** The secret: at most 64 bytes. */
  constructor(secret: Uint8Array) {
    this.#native = new (loadNative().ResumeTokens)(secret);
  }

  /** `given`: the words of the session's id, where they are at hand. */
  sign({ session, user, generation }: ResumeClaims, given?: SessionWords): string {
    const statement = this.#statement;
    const words = given ?? parseSessionId(session);
    if (words === null) throw new RangeError('a resume token of no session');
    statement[0] = VERSION;
    for (let i = 0; i < 4; i += 1) statement.writeUInt32BE(words[i] as number, ID + i * 4);
    statement.writeUInt32BE(generation, GENERATION);
    return this.#native.sign(statement, USER + (user === null ? 0 : statement.write(user, USER)));
  }

  /** The claims, or null where the token is forged or damaged. */
  verify(token: string): ResumeClaims | null {
    const statement = this.#statement;
    const length = this.#native.verify(token, statement);
    if (length < USER || statement[0] !== VERSION) return null;
    const words = this.#words;
    for (let i = 0; i < 4; i += 1) words[i] = statement.readUInt32BE(ID + i * 4);
    const user = length === USER ? null : statement.toString('utf8', USER, length);
    return { session: formatSessionId(words), user, generation: statement.readUInt32BE(GENERATION) };
  }

  /**
   * Writes at `at` of `into`, and each `stride` bytes further, the `welcome`s of the first `count` new sessions without a user, and returns
   * the length of each. `ids`: four words a session; `tail`: what follows the token in each.
   */
  writeWelcomes(ids: Uint32Array, count: number, tail: Uint8Array, into: Uint8Array, at: number, stride: number): number {
    return this.#native.writeWelcomes(ids, count, VERSION, tail, into, at, stride);
  }
}
