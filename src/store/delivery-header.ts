import './native-buffer.js';
import { StoreError } from '../errors.js';
import type { FrameRun } from './types.js';

const NEWLINE = 10;

/** The channel that a stored delivery frame names in its header line. */
export function channelOfFrame(frame: Buffer): string {
  // RFC 6455 §5.2: the payload begins behind 2, 4 or 10 bytes of an unmasked frame.
  const length = frame[1] ?? 0;
  const start = length < 126 ? 2 : length === 126 ? 4 : 10;
  const end = frame.indexOf(NEWLINE, start);
  try {
    const { channel } = JSON.parse(frame.toString('utf8', start, end)) as { channel?: unknown };
    if (typeof channel === 'string') return channel;
  } catch (cause) {
    throw new StoreError('the log holds a message without a header line', false, { cause });
  }
  throw new StoreError('the log holds a message that names no channel', false);
}

const ID = /"id":"(\d+)","server_seq":/;
/** A header line has the id behind a channel's name. */
const BEGINNING = 2048;

/** Snowflake of each message. */
export function idsOfFrames({ frames, ends }: Pick<FrameRun, 'frames' | 'ends'>): string[] {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.length);
  const ids: string[] = [];
  let from = 0;
  for (const end of ends) {
    ids.push(ID.exec(bytes.latin1Slice(from, Math.min(end, from + BEGINNING)))?.[1] ?? '');
    from = end;
  }
  return ids;
}
