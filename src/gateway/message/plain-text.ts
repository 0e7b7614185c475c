/** Texts of ASCII that clients write, looked for in memory four bytes at a time: to V8 a byte costs as much as a word. */

const WORD = 4;

/** Memory in which texts are looked for, seen both ways. */
export interface PlainBytes {
  readonly memory: Buffer;
  readonly view: DataView;
}

export function plainBytes(memory: Buffer): PlainBytes {
  const { buffer, byteOffset, length } = memory;
  return { memory, view: new DataView(buffer, byteOffset, length) };
}

export class PlainText {
  readonly length: number;
  readonly #words: Int32Array;
  /** Of the last word, which overlaps the one before it where the text is no whole number of words. */
  readonly #last: number;

  /** Of four bytes at least. */
  constructor(text: string) {
    const bytes = Buffer.from(text, 'latin1');
    this.length = bytes.length;
    this.#words = Int32Array.from({ length: Math.floor(bytes.length / WORD) }, (_, i) => bytes.readInt32LE(i * WORD));
    this.#last = bytes.readInt32LE(bytes.length - WORD);
  }

  /** There must be as many bytes. */
  isAt(view: DataView, at: number): boolean {
    const words = this.#words;
    for (let i = 0; i < words.length; i += 1) if (view.getInt32(at + i * WORD, true) !== words[i]) return false;
    return view.getInt32(at + this.length - WORD, true) === this.#last;
  }
}
