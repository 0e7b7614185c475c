/** Keys that verify tokens. Each is bound to one algorithm when it is loaded; a token's header cannot choose another. */

import { readFileSync } from 'node:fs';
import type { CryptoKey, JWK } from 'jose';
import type { AuthKeyConfig } from '../config.js';
import { ConfigError } from '../errors.js';

export type Algorithm = 'HS256' | 'RS256' | 'EdDSA';

export interface VerifyKey {
  readonly alg: Algorithm;
  readonly kid: string | null;
  readonly key: CryptoKey | Uint8Array;
}

/** RFC 7518 §3.2: a key at least as long as the hash. */
const SECRET_BYTES_MIN = 32;

/** Throws ConfigError with the path of the key that cannot be used. */
export async function loadKeys(configs: readonly AuthKeyConfig[]): Promise<readonly VerifyKey[]> {
  const keys: VerifyKey[] = [];
  for (const [index, config] of configs.entries()) {
    const path = `auth.keys[${index}]`;
    if (config.jwksFile !== null) keys.push(...(await loadKeySet(config.jwksFile, `${path}.jwksFile`)));
    else if (config.alg === 'HS256') keys.push(loadSecret(config, path));
    else keys.push(await loadPublicKey(config, path));
  }
  return keys;
}

function loadSecret(config: AuthKeyConfig, path: string): VerifyKey {
  const secret = config.secret ?? readFile(config.secretFile ?? '', `${path}.secretFile`).replace(/\r?\n$/, '');
  return { alg: 'HS256', kid: config.kid, key: checkSecret(Buffer.from(secret), path) };
}

async function loadPublicKey(config: AuthKeyConfig, path: string): Promise<VerifyKey> {
  const alg = config.alg as Algorithm;
  const pem = (config.publicKey ?? readFile(config.publicKeyFile ?? '', `${path}.publicKeyFile`)).trim();
  if (pem.includes('PRIVATE KEY')) throw new ConfigError(path, 'expected a public key, got a private one: keep that with the issuer');
  const { importSPKI, importX509 } = await import('jose');
  try {
    const key = pem.startsWith('-----BEGIN CERTIFICATE-----') ? await importX509(pem, alg) : await importSPKI(pem, alg);
    return { alg, kid: config.kid, key: checkPublicKey(key, path) };
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const reason = (cause as Error).message;
    throw new ConfigError(path, `expected a public key for ${alg} as PEM (-----BEGIN PUBLIC KEY-----): ${reason}`, { cause });
  }
}

async function loadKeySet(file: string, path: string): Promise<VerifyKey[]> {
  let set: unknown;
  try {
    set = JSON.parse(readFile(file, path));
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(path, `${file} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const list: unknown = (set as { readonly keys?: unknown } | null)?.keys;
  if (!Array.isArray(list)) throw new ConfigError(path, `${file} is no JSON Web Key Set: it has no list "keys"`);
  return Promise.all(list.map((jwk: JWK, index) => loadJwk(jwk, `${path} ${file} keys[${index}]`)));
}

async function loadJwk(jwk: JWK, path: string): Promise<VerifyKey> {
  const alg = algorithmOf(jwk);
  if (alg === null) {
    throw new ConfigError(path, `expected a key for HS256, RS256 or EdDSA, got kty ${jwk.kty ?? 'none'}, alg ${jwk.alg ?? 'none'}`);
  }
  if (jwk.d !== undefined) throw new ConfigError(path, 'expected a public key, got a private one: keep that with the issuer');
  const { importJWK } = await import('jose');
  try {
    const key = await importJWK(jwk, alg);
    return { alg, kid: jwk.kid ?? null, key: key instanceof Uint8Array ? checkSecret(key, path) : checkPublicKey(key, path) };
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(path, `cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** The algorithm that the key's type allows; an `alg` that says otherwise is refused. */
function algorithmOf(jwk: JWK): Algorithm | null {
  const natural = jwk.kty === 'oct' ? 'HS256' : jwk.kty === 'RSA' ? 'RS256' : jwk.kty === 'OKP' && jwk.crv === 'Ed25519' ? 'EdDSA' : null;
  const stated = jwk.alg === 'Ed25519' ? 'EdDSA' : jwk.alg;
  return stated === undefined || stated === natural ? natural : null;
}

function checkSecret(secret: Uint8Array, path: string): Uint8Array {
  if (secret.length >= SECRET_BYTES_MIN) return secret;
  throw new ConfigError(path, `expected a secret of at least ${SECRET_BYTES_MIN} bytes, got ${secret.length}`);
}

function checkPublicKey(key: CryptoKey, path: string): CryptoKey {
  const bits = (key.algorithm as { readonly modulusLength?: number }).modulusLength;
  if (bits !== undefined && bits < 2048) throw new ConfigError(path, `expected an RSA key of at least 2048 bits, got ${bits}`);
  return key;
}

function readFile(file: string, path: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(path, `${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'})`, { cause });
  }
}
