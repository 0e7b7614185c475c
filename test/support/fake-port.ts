/**
 * An EnginePort without an engine: a region that is a Buffer, an arena, subscriber sets, send queues that fill when a client
 * does not read. Events wait until `deliver()`; commands take effect at once, or with `lazy` when `carryOut()` is called, so
 * that tests can interleave the two as the rings do.
 */

import type { Address, Arena, EngineEvents, EnginePort, Hold, Row } from '../../src/engine/port.js';
import { FakeClient } from './fake-client.js';

export interface FakePortOptions {
  readonly rows?: number;
  readonly chunkSize?: number;
  readonly chunks?: number;
  /** Unsent bytes of a client that does not read until it is lagging. */
  readonly sendBudget?: number;
}

const MESSAGE_BYTES = 4 * 1024 * 1024;
const CLAIM_BYTES = 1 << 16;

class FakeArena implements Arena {
  readonly chunkSize: number;
  readonly chunks: number;
  onRecycle: ((chunk: number) => void) | null = null;
  readonly #base: number;
  #chunk = 0;
  #used = 0;
  #round = 0;
  /** Makes claim fail, as when the oldest chunk is still being sent from. */
  full = false;

  constructor(base: number, chunkSize: number, chunks: number) {
    this.#base = base;
    this.chunkSize = chunkSize;
    this.chunks = chunks;
  }

