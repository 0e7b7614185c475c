import '../store/native-buffer.js';
import { frameHeaderBytes, isTextFrame, payloadStart, writeFrameHeader } from '../engine/frame-header.js';
import { InternalError } from '../errors.js';
import type { FrameRun } from '../store/types.js';

/**
 * Delivery frames: a server's WebSocket frame (RFC 6455 §5.2: FIN set, no mask) around header line, newline and body. Written once,
 * then sent, kept and stored as they are.
 */

const NEWLINE = 10;
const NON_ASCII = /[^\0-\x7f]/;
/** What every delivery begins with; `history` goes right behind it. */
const OPENING = '{"op":"msg",';

/** A string as JSON, and whether its bytes are its characters. */
export interface JsonText {
  readonly json: string;
  readonly ascii: boolean;
}

export function jsonText(text: string): JsonText {
  const json = JSON.stringify(text);
  return { json, ascii: !NON_ASCII.test(json) };
}

export interface Delivery {
  readonly channelJson: string;
  readonly senderJson: string;
  readonly id: string;
  readonly seq: number;
  /** Milliseconds since the Unix epoch; null when the publisher sent none. */
  readonly clientTs: number | null;
  readonly serverTs: number;
  readonly lamport: number;
  /** Vector clock as JSON; empty in a channel without them. */
  readonly clock: string;
}

/** The header line without its newline. */
export function headerLine(d: Delivery): string {
  const order = `"id":"${d.id}","server_seq":${d.seq}${clockField(d.clock)}`;
  const times = `"client_ts":${d.clientTs},"server_ts":${d.serverTs},"lamport":${d.lamport}`;
  return `${OPENING}"channel":${d.channelJson},${order},${times},"from":${d.senderJson}}`;
}

/** Behind server_seq: the one entry that the clock leaves out. */
export function clockField(clock: string): string {
  return clock === '' ? '' : `,"clock":${clock}`;
}

/** Writes frame header, header line and newline at `at`; returns where the body goes. `headerBytes` is the line's length in bytes. */
export function writeDelivery(target: Buffer, at: number, header: string, headerBytes: number, bodyLength: number, text: boolean): number {
  const line = writeFrameHeader(target, at, headerBytes + 1 + bodyLength, text);
  // One byte a character: the line is ASCII, and latin1 is the cheapest writer.
  if (headerBytes === header.length) target.latin1Write(header, line, headerBytes);
  else target.utf8Write(header, line, headerBytes);
  const body = line + headerBytes;
  target[body] = NEWLINE;
  return body + 1;
}

/** The stored delivery frame as an answer to a history request: `"history":<id>` is put right after the op. */
export function historyFrame(frame: Uint8Array, historyId: number): Buffer {
  if (frame.length < 2) throw new InternalError('a stored delivery frame is empty');
  const start = payloadStart(frame, 0);
  const inserted = `"history":${historyId},`;
  const payload = frame.length - start + inserted.length;
  const result = Buffer.allocUnsafe(frameHeaderBytes(payload) + payload);
  let at = writeFrameHeader(result, 0, payload, isTextFrame(frame));
  result.set(frame.subarray(start, start + OPENING.length), at);
  at += OPENING.length;
  at += result.latin1Write(inserted, at);
  result.set(frame.subarray(start + OPENING.length), at);
  return result;
}

/** All frames of a run for a history request, as one piece. */
export function historyFrames(run: FrameRun, historyId: number): Buffer {
  const frames: Buffer[] = [];
  let from = 0;
  for (const end of run.ends) {
    frames.push(historyFrame(run.frames.subarray(from, end), historyId));
    from = end;
  }
  return Buffer.concat(frames);
}
