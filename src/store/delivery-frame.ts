/** Reads stored delivery frames: WebSocket frames around a JSON header line, a newline and the body, as sequence/frame.ts writes them. */

import './native-buffer.js';
import { frameEnd, payloadStart } from '../engine/frame-header.js';
import { StoreError } from '../errors.js';
import type { FrameRun } from './types.js';

const NEWLINE = 10;

/** The channel that a stored delivery frame names in its header line. */
export function channelOfFrame(frame: Buffer): string {
  const start = payloadStart(frame, 0);
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

/** The Snowflake of the delivery at `at`; empty where there is none. */
export function idOfFrame(bytes: Buffer, at: number, length: number): string {
  return ID.exec(bytes.latin1Slice(at, at + Math.min(length, BEGINNING)))?.[1] ?? '';
}

/** Snowflake of each message. */
export function idsOfFrames({ frames, ends }: Pick<FrameRun, 'frames' | 'ends'>): string[] {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.length);
  const ids: string[] = [];
  let from = 0;
  for (const end of ends) {
    ids.push(idOfFrame(bytes, from, end - from));
    from = end;
  }
  return ids;
}

/** Whether these are `count` whole frames: what comes by pub/sub may be of a program that is not ours. */
export function areFrames(frames: Buffer, count: number): boolean {
  let at = 0;
  let found = 0;
  for (; at + 10 < frames.length; found++) at = frameEnd(frames, at);
  return at === frames.length && found === count;
}
