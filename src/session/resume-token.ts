/**
 * Resume tokens: what a client shows to go on with its session. A statement (session, user, generation) and its HMAC-SHA256. The
 * token proves which session it was, not who the client is now: `hello` still authenticates. Until when a session can be resumed
 * stands in its record, because that moves as long as it is connected.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { parseSessionId } from './session-id.js';

export interface ResumeClaims {
  /** 32 hexadecimal digits. */
  readonly session: string;
  /** Null for an anonymous session. */
  readonly user: string | null;
  /** Counts the tokens of a session: each `welcome` gives the next. */
  readonly generation: number;
}

/** First item of the statement: another meaning gets another number, so that old tokens are refused, not misread. */
const VERSION = 2;
const TOKEN_LENGTH_MAX = 2048;

export class ResumeTokens {
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  sign({ session, user, generation }: ResumeClaims): string {
    const payload = Buffer.from(JSON.stringify([VERSION, session, user, generation])).toString('base64url');
    return `${payload}.${this.#mac(payload).toString('base64url')}`;
  }

  /** The claims, or null where the token is forged or damaged. */
  verify(token: string): ResumeClaims | null {
    const dot = token.indexOf('.');
    if (dot <= 0 || token.length > TOKEN_LENGTH_MAX) return null;
    const payload = token.slice(0, dot);
    const mac = Buffer.from(token.slice(dot + 1), 'base64url');
    const expected = this.#mac(payload);
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return null;
    return readStatement(Buffer.from(payload, 'base64url').toString());
  }

  #mac(payload: string): Buffer {
    return createHmac('sha256', this.#secret).update(`sluice.resume\n${payload}`).digest();
  }
}

function readStatement(text: string): ResumeClaims | null {
  const [version, session, user, generation] = JSON.parse(text) as unknown[];
  if (version !== VERSION || typeof session !== 'string' || parseSessionId(session) === null || typeof generation !== 'number') return null;
  return { session, user: typeof user === 'string' ? user : null, generation };
}
