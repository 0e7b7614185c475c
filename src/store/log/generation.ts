import '../native-buffer.js';
import { crc32 } from 'node:zlib';
import type { LogEntry } from '../types.js';
import { ENTRY, RECORD, RECORD_MAGIC } from './journal-record.js';
import type { KeyHash } from '../key-hash.js';
import { idHigh, idLow } from '../message-id.js';
import { TailChannels } from './tail-channels.js';
import { TailKeys } from './tail-keys.js';

/** A whole generation: pages that are not written take no memory, and growing means copying. */
const INITIAL_BYTES = 17 << 20;
const INITIAL_MESSAGES = 1024;
/** Above this utf8Write is cheaper than a loop. */
const SHORT_TEXT = 48;

const align = (n: number): number => (n + 7) & ~7;

/** What a commit's record says beside its messages. */
export interface CommitStamp {
  /** Number of the commit in the log's life. */
  readonly commit: number;
  /** Greatest values in the log, this commit's included. */
  readonly maxLamport: number;
  readonly maxTimestamp: number;
  /** Milliseconds since the Unix epoch. */
  readonly written: number;
}

/**
 * The commits of one journal file, byte for byte as they are in it, with what finds a message in them by (channel, seq) and by duplicate
 * key. It is used again for the file's next life.
 */
export class Generation {
  /** Counts the lives of both files. */
  number: number;
  readonly channels = new TailChannels();
  keys = new TailKeys();
  /** When the first and the last commit came, in milliseconds since the Unix epoch; 0 when there is none. */
  firstWritten = 0;
  lastWritten = 0;
  /** What the last record says. */
  lastCommit = 0;
  maxLamport = 0;
  maxTimestamp = 0;
  bytes = Buffer.alloc(0);
  u32 = new Uint32Array(0);
  f64 = new Float64Array(0);
  /** End of the last durable record. */
  end = 0;
  /** Checksum of the last durable record: the next one's starts from it. */
  #chain: number;
  #lastRecord = 0;
  /** By message: where its entry begins, in units of 8 bytes. */
  #places = new Uint32Array(INITIAL_MESSAGES);
  readonly #hash: KeyHash;

  constructor(number: number, hash: KeyHash) {
    this.number = number;
    this.#chain = number >>> 0;
    this.#hash = hash;
    this.#use(new ArrayBuffer(INITIAL_BYTES), 0);
  }

  get messages(): number {
    return this.keys.size;
  }

  /** Begins a new life, keeping the memory. */
  restart(number: number): void {
    this.number = number;
    this.#chain = number >>> 0;
    this.channels.clear();
    this.keys.clear();
    this.firstWritten = 0;
    this.lastWritten = 0;
    this.end = 0;
  }

  /** Makes room for bytes up to `end`, which are read from the file behind those that are here; returns where they belong. */
  room(end: number): Buffer {
    this.#reserve(end, this.end);
    return this.bytes;
  }

  /** Commit of the first record. */
  get firstCommit(): number {
    return this.f64[RECORD.COMMIT >> 3]!;
  }

  /** Place and value of the last record's checksum; null where there is no record. */
  get lastChecksum(): { readonly at: number; readonly value: number } | null {
    return this.end === 0 ? null : { at: this.#lastRecord + RECORD.CHECKSUM, value: this.#chain };
  }

  #use(memory: ArrayBuffer, keep: number): void {
    // Not from Node's pool: another thread reads it while it is written to the file.
    const next = Buffer.from(memory);
    this.bytes.copy(next, 0, 0, keep);
    this.bytes = next;
    this.u32 = new Uint32Array(memory);
    this.f64 = new Float64Array(memory);
  }

