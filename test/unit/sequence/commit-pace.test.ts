import t from 'tap';
import type { Publication } from '../../../src/sequence/batch.js';
import { CommitPace } from '../../../src/sequence/commit-pace.js';

const from = (...senders: string[]): Publication[] => senders.map((sender) => ({ sender }) as Publication);

/** One commit after the other, each of one message; returns how long behind its beginning the next one may begin. */
function play(pace: CommitPace, commits: number, everyMs: number, sender: (commit: number) => string): number {
  let wait = 0;
  for (let commit = 0; commit < commits; commit++) wait = pace.next(from(sender(commit)), commit * everyMs) - commit * everyMs;
  return Math.round(wait * 1000) / 1000;
}

t.test('what many senders publish within a millisecond shares a commit', async (t) => {
  t.equal(play(new CommitPace(), 40, 0.6, (commit) => `user ${commit}`), 1);
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
  t.equal(pace.next(from('later'), 1000), 1000, 'behind a pause');
});

t.test('a commit of eight is load, whoever they are from', async (t) => {
  const eight = from(...new Array<string>(8).fill('ann'));
  t.equal(new CommitPace().next(eight, 10), 11);
  t.equal(new CommitPace().next(eight.slice(1), 10), 10, 'seven are not');
});

t.test('a pause ends with a turn from its time on, and by itself where none ends', async (t) => {
  const pace = new CommitPace();
  let ended = false;
  const paused = pace.pause(5000, 0).then(() => (ended = true));
  pace.endTurn(4999.9);
  await new Promise(setImmediate);
  t.notOk(ended, 'before its time');
  pace.endTurn(5000);
  await paused;
  pace.endTurn(5001);
  await pace.pause(1, 0);
});
