import t from 'tap';
import type { Publication } from '../../../src/sequence/batch.js';
import { CommitPace } from '../../../src/sequence/commit-pace.js';

const from = (...senders: string[]): Publication[] => senders.map((sender) => ({ sender }) as Publication);

/** One commit after the other, each of one message and 0.2 ms long; returns what the last one is followed by. */
function play(pace: CommitPace, commits: number, everyMs: number, sender: (commit: number) => string): number {
  let wait = 0;
  for (let commit = 0; commit < commits; commit++) wait = pace.wait(from(sender(commit)), commit * everyMs, commit * everyMs + 0.2);
  return wait;
}

t.test('what many senders publish within a millisecond shares a commit', async (t) => {
  const wait = play(new CommitPace(), 40, 0.6, (commit) => `user ${commit}`);
  t.ok(Math.abs(wait - 0.8) < 1e-6, `${wait} ms behind a commit that took 0.2`);
});

t.test('a few senders, who may wait for their answers, wait for nothing else', async (t) => {
  for (const senders of [1, 2, 4, 8]) {
    t.equal(play(new CommitPace(), 400, 0.3, (commit) => `user ${commit % senders}`), 0, `${senders} senders`);
  }
});

t.test('what comes seldom goes at once, from however many', async (t) => {
  t.equal(play(new CommitPace(), 100, 1.2, (commit) => `user ${commit}`), 0);
  const pace = new CommitPace();
  play(pace, 40, 0.6, (commit) => `user ${commit}`);
  t.equal(pace.wait(from('later'), 1000, 1000.2), 0, 'behind a pause');
});

t.test('a commit of eight is load, whoever they are from, and a long one has no wait behind it', async (t) => {
  const eight = from(...new Array<string>(8).fill('ann'));
  const wait = new CommitPace().wait(eight, 10, 10.25);
  t.ok(Math.abs(wait - 0.75) < 1e-6, `${wait} ms`);
  t.equal(new CommitPace().wait(eight, 10, 11.5), 0);
  t.equal(new CommitPace().wait(eight.slice(1), 10, 10.25), 0, 'seven are not');
});
