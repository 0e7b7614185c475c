/**
 * Resume tokens: what a client shows to go on with its session. A statement (session, user, generation) and its HMAC-SHA256. The
 * token proves which session it was, not who the client is now: `hello` still authenticates. Until when a session can be resumed
 * stands in its record, because that moves as long as it is connected.
 */

import { timingSafeEqual } from 'node:crypto';
import { Hmac } from './hmac.js';
import { formatSessionId, parseSessionId, type SessionWords } from '../store/session-id.js';
import { STRING_BYTES_MAX } from './strings.js';

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
const TOKEN_LENGTH_MAX = 2048;

export class ResumeTokens {
  readonly #hmac: Hmac;
  readonly #statement = Buffer.alloc(USER + STRING_BYTES_MAX);

  constructor(secret: Uint8Array) {
    this.#hmac = new Hmac(secret);
  }

  /** `given`: the words of the session's id, where they are at hand. */
  sign({ session, user, generation }: ResumeClaims, given?: SessionWords): string {
    const statement = this.#statement;
    const words = given ?? parseSessionId(session);
    if (words === null) throw new RangeError('a resume token of no session');
    statement[0] = VERSION;
    for (let i = 0; i < 4; i += 1) statement.writeUInt32BE(words[i] as number, ID + i * 4);
    statement.writeUInt32BE(generation, GENERATION);
    const end = USER + (user === null ? 0 : statement.write(user, USER));
    const payload = statement.toString('base64url', 0, end);
    return `${payload}.${this.#mac(payload).toString('base64url')}`;
  }

  /** The claims, or null where the token is forged or damaged. */
  verify(token: string): ResumeClaims | null {
    const dot = token.indexOf('.');
    if (dot <= 0 || token.length > TOKEN_LENGTH_MAX) return null;
    const payload = token.slice(0, dot);
    // Only what sign() makes is looked at; the digest is of ASCII.
    if (!/^[\w-]+$/.test(payload)) return null;
    const mac = Buffer.from(token.slice(dot + 1), 'base64url');
    const expected = this.#mac(payload);
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return null;
    return readStatement(Buffer.from(payload, 'base64url'));
  }

  #mac(payload: string): Buffer {
    return this.#hmac.digest(`sluice.resume\n${payload}`);
  }
}

function readStatement(statement: Buffer): ResumeClaims | null {
  if (statement[0] !== VERSION || statement.length < USER) return null;
  const words = [0, 4, 8, 12].map((at) => statement.readUInt32BE(ID + at));
  const user = statement.length === USER ? null : statement.toString('utf8', USER);
  return { session: formatSessionId(words), user, generation: statement.readUInt32BE(GENERATION) };
}
