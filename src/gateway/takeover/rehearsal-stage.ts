/** A takeover in a rehearsal: what an engine would tell of many clients, adopted by tables that nobody uses. */

import { parseSnapshot, SNAPSHOT_MAGIC } from '../../engine/snapshot.js';
import { ChannelRegistry } from '../../sequence/channels.js';
import { encodeSessionNote } from '../../session/session-note.js';
import { Subscriptions } from '../../session/subscriptions.js';
import { SessionTable } from '../../session/table.js';
import { channelNote, fillTables, type Tables } from './adopt.js';

const ROWS = 6000;
/** So many channels that the tables grow. */
const PER_CHANNEL = 8;

const name = (channelId: number): string => `rehearsal-${channelId}`;

export class Stage {
  readonly #snapshot = makeSnapshot(ROWS);

  takeOver(): void {
    fillTables(makeTables(ROWS), parseSnapshot(this.#snapshot, 1, ROWS));
  }
}

/** Over a log that has whatever is asked of it. */
export function makeTables(rows: number): Tables {
  const log = {
    openChannel: (channel: string) => ({ id: Number(channel.split('-')[1]), name: channel, epoch: 'e', headSeq: 0, oldestSeq: 1 }),
    adoptChannel: () => null,
    findChannel: () => null,
    recentHead: () => null,
  };
  const channels = new ChannelRegistry({ log, ephemeral: () => true, clocked: () => false, now: () => 0, idleMs: 0 });
  return { channels, sessions: new SessionTable(rows), subscriptions: new Subscriptions(rows), end: () => undefined };
}

/** What is special in real ones is in some of these: code that was compiled without having seen it would have to be given up. */
function randomWords(): Uint32Array {
  return Uint32Array.from({ length: 4 }, () => Math.random() * 2 ** 32);
}

/** Of one core's clients, a multiple of 8; native/core/snapshot.hpp names the format. */
export function makeSnapshot(clients: number): Buffer {
  const channelCount = clients / PER_CHANNEL;
  const notes: Buffer[] = [];
  let noteBytes = 0;
  const keep = (note: Buffer): [offset: number, length: number] => {
    const offset = noteBytes;
    notes.push(note, Buffer.alloc(-note.length & 3));
    noteBytes += note.length + (-note.length & 3);
    return [offset, note.length];
  };
  const rows: number[] = [];
  const live: number[] = [];
  const published: number[] = [];
  const channels: number[] = [];
  for (let slot = 0; slot < clients; slot += 1) {
    rows.push(slot, 1, 0, ...keep(encodeSessionNote({
      id: randomWords(), user: slot % 2 === 0 ? null : `user-${slot}`, read: ['*'], write: slot % 16 === 0 ? ['*', 'a.*'] : ['*'],
      expiresAt: slot % 4 === 1 ? Math.floor(Date.now() / 1000) + slot : 0, leaseUntil: Date.now() + slot,
      sessionGeneration: 1 + (slot % 3), unconfirmed: slot % 5 === 0,
    })));
    live.push(slot, 1 + Math.floor(slot / PER_CHANNEL));
  }
  for (let id = 1; id <= channelCount; id += 1) {
    published.push(id, 1, 0);
    channels.push(id, ...keep(channelNote({ name: name(id), epoch: 'e', publishedSeq: 0 }, false)));
  }
  const head = [SNAPSHOT_MAGIC, 0, 0, 0, 0, clients, clients, 0, 0, channelCount, channelCount, noteBytes];
  return Buffer.concat([Buffer.from(Uint32Array.from([...head, ...rows, ...live, ...published, ...channels]).buffer), ...notes]);
}
