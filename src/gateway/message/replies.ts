/** What the gateway says of its own accord: `welcome`, `ok`, `err`, `incomplete`, made by joining strings. */

import type { EnginePort, Row } from '../../engine/port.js';
import type { ReplyKind } from '../../errors.js';
import type { FirstResult } from '../../store/types.js';
import type { IncompleteReason } from '../../sync/types.js';

/** RFC 6455 §5.5.1: 125 bytes of a close frame, two of them the code. */
const CLOSE_REASON_BYTES = 123;

export class Replies {
  readonly #port: EnginePort;

  constructor(port: EnginePort) {
    this.#port = port;
  }

  /** `fields`: members of a JSON object, each after a comma. */
  ok(row: Row, id: number, fields = ''): void {
    this.#port.sendCopy(row, `{"op":"ok","id":${id}${fields}}`, true);
  }

  published(row: Row, id: number, result: FirstResult, duplicate: boolean): void {
    const mark = duplicate ? ',"duplicate":true' : '';
    const place = `"msg_id":"${result.id}","server_seq":${result.seq},"server_ts":${result.serverTs}`;
    this.#port.sendCopy(row, `{"op":"ok","id":${id},${place},"lamport":${result.lamport}${mark}}`, true);
  }

  /** `id` null: the operation carried none. */
  error(row: Row, id: number | null, kind: ReplyKind, message: string, retryAfterMs: number | null = null): void {
    const subject = id === null ? '' : `,"id":${id}`;
    const retry = retryAfterMs === null ? '' : `,"retry_after_ms":${retryAfterMs}`;
    const text = JSON.stringify(message);
    this.#port.sendCopy(row, `{"op":"err"${subject},"code":${kind.code},"name":"${kind.name}","message":${text}${retry}}`, true);
  }

  incomplete(row: Row, channel: string, fromSeq: number, toSeq: number, reason: IncompleteReason): void {
    const name = JSON.stringify(channel);
    this.#port.sendCopy(row, `{"op":"incomplete","channel":${name},"from_seq":${fromSeq},"to_seq":${toSeq},"reason":"${reason}"}`, true);
  }

  /** `text`: a whole message. */
  raw(row: Row, text: string): void {
    this.#port.sendCopy(row, text, true);
  }
}

/** A reason cut to what a close frame holds, at a character's end. */
export function closeReason(text: string): string {
  if (Buffer.byteLength(text) <= CLOSE_REASON_BYTES) return text;
  return Buffer.from(text).subarray(0, CLOSE_REASON_BYTES).toString().replace(/\ufffd+$/, '');
}
