import type { LogEntry } from '../../../src/store/types.js';

/** A log entry with everything made up from (channel, seq); fields can be overridden. */
export function entry(channelId: number, seq: number, more: Partial<LogEntry> = {}): LogEntry {
  return {
    channelId,
    seq,
    id: String(7_000_000_000_000_000_000n + BigInt(seq) * 10n),
    serverTs: 1_750_000_000_000 + seq,
    lamport: seq * 3,
    sender: 'ann',
    key: `k${String(seq).padStart(8, '0')}`,
    frame: frameOf(channelId, seq),
    ...more,
  };
}

/** Of varying length, and telling what it is. */
export const frameOf = (channelId: number, seq: number): Uint8Array => Buffer.from(`<${channelId}:${seq}${'.'.repeat(seq % 17)}>`);

export function entries(channelId: number, from: number, to: number, more: Partial<LogEntry> = {}): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(channelId, from + i, more));
}
