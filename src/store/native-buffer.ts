/**
 * What is behind buffer.write() and toString(): a third of their cost for short strings, because the encoding's name is not looked
 * at (shared/FACTS.md). They exist in every Node 20 and later; @types/node 20 does not list them.
 */
declare global {
  interface Buffer {
    latin1Write(text: string, offset: number, length?: number): number;
    utf8Write(text: string, offset: number, length?: number): number;
    utf8Slice(from: number, to: number): string;
    latin1Slice(from: number, to: number): string;
  }
}

export {};
