/** A client that does nothing of its own accord: what it saw is what the server sent. */
import { once } from 'node:events';
import { WebSocket } from 'ws';

export interface Delivered {
  readonly channel: string;
  readonly seq: number;
  readonly body: string;
}

export interface Answer {
  readonly id: number;
  readonly header: Readonly<Record<string, unknown>>;
}

export class RawClient {
  readonly delivered: Delivered[] = [];
  readonly answers: Answer[] = [];
  /** Headers of everything else. */
  readonly others: Record<string, unknown>[] = [];
  /** Null while it is connected. */
  closed: number | null = null;
  onAnswer: ((answer: Answer) => void) | null = null;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#take(String(data)));
    socket.on('close', (code) => (this.closed = code));
    socket.on('error', () => undefined);
  }

  static async connect(url: string, hello: Record<string, unknown> = {}): Promise<RawClient> {
    const socket = new WebSocket(url, 'sluice.v1', { perMessageDeflate: false });
    const client = new RawClient(socket);
    await once(socket, 'open');
    client.send({ op: 'hello', ...hello });
    return client;
  }

  send(header: Record<string, unknown>, body?: string): void {
    const line = JSON.stringify(header);
    this.#socket.send(body === undefined ? line : `${line}\n${body}`);
  }

  /** Stops or starts reading: its TCP window fills. */
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.terminate();
  }

  #take(text: string): void {
    const end = text.indexOf('\n');
    const header = JSON.parse(end < 0 ? text : text.slice(0, end)) as Record<string, unknown>;
    if (header['op'] === 'hb') return this.send({ op: 'hb' });
    if (header['op'] === 'msg' && header['history'] === undefined) {
      this.delivered.push({ channel: String(header['channel']), seq: Number(header['server_seq']), body: text.slice(end + 1) });
    } else if (header['op'] === 'ok' || header['op'] === 'err') {
      const answer = { id: Number(header['id']), header };
      this.answers.push(answer);
      this.onAnswer?.(answer);
    } else {
      this.others.push(header);
    }
  }
}
