import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT, exportJWK, exportPKCS8, exportSPKI, generateKeyPair, type CryptoKey, type JWTPayload } from 'jose';
import t from 'tap';
import { makeConfig, type RawConfig } from '../../../src/config.js';
import { Authenticator } from '../../../src/session/auth.js';

const NOW = 1_800_000_000;
const SECRET = 'a secret of thirty-two characters';
const CLAIMS = { sub: 'alice', exp: NOW + 60, read: ['room.*'], write: [] };

async function authenticator(keys: readonly RawConfig[], auth: RawConfig = {}): Promise<Authenticator> {
  const config = makeConfig({ auth: { keys, ...auth } });
  return Authenticator.create(config.auth, config.anonymous, () => NOW * 1000);
}

function sign(claims: JWTPayload, alg: string, key: CryptoKey | Uint8Array, kid?: string): Promise<string> {
  return new SignJWT(claims).setProtectedHeader(kid === undefined ? { alg } : { alg, kid }).sign(key);
}

const hs = (claims: JWTPayload, secret = SECRET): Promise<string> => sign(claims, 'HS256', Buffer.from(secret));
const refused = (message: RegExp): { code: string; message: RegExp } => ({ code: 'SLUICE_NOT_AUTHORISED', message });
const unsigned = (header: unknown, claims: unknown): string =>
  `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`;

t.test('the three algorithms', async (t) => {
  const rsa = await generateKeyPair('RS256', { extractable: true });
  const ed = await generateKeyPair('EdDSA', { extractable: true });
  const auth = await authenticator([
    { alg: 'HS256', secret: SECRET },
    { alg: 'RS256', publicKey: await exportSPKI(rsa.publicKey) },
    { alg: 'EdDSA', publicKey: await exportSPKI(ed.publicKey) },
  ]);
  const identity = { user: 'alice', read: ['room.*'], write: [], expiresAt: NOW + 60 };
  t.same(await auth.verify(await hs(CLAIMS)), identity);
  t.same(await auth.verify(await sign(CLAIMS, 'RS256', rsa.privateKey)), identity);
  t.same(await auth.verify(await sign(CLAIMS, 'EdDSA', ed.privateKey)), identity);
});

t.test('no confusion of algorithms', async (t) => {
  const rsa = await generateKeyPair('RS256', { extractable: true });
  const pem = await exportSPKI(rsa.publicKey);
  const auth = await authenticator([{ alg: 'RS256', publicKey: pem }]);
  await t.rejects(auth.verify(await sign(CLAIMS, 'HS256', Buffer.from(pem))), refused(/no key/), 'the public key as a secret');
  await t.rejects(auth.verify(unsigned({ alg: 'none' }, CLAIMS)), refused(/no key/), 'no signature');
  await t.rejects(auth.verify(unsigned({ alg: 'RS256' }, CLAIMS)), refused(/signature|malformed/), 'an empty signature');
  await t.rejects(auth.verify(await sign(CLAIMS, 'HS512', Buffer.alloc(64, 1))), refused(/no key/));
  const pss = await generateKeyPair('PS256');
  await t.rejects(auth.verify(await sign(CLAIMS, 'PS256', pss.privateKey)), refused(/no key/));
});

t.test('claims', async (t) => {
  const auth = await authenticator([{ alg: 'HS256', secret: SECRET }], { issuer: 'https://issuer', audience: 'sluice' });
  const good = { ...CLAIMS, iss: 'https://issuer', aud: 'sluice' };
  t.match(await auth.verify(await hs(good)), { user: 'alice' });
  t.match(await auth.verify(await hs({ ...good, aud: ['other', 'sluice'] })), { user: 'alice' });
  t.match(await auth.verify(await hs({ ...good, exp: NOW - 4 })), { user: 'alice' }, 'within the leeway');
  t.match(await auth.verify(await hs({ ...good, nbf: NOW + 4 })), { user: 'alice' }, 'within the leeway');
  const bad: readonly (readonly [JWTPayload, RegExp])[] = [
    [{ ...good, iss: 'https://other' }, /iss.*not accepted/],
    [{ ...CLAIMS, aud: 'sluice' }, /iss.*missing/],
    [{ ...good, aud: 'other' }, /aud.*not accepted/],
    [{ ...good, exp: NOW - 10 }, /expired/],
    [{ ...good, nbf: NOW + 10 }, /nbf/],
    [{ ...good, sub: '' }, /sub is no name/],
    [{ ...good, sub: 'a\u0000b' }, /sub is no name/],
    [{ ...good, sub: 'x'.repeat(256) }, /sub is no name/],
    [{ iss: good.iss, aud: good.aud, exp: good.exp }, /sub.*missing/],
    [{ iss: good.iss, aud: good.aud, sub: 'alice' }, /exp.*missing/],
    [{ ...good, read: 'room.*' }, /read is no list/],
    [{ ...good, write: [7] }, /write is no list/],
    [{ ...good, read: Array.from({ length: 101 }, () => 'x') }, /read is no list/],
    [{ ...good, read: ['x'.repeat(256)] }, /read is no list/],
  ];
  for (const [claims, message] of bad) await t.rejects(auth.verify(await hs(claims)), refused(message), message.source);
});

