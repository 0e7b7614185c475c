import t from 'tap';
import { ChannelFeed, type FeedEffect } from '../../../src/cluster/feed.js';
import type { SharedNews } from '../../../src/store/shared-log.js';
import type { FrameRun } from '../../../src/store/types.js';
import { seeded } from '../../support/random.js';

/** One byte a message: its number. */
function frames(first: number, last: number): Buffer {
  return Buffer.from(Array.from({ length: last - first + 1 }, (_, i) => (first + i) % 256));
}

function news(firstSeq: number, lastSeq: number, epoch = 'e'): SharedNews {
  return { channel: 'c', node: 'n', epoch, firstSeq, lastSeq, lamport: 1, frames: frames(firstSeq, lastSeq) };
}

function run(firstSeq: number, lastSeq: number): FrameRun {
  const count = lastSeq - firstSeq + 1;
  return { firstSeq, lastSeq, frames: frames(firstSeq, lastSeq), ends: Uint32Array.from({ length: count }, (_, i) => i + 1) };
}

const brief = (effects: FeedEffect[]): string =>
  effects.map((effect) => ('fromSeq' in effect ? `${effect.kind} ${effect.fromSeq}-${effect.toSeq}` :
    'firstSeq' in effect ? `${effect.kind} ${effect.firstSeq}-${effect.lastSeq}` : effect.kind)).join(', ');

const feedAt = (headSeq: number): ChannelFeed => new ChannelFeed({ epoch: 'e', headSeq, oldestSeq: 1, lastId: '' });

t.test('news in order are delivered at once, doubles are not', async (t) => {
  const feed = feedAt(5);
  t.equal(brief(feed.onNews(news(6, 7))), 'deliver 6-7');
  t.equal(brief(feed.onNews(news(6, 7))), '');
  t.equal(brief(feed.onNews(news(8, 8))), 'deliver 8-8');
});

t.test('a gap is read once, and what came ahead follows', async (t) => {
  const feed = feedAt(5);
  t.equal(brief(feed.onNews(news(9, 9))), 'fetch 6-8');
  t.equal(brief(feed.onNews(news(11, 12))), '');
  t.equal(brief(feed.onFetched(6, 8, run(6, 8))), 'deliver 6-8, deliver 9-9, fetch 10-10');
  t.equal(brief(feed.onFetched(10, 10, run(10, 12))), 'deliver 10-12');
  t.notOk(feed.behind);
});

t.test('what news brought while the gap was read is not delivered again', async (t) => {
  const feed = feedAt(0);
  t.equal(brief(feed.onNews(news(3, 3))), 'fetch 1-2');
  t.equal(brief(feed.onNews(news(1, 2))), 'deliver 1-2, deliver 3-3');
  t.equal(brief(feed.onFetched(1, 2, run(1, 5))), 'deliver 4-5');
});

t.test('what is gone is said', async (t) => {
  const feed = feedAt(2);
  t.equal(brief(feed.onHead(9)), 'fetch 3-9');
  t.equal(brief(feed.onFetched(3, 9, run(6, 9))), 'lost 3-5, deliver 6-9');
  t.equal(brief(feed.onHead(10)), 'fetch 10-10');
  t.equal(brief(feed.onFetched(10, 10, null)), 'lost 10-10');
});

t.test('own publishes wait for their news, and are read when these do not come', async (t) => {
  const feed = feedAt(0);
  t.equal(brief(feed.onPublished('e', 1)), '');
  t.ok(feed.behind);
  t.equal(brief(feed.onNews(news(1, 1))), 'deliver 1-1');
  t.equal(brief(feed.overdue()), '');
  feed.onPublished('e', 2);
  t.equal(brief(feed.overdue()), 'fetch 2-2');
  feed.onFetchFailed();
  t.equal(brief(feed.overdue()), 'fetch 2-2');
});

t.test('only the log says that a new life began', async (t) => {
  const feed = feedAt(5);
  t.equal(brief(feed.onNews(news(6, 6, 'f'))), 'check');
  t.equal(brief(feed.onPublished('f', 7)), 'check');
  t.equal(feed.deliveredSeq, 5);
  t.notOk(feed.behind);
});

t.test('what cannot be taken now is read later', async (t) => {
  const feed = feedAt(5);
  t.equal(brief(feed.onSkipped(news(6, 9))), '');
  t.ok(feed.behind);
  t.equal(brief(feed.overdue()), 'fetch 6-9');
});

/** A log of one channel, news that are lost, doubled and late, reads that fail: what is delivered must be 1, 2, 3, … */
function simulate(seed: number, broken: (effect: FeedEffect) => FeedEffect | null = (effect) => effect): string {
  const { below } = seeded(seed);
  const feed = feedAt(0);
  const delivered: number[] = [];
  const inFlight: SharedNews[] = [];
  let head = 0;
  let fetch: { fromSeq: number; toSeq: number } | null = null;
  const apply = (effects: FeedEffect[]): void => {
    for (const given of effects) {
      const effect = broken(given);
      if (effect?.kind === 'deliver') delivered.push(...effect.frames);
      else if (effect?.kind === 'fetch') {
        if (fetch !== null) throw new Error('two fetches at once');
        fetch = { fromSeq: effect.fromSeq, toSeq: effect.toSeq };
      } else if (effect?.kind === 'lost') throw new Error('nothing was lost');
    }
  };
  const answer = (): void => {
    if (fetch === null) return;
    const { fromSeq, toSeq } = fetch;
    fetch = null;
    if (below(4) === 0) feed.onFetchFailed();
    else apply(feed.onFetched(fromSeq, toSeq, fromSeq > head ? null : run(fromSeq, Math.min(head, fromSeq + below(6)))));
  };
  const publish = (): void => {
    const first = head + 1;
    head += 1 + below(4);
    if (below(3) > 0) inFlight.push(news(first, head));
    if (below(5) === 0) inFlight.push(news(first, head));
    if (below(3) === 0) apply(feed.onPublished('e', head));
  };
  for (let step = 0; step < 300; step++) {
    const what = below(5);
    if (what === 0 && head < 200) publish();
    else if (what === 1) answer();
    else if (what === 2 && below(6) === 0) apply(feed.overdue());
    else if (inFlight.length > 0) apply(feed.onNews(inFlight.splice(below(Math.min(3, inFlight.length)), 1)[0] as SharedNews));
  }
  for (let round = 0; round < 400 && (feed.behind || feed.deliveredSeq < head); round++) {
    apply(feed.onHead(head));
    answer();
  }
  const expected = Array.from({ length: head }, (_, i) => i + 1);
  return delivered.join() === expected.join() ? '' : `seed ${seed}: ${delivered.join()}`;
}

t.test('whatever happens to news, what is delivered is dense', async (t) => {
  t.same(Array.from({ length: 2000 }, (_, seed) => simulate(seed)).filter((wrong) => wrong !== ''), []);
  const skips = (effect: FeedEffect): FeedEffect | null => (effect.kind === 'deliver' && effect.firstSeq === 20 ? null : effect);
  t.ok(Array.from({ length: 50 }, (_, seed) => simulate(seed, skips)).some((wrong) => wrong !== ''), 'a skipped delivery is caught');
});
