import t from 'tap';
import { LAYOUT } from '../../../src/engine/layout.js';
import * as options from '../../../src/config/options.js';

const SECTIONS: readonly (readonly [string, Readonly<Record<string, options.Option<unknown>>>])[] = [
  ['', options.SERVER_OPTIONS], ['limits.', options.LIMIT_OPTIONS], ['log.', options.LOG_OPTIONS], ['session.', options.SESSION_OPTIONS],
  ['auth.', options.AUTH_OPTIONS], ['auth.keys[].', options.KEY_OPTIONS],
];

t.test('every default is a value that its option may have', async (t) => {
  for (const [prefix, section] of SECTIONS) {
    for (const [name, { kind, fallback }] of Object.entries(section)) t.same(kind.read(fallback), fallback, prefix + name);
  }
});

t.test('the region has room for as many cores as may be asked for', async (t) => {
  const { kind } = options.SERVER_OPTIONS.cores;
  t.equal(kind.read(LAYOUT.MAX_CORES), LAYOUT.MAX_CORES);
  t.equal(kind.read(LAYOUT.MAX_CORES + 1), undefined);
});