t.test('damaged tokens', async (t) => {
  const auth = await authenticator([{ alg: 'HS256', secret: SECRET }]);
  const token = await hs(CLAIMS);
  await t.rejects(auth.verify(await hs(CLAIMS, `${SECRET}!`)), refused(/wrong signature/));
  await t.rejects(auth.verify(token.slice(0, -3)), refused(/signature/));
  for (const bad of ['', 'x', 'a.b.c', '..', `${token}.x`, '{}', 'é'.repeat(10)]) {
    await t.rejects(auth.verify(bad), refused(/malformed|no key/), JSON.stringify(bad.slice(0, 10)));
  }
});

t.test('tokens without read or write, without exp', async (t) => {
  const token = await hs({ sub: 'alice' });
  const open = await authenticator([{ alg: 'HS256', secret: SECRET }], { requireExpiry: false, defaultRead: ['public.**'] });
  t.same(await open.verify(token), { user: 'alice', read: ['public.**'], write: [], expiresAt: 0 });
  const never = await hs({ sub: 'alice', exp: 1e12 });
  t.match(await open.verify(never), { expiresAt: 0 }, 'beyond what the column holds');
});

t.test('anonymous identity', async (t) => {
  t.same((await authenticator([])).anonymous, { user: null, read: ['**'], write: ['**'], expiresAt: 0 });
  t.equal((await authenticator([{ alg: 'HS256', secret: SECRET }])).anonymous, null);
  await t.rejects((await authenticator([])).verify(await hs(CLAIMS)), refused(/not configured/));
});

t.test('keys by id', async (t) => {
  const auth = await authenticator([
    { alg: 'HS256', secret: SECRET, kid: 'old' },
    { alg: 'HS256', secret: `${SECRET} new`, kid: 'new' },
  ]);
  const signed = (secret: string, kid?: string): Promise<string> => sign(CLAIMS, 'HS256', Buffer.from(secret), kid);
  t.match(await auth.verify(await signed(SECRET, 'old')), { user: 'alice' });
  t.match(await auth.verify(await signed(`${SECRET} new`)), { user: 'alice' }, 'without a kid every key is tried');
  await t.rejects(auth.verify(await signed(SECRET, 'new')), refused(/signature/));
  await t.rejects(auth.verify(await signed(SECRET, 'other')), refused(/no key/));
});

t.test('key files and key sets', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const rsa = await generateKeyPair('RS256', { extractable: true });
  const ed = await generateKeyPair('EdDSA', { extractable: true });
  const set = { keys: [{ ...(await exportJWK(rsa.publicKey)), kid: 'r' }, { ...(await exportJWK(ed.publicKey)), kid: 'e', alg: 'EdDSA' }] };
  const auth = await authenticator([
    { jwksFile: file('set.json', JSON.stringify(set)) },
    { alg: 'HS256', secretFile: file('secret', `${SECRET}\n`) },
  ]);
  t.match(await auth.verify(await sign(CLAIMS, 'RS256', rsa.privateKey, 'r')), { user: 'alice' });
  t.match(await auth.verify(await sign(CLAIMS, 'EdDSA', ed.privateKey, 'e')), { user: 'alice' });
  t.match(await auth.verify(await hs(CLAIMS)), { user: 'alice' });
  const small = await exportSPKI((await generateKeyPair('RS256', { extractable: true, modulusLength: 2048 })).publicKey);
  const bad: readonly (readonly [RawConfig, RegExp])[] = [
    [{ alg: 'HS256', secret: 'short' }, /at least 32 bytes, got 5/],
    [{ alg: 'HS256', secretFile: join(folder, 'none') }, /cannot be read \(ENOENT\)/],
    [{ alg: 'EdDSA', publicKey: small }, /expected a public key for EdDSA/],
    [{ alg: 'RS256', publicKey: 'not a key' }, /expected a public key for RS256/],
    [{ alg: 'RS256', publicKey: await exportPKCS8(rsa.privateKey) }, /private one/],
    [{ jwksFile: file('bad.json', '{') }, /is not JSON/],
    [{ jwksFile: file('none.json', '{}') }, /no JSON Web Key Set/],
    [{ jwksFile: file('private.json', JSON.stringify({ keys: [await exportJWK(ed.privateKey)] })) }, /private one/],
    [{ jwksFile: file('mixed.json', JSON.stringify({ keys: [{ ...set.keys[0], alg: 'HS256' }] })) }, /expected a key for/],
    [{ jwksFile: file('ec.json', JSON.stringify({ keys: [{ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }] })) }, /expected a key for/],
  ];
  for (const [key, message] of bad) {
    await t.rejects(authenticator([key]), { code: 'SLUICE_CONFIG', message, path: /^auth.keys\[0\]/ }, message.source);
  }
});
