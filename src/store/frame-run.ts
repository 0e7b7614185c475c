import type { FrameRun } from './types.js';

/** A run of messages from their frames, the first of which has this number. */
export function runOfFrames(firstSeq: number, frames: readonly Uint8Array[]): FrameRun {
  const ends = new Uint32Array(frames.length);
  let end = 0;
  frames.forEach(({ length }, i) => (ends[i] = end += length));
  return { firstSeq, lastSeq: firstSeq + frames.length - 1, frames: Buffer.concat(frames, end), ends };
}
