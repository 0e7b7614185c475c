import { chmodSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ResumeTokens } from '../../../src/session/resume-token.js';
import { loadSessionSecret } from '../../../src/session/secret.js';
import { formatSessionId, randomSessionId } from '../../../src/session/session-id.js';

const NOW = 1_800_000_000;
const tokens = new ResumeTokens(Buffer.alloc(32, 1));
const claims = { session: randomSessionId(), user: 'alice', device: 'phone', expiresAt: NOW + 10 };

t.test('a token says what was signed', async (t) => {
  t.same(tokens.verify(tokens.sign(claims), NOW), claims);
  t.same(tokens.verify(tokens.sign({ ...claims, user: null, device: null }), NOW), { ...claims, user: null, device: null });
});

t.test('expired, forged and damaged tokens are refused', async (t) => {
  const token = tokens.sign(claims);
  t.equal(tokens.verify(token, NOW + 10), null, 'expired');
  t.equal(new ResumeTokens(Buffer.alloc(32, 2)).verify(token, NOW), null, 'of another secret');
  const [payload = '', mac = ''] = token.split('.');
  const other = Buffer.from(JSON.stringify([1, formatSessionId(claims.session), 'mallory', null, NOW + 10])).toString('base64url');
  t.equal(tokens.verify(`${other}.${mac}`, NOW), null, 'another statement');
  for (const bad of ['', '.', payload, `${payload}.`, `.${mac}`, `${payload}.${mac}x`, `${payload}.${mac.slice(1)}`, 'x'.repeat(5000)]) {
    t.equal(tokens.verify(bad, NOW), null, JSON.stringify(bad.slice(0, 20)));
  }
  for (let i = 0; i < token.length; i += 1) {
    const flipped = token.slice(0, i) + (token[i] === 'A' ? 'B' : 'A') + token.slice(i + 1);
    // The last character of the MAC has bits that base64 ignores.
    if (i < token.length - 1 && tokens.verify(flipped, NOW) !== null) t.fail(`character ${i}`);
  }
});

t.test('the secret is kept, for its owner only', async (t) => {
  const folder = join(mkdtempSync(join(tmpdir(), 'sluice-secret-')), 'data');
  const secret = loadSessionSecret(folder);
  t.equal(secret.length, 32);
  t.same(loadSessionSecret(folder), secret, 'the same at the next start');
  const path = join(folder, 'session.secret');
  t.equal(statSync(path).mode & 0o777, 0o600);
  chmodSync(path, 0o644);
  t.throws(() => loadSessionSecret(folder), { code: 'SLUICE_DATA_FOLDER', message: /others may read/, remedy: /chmod 600/ });
  chmodSync(path, 0o600);
  writeFileSync(path, 'short');
  t.throws(() => loadSessionSecret(folder), { code: 'SLUICE_DATA_FOLDER', message: /5 bytes/ });
  t.same(loadSessionSecret(join(folder, 'a', 'b', 'c')).length, 32, 'folders above are made');
  t.throws(() => loadSessionSecret('/proc/none/such'), { code: 'SLUICE_DATA_FOLDER', path: '/proc/none/such/session.secret' });
  writeFileSync(join(folder, 'file'), '');
  t.throws(() => loadSessionSecret(join(folder, 'file')), { code: 'SLUICE_DATA_FOLDER', path: /file/ });
});
