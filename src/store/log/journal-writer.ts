import { getSystemErrorMap } from 'node:util';
import { loadNative, type NativeFileWriter } from '../../engine/native.js';

/** What waits for its end. */
interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A thread of its own that writes the journal, one piece at a time: of libuv's, a write would wait for its turn behind other work. */
export class JournalWriter {
  readonly #native: NativeFileWriter;
  #waiting: Waiting | null = null;

  /** `realtime`: it goes before other threads, where the system allows it. */
  constructor(realtime: boolean) {
    this.#native = new (loadNative().FileWriter)((errno) => this.#end(errno), realtime);
  }

  /** Resolves when the file has bytes[from, to) at the same place; rejects as fs.write does. One call at a time. */
  write(fd: number, bytes: Uint8Array, from: number, to: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#native.write(fd, bytes, from, to - from, from);
      this.#waiting = { resolve, reject };
    });
  }

  #end(errno: number): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (errno === 0) waiting?.resolve();
    else waiting?.reject(systemError(errno));
  }

  /** No write is under way any more. */
  close(): void {
    this.#native.close();
  }
}

function systemError(errno: number): Error {
  const [code, what] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
  return Object.assign(new Error(`${code}: ${what}, write`), { code, errno: -errno, syscall: 'write' });
}
