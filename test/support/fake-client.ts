/** The other end of a row of the fake port: what it was sent, and how fast it reads. */

export interface Received {
  readonly text: boolean;
  /** The header line, as it came. */
  readonly line: string;
  /** The same, parsed. */
  readonly header: Record<string, unknown>;
  readonly body: Buffer;
}

export class FakeClient {
  readonly received: Received[] = [];
  readonly subscribed = new Set<number>();
  /** How the gateway closed the connection; null while it has not. */
  closed: { readonly code: number; readonly reason: string } | null = null;
  admitted = false;
  paused = false;
  released = false;
  /** Messages of it that are answered later. */
  holds = 0;
  /** Place of its last message among the events. */
  lastMessage = 0;
  /** Whether what is sent leaves the send queue at once. */
  reading = true;
  /** Unsent bytes. */
  queued = 0;
  wantsWritable = false;

  /** Whole WebSocket frames, one after another; returns how many. */
  frames(bytes: Uint8Array): number {
    let count = 0;
    for (let at = 0; at < bytes.length; count += 1) {
      const { payload, end, text } = readFrame(bytes, at);
      this.payload(payload, text);
      at = end;
    }
    return count;
  }

  payload(payload: Uint8Array, text: boolean): void {
    if (!this.reading) this.queued += payload.length;
    if (this.closed !== null) return;
    const bytes = Buffer.from(payload);
    const newline = bytes.indexOf(10);
    const line = (newline < 0 ? bytes : bytes.subarray(0, newline)).toString();
    const header = JSON.parse(line) as Record<string, unknown>;
    this.received.push({ text, line, header, body: newline < 0 ? Buffer.alloc(0) : bytes.subarray(newline + 1) });
  }

  /** Headers received since the last call. */
  take(): Record<string, unknown>[] {
    return this.received.splice(0).map(({ header }) => header);
  }

  /** The only header received since the last call. */
  one(): Record<string, unknown> {
    const headers = this.take();
    if (headers.length !== 1) throw new Error(`expected one message, got ${JSON.stringify(headers)}`);
    return headers[0] as Record<string, unknown>;
  }
}

function readFrame(bytes: Uint8Array, at: number): { readonly payload: Uint8Array; readonly end: number; readonly text: boolean } {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const first = view.getUint8(at);
  const short = view.getUint8(at + 1);
  if (first !== 0x81 && first !== 0x82) throw new Error(`frame begins with 0x${first.toString(16)}`);
  if (short > 127) throw new Error('frame of a server is masked');
  const length = short < 126 ? short : short === 126 ? view.getUint16(at + 2) : Number(view.getBigUint64(at + 2));
  const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
  if (start + length > bytes.length) throw new Error('frame is cut off');
  return { payload: bytes.subarray(start, start + length), end: start + length, text: first === 0x81 };
}
