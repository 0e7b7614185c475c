/** Reads delivery frames back into messages, for the admin API. */

import type { AdminMessage } from '../admin/backend.js';
import { InternalError } from '../errors.js';
import type { FrameRun } from '../store/types.js';

interface DeliveryHeader {
  readonly id: string;
  readonly server_seq: number;
  readonly server_ts: number;
  readonly client_ts: number | null;
  readonly lamport: number;
  readonly from: string;
}

const NEWLINE = 10;
const OPCODE = 0x0f;
const TEXT = 1;

export function messagesOf(run: FrameRun): AdminMessage[] {
  const frames = Buffer.from(run.frames.buffer, run.frames.byteOffset, run.frames.byteLength);
  const messages: AdminMessage[] = [];
  let from = 0;
  for (const end of run.ends) {
    messages.push(messageOf(frames.subarray(from, end)));
    from = end;
  }
  return messages;
}

function messageOf(frame: Buffer): AdminMessage {
  const length = frame[1] ?? 0;
  const start = length < 126 ? 2 : length === 126 ? 4 : 10;
  const lineEnd = frame.indexOf(NEWLINE, start);
  if (lineEnd < 0) throw new InternalError('a stored delivery frame has no header line');
  const { id, server_seq, server_ts, client_ts, lamport, from } = JSON.parse(frame.toString('utf8', start, lineEnd)) as DeliveryHeader;
  const encoding = ((frame[0] ?? 0) & OPCODE) === TEXT ? 'utf8' : 'base64';
  return { id, server_seq, server_ts, client_ts, lamport, from, body: frame.toString(encoding, lineEnd + 1), encoding };
}
