import { createHmac, randomBytes } from 'node:crypto';
import t from 'tap';
import { Hmac } from '../../../src/session/hmac.js';

t.test('RFC 4231, test cases 1 and 2', async (t) => {
  const first = new Hmac(Buffer.alloc(20, 0x0b));
  t.equal(first.digest('Hi There').toString('hex'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7');
  const second = new Hmac(Buffer.from('Jefe'));
  const wanted = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843';
  t.equal(second.digest('what do ya want for nothing?').toString('hex'), wanted);
});

t.test('as node:crypto has it, for every length around the borders of blocks', async (t) => {
  for (const keyBytes of [1, 32, 63, 64]) {
    const key = randomBytes(keyBytes);
    const hmac = new Hmac(key);
    for (let length = 0; length < 300; length += 1) {
      const text = randomBytes(length).toString('base64url').slice(0, length);
      const wanted = createHmac('sha256', key).update(text).digest('hex');
      const got = hmac.digest(text).toString('hex');
      if (got !== wanted) return t.equal(got, wanted, `${length} bytes, a key of ${keyBytes}`);
    }
  }
  t.throws(() => new Hmac(Buffer.alloc(65)), RangeError);
});
