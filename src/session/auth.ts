/** Who a client is: JSON Web Tokens checked with the configured keys, or an anonymous identity where that is allowed. */

import type { JWTPayload } from 'jose';
import type { AuthConfig } from '../config.js';
import { NotAuthorisedError } from '../errors.js';
import { loadKeys, type VerifyKey } from './keys.js';
import { PATTERN_LENGTH_MAX } from './patterns.js';
import { STRING_BYTES_MAX } from './strings.js';
import { isName } from './text.js';

export interface Identity {
  /** Null for an anonymous client. */
  readonly user: string | null;
  /** Channel patterns. */
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** Seconds since the Unix epoch; 0 never. */
  readonly expiresAt: number;
}

const PATTERNS_MAX = 100;

/** Who may come in, and as whom. */
export type Authority = Pick<Authenticator, 'anonymous' | 'verify'>;

type Jose = typeof import('jose');

export class Authenticator {
  /** Who a client without a token is; null where one is required. */
  readonly anonymous: Identity | null;
  readonly #config: AuthConfig;
  readonly #keys: readonly VerifyKey[];
  /** Milliseconds since the Unix epoch. */
  readonly #now: () => number;
  /** Loaded with the first token: a start that others wait for does not wait for it. */
  #jose: Jose | null = null;

  private constructor(config: AuthConfig, anonymous: boolean, keys: readonly VerifyKey[], now: () => number) {
    this.#config = config;
    this.#keys = keys;
    this.#now = now;
    this.anonymous = anonymous ? { user: null, read: config.anonymousRead, write: config.anonymousWrite, expiresAt: 0 } : null;
  }

  /** Throws ConfigError for a key that cannot be used. */
  static async create(config: AuthConfig, anonymous: boolean, now: () => number): Promise<Authenticator> {
    return new Authenticator(config, anonymous, await loadKeys(config.keys), now);
  }

  /** Rejects with NotAuthorisedError; its message may be told to the client. */
  async verify(token: string): Promise<Identity> {
    const jose = (this.#jose ??= await import('jose'));
    const candidates = this.#candidates(jose, token);
    let failure = new NotAuthorisedError(this.#keys.length === 0 ? 'tokens are not configured here' : 'no key for this token');
    for (const candidate of candidates) {
      try {
        return this.#identify(await this.#check(jose, token, candidate));
      } catch (error) {
        failure = explain(jose, error);
        if (!(error instanceof jose.errors.JWSSignatureVerificationFailed)) break;
      }
    }
    throw failure;
  }

  /** Keys whose own algorithm is the header's and whose id does not differ: the header selects a key, never how it is used. */
  #candidates({ decodeProtectedHeader }: Jose, token: string): readonly VerifyKey[] {
    try {
      const { alg, kid } = decodeProtectedHeader(token);
      const stated = alg === 'Ed25519' ? 'EdDSA' : alg;
      return this.#keys.filter((key) => key.alg === stated && (kid === undefined || key.kid === null || key.kid === kid));
    } catch (cause) {
      throw new NotAuthorisedError('the token is malformed', { cause });
    }
  }

  async #check({ jwtVerify }: Jose, token: string, key: VerifyKey): Promise<JWTPayload> {
    const { issuer, audience, leewayS, requireExpiry } = this.#config;
    const { payload } = await jwtVerify(token, key.key, {
      algorithms: key.alg === 'EdDSA' ? ['EdDSA', 'Ed25519'] : [key.alg],
      clockTolerance: leewayS,
      currentDate: new Date(this.#now()),
      requiredClaims: requireExpiry ? ['sub', 'exp'] : ['sub'],
      ...(issuer === null ? {} : { issuer }),
      ...(audience === null ? {} : { audience }),
    });
    return payload;
  }

  #identify(payload: JWTPayload): Identity {
    const user = payload.sub;
    if (typeof user !== 'string' || !isName(user, STRING_BYTES_MAX)) {
      throw new NotAuthorisedError(`claim sub is no name of 1 to ${STRING_BYTES_MAX} bytes`);
    }
    return {
      user,
      read: patterns(payload, 'read', this.#config.defaultRead),
      write: patterns(payload, 'write', this.#config.defaultWrite),
      // A column of 32 bits holds it: what lies beyond the year 2106 never ends.
      expiresAt: payload.exp === undefined || payload.exp > 0xffffffff ? 0 : Math.ceil(payload.exp),
    };
  }
}

function patterns(payload: JWTPayload, claim: 'read' | 'write', fallback: readonly string[]): readonly string[] {
  const value: unknown = payload[claim];
  if (value === undefined) return fallback;
  const isPattern = (item: unknown): boolean => typeof item === 'string' && item.length <= PATTERN_LENGTH_MAX;
  const valid = Array.isArray(value) && value.length <= PATTERNS_MAX && value.every(isPattern);
  if (!valid) throw new NotAuthorisedError(`claim ${claim} is no list of at most ${PATTERNS_MAX} channel patterns`);
  return value as string[];
}

/** What may be told: never more than which check failed. */
function explain({ errors }: Jose, error: unknown): NotAuthorisedError {
  if (error instanceof NotAuthorisedError) return error;
  if (error instanceof errors.JWTExpired) return new NotAuthorisedError('the token has expired', { cause: error });
  if (error instanceof errors.JWTClaimValidationFailed) {
    const fault = error.reason === 'missing' ? 'missing' : 'not accepted';
    return new NotAuthorisedError(`claim ${error.claim} of the token is ${fault}`, { cause: error });
  }
  const fault = error instanceof errors.JWSSignatureVerificationFailed ? 'has a wrong signature' : 'is malformed';
  return new NotAuthorisedError(`the token ${fault}`, { cause: error });
}
