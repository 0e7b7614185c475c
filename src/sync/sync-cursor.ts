/**
 * The opaque `sync_cursor`: how far a device has each of its channels, as one text that it need not understand. It holds the
 * positions themselves, not a place in some state of the server: the same cursor means the same for ever, on every node.
 */

export interface ChannelPosition {
  readonly channel: string;
  readonly seq: number;
  readonly epoch: string;
}

/** First item: another meaning gets another number. */
const VERSION = 1;

/** base64url of [version, epochs, channel, seq, index of its epoch, channel, …]: epochs repeat, names do not. */
export function encodeSyncCursor(positions: Iterable<ChannelPosition>): string {
  const epochs: string[] = [];
  const items: (string | number)[] = [];
  for (const { channel, seq, epoch } of positions) {
    let index = epochs.indexOf(epoch);
    if (index < 0) index = epochs.push(epoch) - 1;
    items.push(channel, seq, index);
  }
  return Buffer.from(JSON.stringify([VERSION, epochs, ...items])).toString('base64url');
}

/** Null where the text is no cursor, or one of more than `channelsMax` channels. */
export function decodeSyncCursor(text: string, channelsMax: number): ChannelPosition[] | null {
  const parsed = parse(text);
  if (parsed === null) return null;
  const [version, epochs, ...items] = parsed;
  if (version !== VERSION || !Array.isArray(epochs) || items.length % 3 !== 0 || items.length / 3 > channelsMax) return null;
  const positions: ChannelPosition[] = [];
  for (let at = 0; at < items.length; at += 3) {
    const [channel, seq, index] = items.slice(at, at + 3);
    const epoch: unknown = typeof index === 'number' ? epochs[index] : undefined;
    if (typeof channel !== 'string' || typeof epoch !== 'string' || typeof seq !== 'number') return null;
    if (!Number.isSafeInteger(seq) || seq < 0) return null;
    positions.push({ channel, seq, epoch });
  }
  return positions;
}

function parse(text: string): readonly unknown[] | null {
  if (!/^[\w-]+$/.test(text)) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
