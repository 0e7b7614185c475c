/** Who is in a channel, over all nodes: each tells the board its own share when it changes, and again before that counts as old. */

import type { NodeDirectory, NodeRecord, PresenceBoard, PresenceShare } from '../store/cluster-store.js';

export interface LocalPresence {
  readonly count: number;
  readonly members: readonly string[];
}

export interface PresenceOptions {
  readonly board: PresenceBoard;
  readonly directory: Pick<NodeDirectory, 'list'>;
  /** Nodes that live as far as this one knows. */
  readonly nodes: () => readonly NodeRecord[];
  readonly node: string;
  /** Who has this node's connections. */
  readonly holder: string;
  /** Members that are told, at most. */
  readonly membersMax: number;
  /** A share that was not told again for so long counts no more, whatever its node says. */
  readonly leaseMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly count: (channelId: number) => number;
  readonly local: (channelId: number) => LocalPresence;
}

interface Told {
  readonly count: number;
  readonly members: string;
  readonly at: number;
}

const REPORTS_AT_ONCE = 64;

export class Presence {
  readonly #options: PresenceOptions;
  readonly #told = new Map<string, Told>();
  #telling = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** Everybody, this node's by what it knows itself. Rejects with StoreError. */
  async of(name: string, channelId: number | null): Promise<LocalPresence> {
    const { board, node, membersMax, now, local } = this.#options;
    const others = await this.#living((await board.list(name, now())).filter((share) => share.node !== node));
    const own = channelId === null ? { count: 0, members: [] } : local(channelId);
    const shares = [own, ...others];
    return {
      count: shares.reduce((sum, { count }) => sum + count, 0),
      members: shares.flatMap(({ members }) => members).slice(0, membersMax),
    };
  }

  /** Shares of nodes whose lease has not ended, and that did not start anew. Of those that are not known here the directory knows. */
  async #living(shares: readonly PresenceShare[]): Promise<readonly PresenceShare[]> {
    const { directory, nodes, now } = this.#options;
    const known = nodes();
    if (shares.every((share) => isHeld(share, known))) return shares;
    const all = await directory.list(now());
    return shares.filter((share) => isHeld(share, all));
  }

  /** Tells what changed. Never rejects: what fails is told the next time. */
  async tick(channels: Iterable<{ readonly id: number; readonly name: string }>): Promise<void> {
    if (this.#telling) return;
    this.#telling = true;
    let reports: Promise<void>[] = [];
    const gone = new Set(this.#told.keys());
    for (const { id, name } of channels) {
      gone.delete(name);
      const report = this.#report(name, id);
      if (report !== null) reports.push(report);
      if (reports.length < REPORTS_AT_ONCE) continue;
      await Promise.all(reports);
      reports = [];
    }
    for (const name of gone) reports.push(this.#tell(name, { count: 0, members: [] }));
    await Promise.all(reports);
    this.#telling = false;
  }

  /** Takes this node off every channel. */
  async stop(): Promise<void> {
    await Promise.all([...this.#told.keys()].map((name) => this.#tell(name, { count: 0, members: [] })));
  }

  #report(name: string, id: number): Promise<void> | null {
    const { count, local, now, leaseMs } = this.#options;
    const told = this.#told.get(name);
    const present = count(id);
    if (present === 0 && told === undefined) return null;
    const share = present === 0 ? { count: 0, members: [] } : local(id);
    const same = told?.count === share.count && told.members === share.members.join('\n');
    return same && now() - told.at < leaseMs / 3 ? null : this.#tell(name, share);
  }

  async #tell(name: string, { count, members }: LocalPresence): Promise<void> {
    const { board, node, holder, now, leaseMs } = this.#options;
    const at = now();
    const share: PresenceShare = { node, holder, count, members, until: at + leaseMs };
    try {
      await board.report(name, share);
    } catch {
      return;
    }
    if (count === 0) this.#told.delete(name);
    else this.#told.set(name, { count, members: members.join('\n'), at });
  }
}

function isHeld({ node, holder }: PresenceShare, nodes: readonly NodeRecord[]): boolean {
  return nodes.some((record) => record.node === node && record.holder === holder);
}
