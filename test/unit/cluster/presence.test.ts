/** Who is in a channel over several nodes, of which some die, start anew or are not heard of yet. */
import t from 'tap';
import { Presence } from '../../../src/cluster/presence.js';
import { StoreError } from '../../../src/errors.js';
import type { NodeRecord, PresenceBoard, PresenceShare } from '../../../src/store/cluster-store.js';
import { MemoryDirectory } from '../../support/memory-directory.js';

const NOW = 1_800_000_000_000;
const LEASE_MS = 30_000;

class Board implements PresenceBoard {
  readonly shares: PresenceShare[] = [];

  async report(_channel: string, share: PresenceShare): Promise<void> {
    this.shares.push(share);
  }

  async list(_channel: string, now: number): Promise<readonly PresenceShare[]> {
    return this.shares.filter(({ until }) => until > now);
  }
}

const record = (node: string, holder: string, until: number): NodeRecord =>
  ({ node, instance: holder, holder, region: '', url: '', state: 'serving', connections: 1, load: 0, until });
const share = (node: string, holder: string): PresenceShare =>
  ({ node, holder, count: 2, members: [`${node} of ${holder}`], until: NOW + LEASE_MS });

interface Made {
  readonly presence: Presence;
  readonly board: Board;
  readonly directory: MemoryDirectory;
  /** How often the directory was. */
  asked(): number;
  set(now: number): void;
}

function make(nodes: readonly NodeRecord[] = []): Made {
  let now = NOW;
  let asked = 0;
  const board = new Board();
  const directory = new MemoryDirectory();
  const presence = new Presence({
    board, node: 'n1', holder: 'here', membersMax: 10, leaseMs: LEASE_MS, now: () => now,
    directory: { list: (at) => ((asked += 1), directory.list(at)) },
    nodes: () => nodes.filter(({ until }) => until > now),
    count: () => 1,
    local: () => ({ count: 1, members: ['me'] }),
  });
  return { presence, board, directory, asked: () => asked, set: (at) => void (now = at) };
}

t.test('nodes that are known to live count, and nobody is asked', async (t) => {
  const { presence, board, asked } = make([record('n2', 'a', NOW + 10_000)]);
  board.shares.push(share('n2', 'a'));
  t.same(await presence.of('room', 7), { count: 3, members: ['me', 'n2 of a'] });
  t.equal(asked(), 0);
});

t.test('members of a node are gone with its lease, not with the share', async (t) => {
  const { presence, board, set } = make([record('n2', 'a', NOW + 10_000)]);
  board.shares.push(share('n2', 'a'));
  set(NOW + 9_999);
  t.match(await presence.of('room', 7), { count: 3 });
  set(NOW + 10_000);
  t.match(await presence.of('room', 7), { count: 1 });
});

t.test('a node that this one has not heard of counts where the directory has it', async (t) => {
  const { presence, board, directory, asked } = make();
  board.shares.push(share('n2', 'a'), share('n3', 'b'));
  directory.records.set('n2', record('n2', 'a', NOW + 10_000));
  t.same(await presence.of('room', null), { count: 2, members: ['n2 of a'] });
  t.equal(asked(), 1);
  directory.down = true;
  await t.rejects(presence.of('room', null), StoreError, 'and where it cannot be asked, nobody guesses');
});

t.test('what a node told before it started anew does not count', async (t) => {
  const { presence, board, directory } = make();
  board.shares.push(share('n2', 'a'));
  directory.records.set('n2', record('n2', 'its next process', NOW + 10_000));
  t.match(await presence.of('room', null), { count: 0 });
  board.shares.push(share('n2', 'its next process'));
  t.match(await presence.of('room', null), { count: 2 });
});

t.test('a share says who has the connections', async (t) => {
  const { presence, board } = make();
  await presence.tick([{ id: 7, name: 'room' }]);
  t.same(board.shares, [{ node: 'n1', holder: 'here', count: 1, members: ['me'], until: NOW + LEASE_MS }]);
});