  claim(length: number): Address {
    if (this.full || length > this.chunkSize) return -1;
    if (this.#used + length > this.chunkSize) {
      this.#chunk = (this.#chunk + 1) % this.chunks;
      if (this.#chunk === 0) this.#round += 1;
      if (this.#round > 0) this.onRecycle?.(this.#chunk);
      this.#used = 0;
    }
    const address = this.#base + this.#chunk * this.chunkSize + this.#used;
    this.#used += length;
    return address;
  }

  chunkOf(address: Address): number {
    return Math.floor((address - this.#base) / this.chunkSize);
  }
}

export class FakePort implements EnginePort {
  readonly memory: Buffer;
  readonly cores = 1;
  readonly detached = false;
  readonly connectionsPerCore: number;
  readonly rows: number;
  readonly arena: FakeArena;
  /** Names of all commands, for tests that count them. */
  readonly log: string[] = [];
  readonly clients = new Map<Row, FakeClient>();
  congested = false;
  health: { readonly state: string; readonly retryAfter: number } | null = null;
  confirmed = 0;
  lazy = false;
  readonly #sendBudget: number;
  #claims = 0;
  readonly #lastSeq = new Map<number, number>();
  readonly #holds: (FakeClient | undefined)[] = [];
  #commands: (() => void)[] = [];
  #pending: ((events: EngineEvents) => void)[] = [];
  #events: EngineEvents | null = null;
  /** Those who wait for answers before they are closed. */
  #leaving: { readonly row: Row; readonly client: FakeClient; readonly code: number; readonly reason: string }[] = [];
  #messageAt = 0;
  #position = 0;

  constructor(options: FakePortOptions = {}) {
    const { rows = 64, chunkSize = 256 * 1024, chunks = 8, sendBudget = 16 * 1024 } = options;
    this.rows = rows;
    this.connectionsPerCore = rows;
    this.memory = Buffer.alloc(MESSAGE_BYTES + chunkSize * chunks + CLAIM_BYTES);
    this.arena = new FakeArena(MESSAGE_BYTES, chunkSize, chunks);
    this.#sendBudget = sendBudget;
  }

  // --- what a test does

  start(events: EngineEvents): void {
    this.#events = events;
  }

  /** Queues the opening of a connection on a free row. */
  open(): Row {
    let row = 0;
    while (this.clients.has(row)) row += 1;
    this.clients.set(row, new FakeClient());
    this.#pending.push((events) => events.onOpen(row, { address: 0, length: 0, peerAddress: '127.0.0.1', peerPort: 1 }));
    return row;
  }

  client(row: Row): FakeClient {
    const client = this.clients.get(row);
    if (client === undefined) throw new Error(`no connection on row ${row}`);
    return client;
  }

  /** Queues a message from the client. */
  message(row: Row, data: string | Uint8Array, text = typeof data === 'string'): void {
    const bytes = Buffer.from(data);
    if (this.#messageAt + bytes.length > MESSAGE_BYTES) this.#messageAt = 0;
    const address = this.#messageAt;
    bytes.copy(this.memory, address);
    this.#messageAt += bytes.length;
    const newline = bytes.indexOf(10);
    const client = this.client(row);
    this.#pending.push((events) => {
      client.lastMessage = this.#position + 1;
      events.onMessage(row, address, bytes.length, newline < 0 ? bytes.length : newline, text);
    });
  }

  /** Queues the end of a connection. */
  disconnect(row: Row, code = 1006): void {
    this.#pending.push((events) => events.onClose(row, code, ''));
  }

  /** The client reads everything. */
  drain(row: Row): void {
    const client = this.client(row);
    client.queued = 0;
    this.#tellWritable(row, client);
  }

  get pendingEvents(): number {
    return this.#pending.length;
  }

  /** One turn: delivers queued events, `count` of them at most. */
  deliver(count = Infinity): void {
    const events = this.#events;
    if (events === null) throw new Error('not started');
    for (const event of this.#pending.splice(0, count)) {
      event(events);
      this.#position += 1;
    }
    events.onTurnEnd(0, this.#position);
  }

  /** With `lazy`: has the engine do the first `count` commands. */
  carryOut(count = Infinity): void {
    for (const command of this.#commands.splice(0, count)) command();
  }

  get pendingCommands(): number {
    return this.#commands.length;
  }

  // --- EnginePort

  confirm(_core: number, position: number): void {
    if (position < this.confirmed) throw new Error('confirmed backwards');
    this.confirmed = position;
    this.#settle();
  }

  hold(row: Row): Hold {
    const client = this.client(row);
    client.holds += 1;
    const hold = this.#holds.length;
    this.#holds.push(client);
    return hold;
  }

  letGo(hold: Hold): void {
    const client = this.#holds[hold];
    if (client === undefined) return;
    this.#holds[hold] = undefined;
    client.holds -= 1;
    this.#enqueue(() => this.#settle());
  }

  note(): void {
    this.log.push('note');
  }

  noteChannel(): void {
    this.log.push('noteChannel');
  }

  behind(): void {
    this.log.push('behind');
  }

  mark(): void {
    this.log.push('mark');
  }

  send(row: Row, address: Address, length: number, text: boolean): void {
    this.sendCopy(row, this.memory.subarray(address, address + length), text);
  }

  sendCopy(row: Row, data: string | Uint8Array, text: boolean, length = data.length): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.subarray(0, length));
    this.#command('send', row, (client) => client.payload(bytes, text));
  }

  /** Half of them find room: both ways mean the same. */
  claimText(_row: Row, most: number): Address {
    this.#claims += 1;
    return this.#claims % 2 === 0 || most > CLAIM_BYTES ? -1 : this.memory.length - CLAIM_BYTES;
  }

  sendClaimed(row: Row, address: Address, length: number): void {
    this.sendCopy(row, this.memory.subarray(address, address + length), true);
  }

  claimWelcomes(count: number, most: number): Address {
    return this.claimText(0, count * most);
  }

  welcome(row: Row, from: Buffer, at: number, length: number, frames: number, channelId: number): void {
    const bytes = Buffer.from(from.subarray(at, at + length));
    this.#command('welcome', row, (client) => {
      client.admitted = true;
      if (client.frames(bytes) !== frames) throw new Error(`a welcome of other than ${frames} frames`);
      if (channelId >= 0) client.subscribed.add(channelId);
    });
  }

  sendFramed(row: Row, address: Address, length: number): void {
    this.sendFramedCopy(row, this.memory.subarray(address, address + length));
  }

  sendFramedCopy(row: Row, frames: Uint8Array): void {
    const bytes = Buffer.from(frames);
    this.#command('frames', row, (client) => client.frames(bytes));
  }

  close(row: Row, code: number, reason: string): void {
    if (Buffer.byteLength(reason) > 123) throw new Error('reason is too long');
    this.#command('close', row, (client) => {
      if (client.closed !== null) return;
      client.closed = { code, reason };
      this.disconnect(row, code);
    });
  }

  leave(row: Row, code: number, reason: string): void {
    this.#command('leave', row, (client) => {
      this.#leaving.push({ row, client, code, reason });
      this.#settle();
    });
  }

  release(row: Row): void {
    this.log.push('release');
    this.client(row).released = true;
    this.clients.delete(row);
  }

  admit(row: Row): void {
    this.#command('admit', row, (client) => (client.admitted = true));
  }

  notifyWritable(row: Row): void {
    this.#command('notifyWritable', row, (client) => {
      client.wantsWritable = true;
      if (client.queued === 0) this.#tellWritable(row, client);
    });
  }

  pause(row: Row): void {
    this.#command('pause', row, (client) => (client.paused = true));
  }

  resume(row: Row): void {
    this.#command('resume', row, (client) => (client.paused = false));
  }

  subscribe(row: Row, channelId: number): void {
    this.#command('subscribe', row, (client) => client.subscribed.add(channelId));
  }

  unsubscribe(row: Row, channelId: number): void {
    this.#command('unsubscribe', row, (client) => client.subscribed.delete(channelId));
  }

  publish(channelId: number, address: Address, length: number, seq: number): void {
    const frame = Buffer.from(this.memory.subarray(address, address + length));
    this.log.push('publish');
    this.#enqueue(() => this.#fanOut(channelId, frame, seq));
  }

  setHealth(state: 'serving' | 'draining', retryAfter: number): void {
    this.health = { state, retryAfter };
  }

  stopListening(): void {
    this.log.push('stopListening');
  }

  counter(name: string): number {
    return name === 'congested' && this.congested ? 1 : 0;
  }

  // --- the engine's part

  #settle(): void {
    const all = this.#leaving;
    this.#leaving = [];
    for (const leaving of all) {
      const { row, client, code, reason } = leaving;
      if (client.holds > 0 || client.lastMessage > this.confirmed) this.#leaving.push(leaving);
      else if (client.closed === null && this.clients.get(row) === client) {
        client.closed = { code, reason };
        this.disconnect(row, code);
      }
    }
  }

  #fanOut(channelId: number, frame: Buffer, seq: number): void {
    if (seq !== 0 && seq <= (this.#lastSeq.get(channelId) ?? 0)) return;
    this.#lastSeq.set(channelId, seq);
    for (const [row, client] of this.clients) {
      if (!client.subscribed.has(channelId) || client.closed !== null) continue;
      if (client.queued > this.#sendBudget) {
        client.subscribed.delete(channelId);
        this.#pending.push((events) => events.onLagging(row, channelId, seq));
      } else {
        client.frames(frame);
      }
    }
  }

  #tellWritable(row: Row, client: FakeClient): void {
    if (!client.wantsWritable) return;
    client.wantsWritable = false;
    this.#pending.push((events) => {
      if (this.clients.get(row) === client) events.onWritable(row);
    });
  }

  #command(name: string, row: Row, effect: (client: FakeClient) => void): void {
    this.log.push(name);
    const client = this.clients.get(row);
    this.#enqueue(() => {
      // Commands to a connection that is gone are ignored.
      if (client !== undefined && this.clients.get(row) === client) effect(client);
    });
  }

  #enqueue(effect: () => void): void {
    if (this.lazy) this.#commands.push(effect);
    else effect();
  }
}
