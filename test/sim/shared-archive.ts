/** The shared log as nodes archive it: which channels have messages to move, who sees to which, and what may be let go of. */

import { idsOfFrames } from '../../src/store/delivery-frame.js';
import type { HistorySegment } from '../../src/store/history-store.js';
import type { ArchiveShare, MarkedChannel, SharedArchive } from '../../src/store/archive/shared-archive.js';
import { runOf, trim, type Run, type SharedBacking } from './shared-stores.js';

/** `owner`: unlike that of any other life. */
export function archiveOf(backing: SharedBacking, run: Run, owner: string, now: () => number): SharedArchive {
  const { marks } = backing;
  return {
    mark: (channels) => run(() => channels.forEach((channel) => void marks.set(channel, now()))),
    marked: (ageMs, count) => run(() => {
      const old = [...marks].filter(([, at]) => at <= now() - ageMs).sort(([, a], [, b]) => a - b);
      return old.slice(0, count).map(([channel, at]): MarkedChannel => ({ channel, mark: String(at) }));
    }),
    settle: ({ channel, mark }) => run(() => {
      if (String(marks.get(channel)) === mark) marks.delete(channel);
    }),
    take: (name, leaseMs) => run((): ArchiveShare | null => {
      const channel = backing.channels.get(name);
      if (channel === undefined) return { epoch: '', archivedSeq: 0, headSeq: 0, dropped: 0 };
      const { archiver, epoch, archivedSeq, messages } = channel;
      if (archiver !== null && archiver.owner !== owner && archiver.until > now()) return null;
      channel.archiver = archivedSeq < messages.length ? { owner, until: now() + leaseMs } : null;
      return { epoch, archivedSeq, headSeq: messages.length, dropped: 0 };
    }),
    read: (name, epoch, fromSeq, count) => run((): HistorySegment | null => {
      const { firstSeq, messages } = backing.open(name);
      const from = Math.max(fromSeq, firstSeq);
      const part = messages.slice(from - 1, from - 1 + count);
      const found = runOf(part);
      if (found === null) return null;
      const serverTs = part.map((message) => message.serverTs);
      const { ends, frames } = found;
      return { channel: name, epoch, firstSeq: found.firstSeq, ends, frames: Buffer.from(frames), serverTs, ids: idsOfFrames(found) };
    }),
    archived: (name, epoch, seq) => run(() => {
      const channel = backing.open(name);
      if (channel.epoch !== epoch) return;
      channel.archivedSeq = Math.max(channel.archivedSeq, seq);
      if (channel.archivedSeq >= channel.messages.length) channel.archiver = null;
      trim(channel);
    }),
  };
}
