import t from 'tap';

import { parsePeer } from '../../../src/cli/stat-connections.js';
import { UsageError } from '../../../src/errors.js';

t.test('a peer is an address, a port or both', (t) => {
  t.same(parsePeer('192.0.2.7'), { address: '192.0.2.7', port: 0 });
  t.same(parsePeer(':40000'), { address: null, port: 40_000 });
  t.same(parsePeer('192.0.2.7:40000'), { address: '192.0.2.7', port: 40_000 });
  t.same(parsePeer('2001:db8::7'), { address: '2001:db8::7', port: 0 });
  t.same(parsePeer('[2001:db8::7]:40000'), { address: '2001:db8::7', port: 40_000 });
  for (const wrong of ['', ':', ':0', 'example.org', '192.0.2', '192.0.2.7:70000', '192.0.2.7:http', '[192.0.2.7']) {
    t.throws(() => parsePeer(wrong), UsageError, wrong);
  }
  t.end();
});
