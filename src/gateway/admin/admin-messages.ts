/** Reads delivery frames back into messages, for the admin API. */

import type { AdminMessage } from '../../admin/backend.js';
import { isTextFrame, payloadStart } from '../../engine/frame-header.js';
import { InternalError } from '../../errors.js';
import type { OpenChannel } from '../../sequence/channels.js';
import type { FrameRun } from '../../store/types.js';
import { cutRun, type HistoryRange } from '../../sync/history.js';
import type { GatewayContext } from '../context.js';

interface DeliveryHeader {
  readonly id: string;
  readonly server_seq: number;
  readonly server_ts: number;
  readonly client_ts: number | null;
  readonly lamport: number;
  readonly from: string;
}

const NEWLINE = 10;

/** Messages of the range from the log and what lies below it, about `maxBytes` of them. Rejects with StoreError. */
export async function readRange(
  { runs, cold }: Pick<GatewayContext, 'runs' | 'cold'>, channel: OpenChannel, { fromSeq, toSeq, limit }: HistoryRange, maxBytes: number,
): Promise<AdminMessage[]> {
  const below = channel.ephemeral ? null : cold;
  const messages: AdminMessage[] = [];
  let bytes = 0;
  for (let seq = fromSeq; seq <= toSeq && messages.length < limit && bytes < maxBytes; ) {
    const found = runs.read(channel.id, seq, limit - messages.length, maxBytes - bytes);
    if (found instanceof Promise) {
      await found;
      continue;
    }
    const firstSeq = Math.min(found?.firstSeq ?? Infinity, toSeq + 1);
    const older = firstSeq > seq ? await below?.read(channel, seq, firstSeq - 1, maxBytes - bytes) : null;
    const run = older ?? (found === null ? null : cutRun(found, toSeq));
    if (run === null) break;
    messages.push(...messagesOf(run).slice(0, limit - messages.length));
    bytes += run.frames.length;
    seq = run.lastSeq + 1;
  }
  return messages;
}

function messagesOf(run: FrameRun): AdminMessage[] {
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
  const start = payloadStart(frame, 0);
  const lineEnd = frame.indexOf(NEWLINE, start);
  if (lineEnd < 0) throw new InternalError('a stored delivery frame has no header line');
  const { id, server_seq, server_ts, client_ts, lamport, from } = JSON.parse(frame.toString('utf8', start, lineEnd)) as DeliveryHeader;
  const encoding = isTextFrame(frame) ? 'utf8' : 'base64';
  return { id, server_seq, server_ts, client_ts, lamport, from, body: frame.toString(encoding, lineEnd + 1), encoding };
}
