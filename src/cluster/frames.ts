/** Reading stored delivery frames: RFC 6455 §5.2, of a server (no mask), as sequence/frame.ts writes them. */

/** Where the frame that begins at `at` ends. */
export function frameEnd(frames: Buffer, at: number): number {
  const short = frames[at + 1] as number;
  if (short < 126) return at + 2 + short;
  if (short === 126) return at + 4 + frames.readUInt16BE(at + 2);
  return at + 10 + frames.readUIntBE(at + 4, 6);
}

/** Whether these are `count` whole frames: what comes by pub/sub may be of a program that is not ours. */
export function areFrames(frames: Buffer, count: number): boolean {
  let at = 0;
  let found = 0;
  for (; at + 10 < frames.length; found++) at = frameEnd(frames, at);
  return at === frames.length && found === count;
}

const ID = /"id":"(\d+)"/;
const BEGINNING = 640;

/** The Snowflake of the delivery at `at`. */
export function idOfFrame(memory: Buffer, at: number, length: number): string {
  return ID.exec(memory.toString('latin1', at, at + Math.min(length, BEGINNING)))?.[1] ?? '';
}
