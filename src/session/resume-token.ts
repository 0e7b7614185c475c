/**
 * Resume tokens: what a client shows to go on with its session. A statement (session, user, device, expiry) and its
 * HMAC-SHA256. The token proves which session it was, not who the client is now: `hello` still authenticates.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { formatSessionId, parseSessionId, type SessionWords } from './session-id.js';

export interface ResumeClaims {
  readonly session: SessionWords;
  /** Null for an anonymous session. */
  readonly user: string | null;
  readonly device: string | null;
  /** Seconds since the Unix epoch. */
  readonly expiresAt: number;
}

/** First item of the statement: another meaning gets another number, so that old tokens are refused, not misread. */
const VERSION = 1;
const TOKEN_LENGTH_MAX = 2048;

export class ResumeTokens {
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  sign(claims: ResumeClaims): string {
    const statement = JSON.stringify([VERSION, formatSessionId(claims.session), claims.user, claims.device, claims.expiresAt]);
    const payload = Buffer.from(statement).toString('base64url');
    return `${payload}.${this.#mac(payload).toString('base64url')}`;
  }

  /** The claims, or null where the token is forged, damaged or expired. `now` in seconds. */
  verify(token: string, now: number): ResumeClaims | null {
    const dot = token.indexOf('.');
    if (dot <= 0 || token.length > TOKEN_LENGTH_MAX) return null;
    const payload = token.slice(0, dot);
    const mac = Buffer.from(token.slice(dot + 1), 'base64url');
    const expected = this.#mac(payload);
    if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return null;
    const claims = readStatement(Buffer.from(payload, 'base64url').toString());
    return claims !== null && claims.expiresAt > now ? claims : null;
  }

  #mac(payload: string): Buffer {
    return createHmac('sha256', this.#secret).update(`sluice.resume\n${payload}`).digest();
  }
}

function readStatement(text: string): ResumeClaims | null {
  const [version, id, user, device, expiresAt] = JSON.parse(text) as unknown[];
  const session = typeof id === 'string' ? parseSessionId(id) : null;
  if (version !== VERSION || session === null || typeof expiresAt !== 'number') return null;
  return { session, user: typeof user === 'string' ? user : null, device: typeof device === 'string' ? device : null, expiresAt };
}
