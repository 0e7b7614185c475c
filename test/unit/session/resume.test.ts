import { chmodSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { judgeResume, type ResumeVerdict, type Resumer } from '../../../src/session/resume.js';
import { ResumeTokens } from '../../../src/session/resume-token.js';
import { loadSessionSecret } from '../../../src/session/secret.js';
import { formatSessionId, randomSessionId } from '../../../src/store/sessions/session-id.js';
import type { SessionRecord } from '../../../src/store/sessions/session-store.js';

const NOW = 1_800_000_000_000;
const tokens = new ResumeTokens(Buffer.alloc(32, 1));
const id = formatSessionId(randomSessionId());
const claims = { session: id, user: 'alice', generation: 3 };

t.test('a token says what was signed', async (t) => {
  t.same(tokens.verify(tokens.sign(claims)), claims);
  t.same(tokens.verify(tokens.sign({ ...claims, user: null })), { ...claims, user: null });
});

t.test('forged and damaged tokens are refused', async (t) => {
  const token = tokens.sign(claims);
  t.equal(new ResumeTokens(Buffer.alloc(32, 2)).verify(token), null, 'of another secret');
  const [payload = '', mac = ''] = token.split('.');
  const other = Buffer.from(JSON.stringify([2, id, 'mallory', 3])).toString('base64url');
  t.equal(tokens.verify(`${other}.${mac}`), null, 'another statement');
  for (const bad of ['', '.', payload, `${payload}.`, `.${mac}`, `${payload}.${mac}x`, `${payload}.${mac.slice(1)}`, 'x'.repeat(5000)]) {
    t.equal(tokens.verify(bad), null, JSON.stringify(bad.slice(0, 20)));
  }
  for (let i = 0; i < token.length; i += 1) {
    const flipped = token.slice(0, i) + (token[i] === 'A' ? 'B' : 'A') + token.slice(i + 1);
    // The last character of the MAC has bits that base64 ignores.
    if (i < token.length - 1 && tokens.verify(flipped) !== null) t.fail(`character ${i}`);
  }
});

t.test('which token goes on with which session', async (t) => {
  const record: SessionRecord = {
    id, user: 'alice', device: 'phone', generation: 3, previous: 2, previousUntil: NOW + 1000, owner: null, leaseUntil: 0,
    expiresAt: NOW + 60_000, forgetAt: NOW + 120_000, ended: false, lastSeenMessageId: null, cursors: [],
  };
  const alice = { user: 'alice', device: null };
  const judge = (over: Partial<SessionRecord> | null, generation = 3, resumer: Resumer = alice, now = NOW): ResumeVerdict => {
    return judgeResume({ ...claims, generation }, over === null ? null : { ...record, ...over }, resumer, now);
  };
  t.same(judge({}), { do: 'claim', expected: 3, previous: 3, next: 4 });
  t.same(judge({}, 2), { do: 'claim', expected: 3, previous: 2, next: 4 }, 'the one before, as its welcome may be lost');
  t.same(judge({}, 3, { user: 'alice', device: 'phone' }), { do: 'claim', expected: 3, previous: 3, next: 4 });
  t.same(judge({}, 5), { do: 'claim', expected: 3, previous: 5, next: 6 }, 'one that the store lost: no other is given out again');
  const refused: readonly (readonly [string, ResumeVerdict, number, RegExp])[] = [
    ['replayed', judge({}, 1), 4003, /used before/],
    ['the one before, too late', judge({}, 2, alice, NOW + 1000), 4003, /used before/],
    ['the one before, but the last was confirmed', judge({ previous: 0, previousUntil: 0 }, 2), 4003, /used before/],
    ['stolen by another user', judge({}, 3, { user: 'mallory', device: null }), 4003, /another user/],
    ['stolen by nobody', judge({}, 3, { user: null, device: null }), 4003, /another user/],
    ['of another device', judge({}, 3, { user: 'alice', device: 'tablet' }), 4003, /another device/],
    ['expired', judge({}, 3, alice, NOW + 60_000), 4004, /expired/],
    ['forgotten', judge(null), 4004, /expired/],
    ['ended', judge({ ended: true }), 4004, /ended/],
  ];
  for (const [name, verdict, code, reason] of refused) t.match(verdict, { do: 'refuse', code, reason }, name);
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
  writeFileSync(path, Buffer.alloc(32));
  t.throws(() => loadSessionSecret(folder), { code: 'SLUICE_DATA_FOLDER', message: /zeros/, remedy: /Delete/ }, 'what anybody could guess');
  t.same(loadSessionSecret(join(folder, 'a', 'b', 'c')).length, 32, 'folders above are made');
  t.throws(() => loadSessionSecret('/proc/none/such'), { code: 'SLUICE_DATA_FOLDER', path: '/proc/none/such/session.secret' });
  writeFileSync(join(folder, 'file'), '');
  t.throws(() => loadSessionSecret(join(folder, 'file')), { code: 'SLUICE_DATA_FOLDER', path: /file/ });
});
