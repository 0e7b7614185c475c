import { headerLine, writeDelivery } from '../../../src/sequence/frame.js';
import type { LogEntry } from '../../../src/store/types.js';

type Overrides = Partial<LogEntry> & { readonly frame?: Buffer };

/** A log entry with everything made up from (channel, seq); fields can be overridden. */
export function entry(channelId: number, seq: number, more: Overrides = {}): LogEntry {
  const { frame = frameOf(channelId, seq), ...rest } = more;
  return {
    channelId,
    seq,
    id: String(7_000_000_000_000_000_000n + BigInt(seq) * 10n),
    serverTs: 1_750_000_000_000 + seq,
    lamport: seq * 3,
    sender: 'ann',
    key: `k${String(seq).padStart(8, '0')}`,
    memory: frame,
    address: 0,
    length: frame.length,
    ...rest,
  };
}

/** Of varying length, and telling what it is. */
export const frameOf = (channelId: number, seq: number): Buffer => Buffer.from(`<${channelId}:${seq}${'.'.repeat(seq % 17)}>`);

export function entries(channelId: number, from: number, to: number, more: Overrides = {}): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(channelId, from + i, more));
}

/** Entries whose frames are deliveries as the publisher makes them. */
export function deliveries(channelId: number, channel: string, from: number, to: number, serverTs: number): LogEntry[] {
  return entries(channelId, from, to).map((made) => {
    const { id, seq, lamport, sender } = made;
    const names = { channelJson: JSON.stringify(channel), senderJson: JSON.stringify(sender) };
    const line = headerLine({ ...names, id, seq, clientTs: null, serverTs, lamport, clock: '' });
    const lineBytes = Buffer.byteLength(line);
    const memory = Buffer.alloc(lineBytes + 120);
    const body = writeDelivery(memory, 0, line, lineBytes, 100, true);
    return { ...made, serverTs, memory, length: body + 100 };
  });
}
