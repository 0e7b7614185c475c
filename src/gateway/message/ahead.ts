/**
 * What an operation needs of a shared log, asked for before it runs, so that it runs in one step like on a log of this node's own.
 */

import type { Row } from '../../engine/port.js';
import type { Lookups } from '../../cluster/lookups.js';
import type { SharedChannels } from '../../cluster/shared-channels.js';
import type { SessionTable } from '../../session/table.js';
import type { ReplaySource } from '../../sync/types.js';
import { readChannel, readPosition, type Position } from './fields.js';
import { HeaderFault, type Header } from './header.js';

export interface AheadParts {
  readonly channels: SharedChannels;
  readonly lookups: Lookups;
  readonly source: ReplaySource;
  readonly sessions: Pick<SessionTable, 'canRead' | 'canWrite'>;
}

/** Which message of a position is looked for: the first after it, or the first that is not before it. */
type Edge = 'after' | 'from';

export class Ahead {
  readonly #parts: AheadParts;

  constructor(parts: AheadParts) {
    this.#parts = parts;
  }

  /** Null when the operation can run now; what is wrong with it, it finds out itself. Rejects with StoreError. */
  operation(row: Row, header: Header): Promise<void> | null {
    const { sessions } = this.#parts;
    const name = readChannel(header.channel);
    if (name instanceof HeaderFault) return null;
    switch (header.op) {
      case 'pub':
        return sessions.canWrite(row, name) ? this.channel(name, true) : null;
      case 'sub':
        return sessions.canRead(row, name) ? this.#at(name, true, positionOf(header.since), 'after') : null;
      case 'history':
        if (!sessions.canRead(row, name)) return null;
        return isGiven(header.before)
          ? this.#at(name, false, positionOf(header.before), 'from')
          : this.#at(name, false, positionOf(header.after), 'after');
      case 'seen':
        return sessions.canRead(row, name) ? this.#seen(name, positionOf(header.position ?? header)) : null;
      default:
        return null;
    }
  }

  /** Null when the channel is at hand, or is not there and is not to be made. */
  channel(name: string, make: boolean): Promise<void> | null {
    return this.#parts.channels.prepare(name, make);
  }

  /** Channels with the positions to go on from. */
  async positions(wanted: Iterable<readonly [string, Position]>): Promise<void> {
    await Promise.all([...wanted].map(([name, position]) => this.#at(name, true, position, 'after')));
  }

  #at(name: string, make: boolean, position: Position | null, edge: Edge): Promise<void> | null {
    const opening = this.channel(name, make);
    if (opening !== null) return opening.then(() => this.#locate(name, position, edge) ?? undefined);
    return this.#locate(name, position, edge);
  }

  #locate(name: string, position: Position | null, edge: Edge): Promise<void> | null {
    const { channels, lookups } = this.#parts;
    const id = channels.findChannel(name)?.id;
    if (id === undefined || position === null) return null;
    switch (position.kind) {
      case 'seq':
        return channels.reach(name, position.epoch, position.seq);
      case 'ts':
        return this.#found(
          name, lookups.findTs(id, name, position.ts), edge === 'after' ? lookups.findTs(id, name, position.after) : null,
        );
      case 'id':
        return this.#found(name, lookups.findId(id, name, String(edge === 'after' ? position.id + 1n : position.id)));
    }
  }

  /** Whether messages between a place and the oldest are gone is judged by what is the oldest behind the search. */
  async #found(name: string, ...searches: (Promise<void> | null)[]): Promise<void> {
    await Promise.all(searches);
    await this.#parts.channels.refreshOldest(name);
  }

  /** `seen` looks at the message itself, for its id. */
  #seen(name: string, position: Position | null): Promise<void> | null {
    const channel = this.#at(name, false, position, 'after');
    if (channel !== null || position?.kind !== 'seq') return channel;
    const id = this.#parts.channels.findChannel(name)?.id;
    if (id === undefined) return null;
    const message = this.#parts.source.read(id, position.seq, position.seq, 1);
    return message instanceof Promise ? message : null;
  }
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function positionOf(value: unknown): Position | null {
  if (!isGiven(value)) return null;
  const position = readPosition(value, 'position');
  return position instanceof HeaderFault ? null : position;
}