  #reserve(end: number, keep: number): void {
    if (end > this.bytes.length) this.#use(new ArrayBuffer(Math.max(align(end), this.bytes.length * 2)), keep);
  }

  /** Lays a commit out behind the last one and returns its end; remember() makes it part of the generation. */
  encode(entries: readonly LogEntry[], stamp: CommitStamp): number {
    const start = this.end;
    let at = start + RECORD.BYTES;
    this.#reserve(at, start);
    for (const entry of entries) at = this.#encodeEntry(entry, at);
    at = align(this.#encodeFrames(entries, start + RECORD.BYTES, at));
    const word = start >> 2;
    const double = start >> 3;
    this.u32[word] = RECORD_MAGIC;
    this.u32[word + RECORD.LENGTH / 4] = at - start;
    this.f64[double + RECORD.GENERATION / 8] = this.number;
    this.f64[double + RECORD.COMMIT / 8] = stamp.commit;
    this.f64[double + RECORD.MAX_LAMPORT / 8] = stamp.maxLamport;
    this.f64[double + RECORD.MAX_TIMESTAMP / 8] = stamp.maxTimestamp;
    this.f64[double + RECORD.WRITTEN / 8] = stamp.written;
    this.u32[word + RECORD.COUNT / 4] = entries.length;
    this.u32[word + RECORD.CHECKSUM / 4] = this.checksum(start, at);
    return at;
  }

  /** Of the record from `start` to `end`, if it is the next one, or comes behind one with the checksum `before`. */
  checksum(start: number, end: number, before = this.#chain): number {
    return crc32(this.bytes.subarray(start + RECORD.CHECKSUM + 4, end), before);
  }

  #encodeEntry(entry: LogEntry, at: number): number {
    const { sender, key, id } = entry;
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    this.#reserve(at + ENTRY.BYTES + (sender.length + key.length) * 3 + 8, at);
    const strings = at + ENTRY.BYTES;
    const senderBytes = this.#text(sender, strings);
    const keyBytes = this.#text(key, strings + senderBytes);
    const end = align(strings + senderBytes + keyBytes);
    const word = at >> 2;
    const double = at >> 3;
    this.u32[word] = end - at;
    this.u32[word + ENTRY.CHANNEL / 4] = entry.channelId;
    this.f64[double + ENTRY.SEQ / 8] = entry.seq;
    this.f64[double + ENTRY.ID_HIGH / 8] = idHigh(id);
    this.u32[word + ENTRY.ID_LOW / 4] = idLow(id);
    this.f64[double + ENTRY.SERVER_TS / 8] = entry.serverTs;
    this.f64[double + ENTRY.LAMPORT / 8] = entry.lamport;
    this.u32[word + ENTRY.SENDER_BYTES / 4] = senderBytes;
    this.u32[word + ENTRY.KEY_BYTES / 4] = keyBytes;
    this.u32[word + ENTRY.FRAME_BYTES / 4] = entry.length;
    return end;
  }

  /** Returns where they end. Frames that lie one behind the other, as they do in the arena, are copied as one piece. */
  #encodeFrames(entries: readonly LogEntry[], firstEntry: number, from: number): number {
    let entry = firstEntry;
    let at = from;
    for (let i = 0; i < entries.length;) {
      const { memory, address } = entries[i]!;
      let end = address;
      do {
        const { length } = entries[i++]!;
        this.u32[(entry + ENTRY.FRAME_AT) >> 2] = at + end - address;
        entry += this.u32[entry >> 2]!;
        end += length;
      } while (i < entries.length && entries[i]!.address === end && entries[i]!.memory === memory);
      this.#reserve(at + end - address + 8, at);
      this.bytes.set(memory.subarray(address, end), at);
      at += end - address;
    }
    return at;
  }

  /** utf8Write is twice as slow as this loop for the short ASCII strings that senders and keys are. */
  #text(text: string, at: number): number {
    const length = text.length;
    const bytes = this.bytes;
    if (length > SHORT_TEXT) return bytes.utf8Write(text, at);
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return bytes.utf8Write(text, at);
      bytes[at + i] = unit;
    }
    return length;
  }

  /** The record that encode() laid out is durable: its messages are found from here on. */
  remember(entries: readonly LogEntry[], end: number): void {
    let at = this.end + RECORD.BYTES;
    for (const { channelId, seq, sender, key } of entries) {
      this.#add(channelId, seq, at);
      this.keys.add(this.#hash.of(channelId, sender, key));
      at += this.u32[at >> 2]!;
    }
    this.#finish(end);
  }

  /** The same for a record that was read from the file. */
  rememberRead(end: number): void {
    let at = this.end + RECORD.BYTES;
    for (let left = this.u32[(this.end + RECORD.COUNT) >> 2]!; left > 0; left--, at += this.u32[at >> 2]!) {
      const channelId = this.u32[(at + ENTRY.CHANNEL) >> 2]!;
      const seq = this.f64[(at + ENTRY.SEQ) >> 3]!;
      const message = this.#add(channelId, seq, at);
      this.keys.add(this.#hash.of(channelId, this.sender(message), this.key(message)));
    }
    this.#finish(end);
  }

  #finish(end: number): void {
    const record = this.end;
    this.#lastRecord = record;
    this.#chain = this.u32[(record + RECORD.CHECKSUM) >> 2]!;
    this.lastCommit = this.f64[(record + RECORD.COMMIT) >> 3]!;
    this.maxLamport = this.f64[(record + RECORD.MAX_LAMPORT) >> 3]!;
    this.maxTimestamp = this.f64[(record + RECORD.MAX_TIMESTAMP) >> 3]!;
    this.lastWritten = this.f64[(record + RECORD.WRITTEN) >> 3]!;
    if (this.firstWritten === 0) this.firstWritten = this.lastWritten;
    this.end = end;
  }

  /** The message's number is the size of the keys, to which it is added next. */
  #add(channelId: number, seq: number, at: number): number {
    const message = this.keys.size;
    if (message === this.#places.length) {
      const larger = new Uint32Array(message * 2);
      larger.set(this.#places);
      this.#places = larger;
    }
    this.#places[message] = at >> 3;
    this.channels.add(channelId, seq, message);
    return message;
  }

  /** Where the message's entry begins. */
  entryOf(message: number): number {
    return this.#places[message]! * 8;
  }

  channelId(message: number): number {
    return this.u32[(this.entryOf(message) + ENTRY.CHANNEL) >> 2]!;
  }

  seq(message: number): number {
    return this.f64[(this.entryOf(message) + ENTRY.SEQ) >> 3]!;
  }

  sender(message: number): string {
    const entry = this.entryOf(message);
    const from = entry + ENTRY.BYTES;
    return this.bytes.utf8Slice(from, from + this.u32[(entry + ENTRY.SENDER_BYTES) >> 2]!);
  }

  key(message: number): string {
    const entry = this.entryOf(message);
    const from = entry + ENTRY.BYTES + this.u32[(entry + ENTRY.SENDER_BYTES) >> 2]!;
    return this.bytes.utf8Slice(from, from + this.u32[(entry + ENTRY.KEY_BYTES) >> 2]!);
  }
}
