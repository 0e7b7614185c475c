/** A client that notices: sends and awaits echoes one after the other, and remembers how long each took. */
import { WebSocket } from 'ws';

export class Bystander {
  readonly #socket: WebSocket;
  #times: number[] = [];
  #sent = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Why it was cut off; null while it is connected. */
  lost: string | null = null;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', () => {
      this.#times.push(performance.now() - this.#sent);
      this.#timer = setTimeout(() => this.#send(), 2);
    });
    socket.on('close', (code) => (this.lost ??= `closed with ${code}`));
    socket.on('error', (error) => (this.lost ??= error.message));
    this.#send();
  }

  static async connect(url: string): Promise<Bystander> {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('error', reject);
    });
    return new Bystander(socket);
  }

  /** 99th percentile in milliseconds of the echoes since the last call. An echo that is out counts with the time that it has taken. */
  p99(): number {
    const times = [...this.#times, performance.now() - this.#sent].sort((a, b) => a - b);
    this.#times = [];
    return times[Math.floor(times.length * 0.99)] ?? 0;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.lost ??= 'closed by the test';
    this.#socket.terminate();
  }

  #send(): void {
    this.#sent = performance.now();
    this.#socket.send('are you there?');
  }
}
