/** A WebSocket client that chooses its segments: frames are bytes, and one write is one segment where it fits. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** A frame of a client's (RFC 6455 §5.2). */
function clientFrame(opcode: number, payload: string | Buffer): Buffer {
  const data = Buffer.from(payload);
  const mask = randomBytes(4);
  const length = data.length < 126 ? Buffer.from([0x80 | data.length]) : Buffer.from([0x80 | 126, data.length >> 8, data.length & 0xff]);
  return Buffer.concat([Buffer.from([0x80 | opcode]), length, mask, data.map((byte, i) => byte ^ (mask[i & 3] as number))]);
}

export const textFrame = (header: object, body?: string): Buffer =>
  clientFrame(1, body === undefined ? JSON.stringify(header) : `${JSON.stringify(header)}\n${body}`);

export function closeFrame(code: number): Buffer {
  return clientFrame(8, Buffer.from([code >> 8, code & 0xff]));
}

export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** A connection that has been upgraded. */
export class RawFrames {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => (this.#received = Buffer.concat([this.#received, bytes])));
    socket.on('end', () => (this.#ended = true)).on('close', () => (this.#ended = true)).on('error', () => undefined);
  }

  static async connect(url: string): Promise<RawFrames> {
    const { hostname, port, host } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const client = new RawFrames(socket);
    socket.write(
      `GET /v1 HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Protocol: sluice.v1\r\n\r\n`,
    );
    while (client.#received.indexOf('\r\n\r\n') < 0) {
      if (client.#ended) throw new Error(`not upgraded: ${client.#received.toString('latin1')}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const end = client.#received.indexOf('\r\n\r\n') + 4;
    const head = client.#received.toString('latin1', 0, end);
    if (!head.startsWith('HTTP/1.1 101')) throw new Error(`not upgraded: ${head}`);
    client.#received = client.#received.subarray(end);
    return client;
  }

  /** In one write. */
  send(...frames: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(frames));
  }

  /** Ends its own side of the stream. */
  end(): void {
    this.#socket.end();
  }

  /** Nothing more comes. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What has come so far. */
  get frames(): ServerFrame[] {
    const frames: ServerFrame[] = [];
    const bytes = this.#received;
    for (let at = 0; at + 2 <= bytes.length;) {
      const short = (bytes[at + 1] as number) & 127;
      const start = at + (short === 126 ? 4 : 2);
      const length = short === 126 ? bytes.readUInt16BE(at + 2) : short;
      if (short === 127 || start + length > bytes.length) break;
      frames.push({ opcode: (bytes[at] as number) & 15, payload: bytes.subarray(start, start + length) });
      at = start + length;
    }
    return frames;
  }

  close(): void {
    this.#socket.destroy();
  }
}
