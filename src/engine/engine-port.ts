/** EnginePort over the rings of a region. */
import { RegionArena } from './arena.js';
import { CommandWriter } from './command-writer.js';
import { EventReader } from './event-reader.js';
import { RegionError } from '../errors.js';
import { COMMAND, FLAG, HEADER } from './layout.js';
import { RegionReader } from './reader.js';
import type { Address, EngineEvents, EnginePort, Hold, Row } from './port.js';
import type { RegionView } from './region.js';
import type { Snapshot } from './snapshot.js';

/** What joins the rings of a region to their cores. */
export interface RegionLink {
  /** The only core lives on this thread's event loop, and carries commands out when it is pumped. */
  readonly inline: boolean;
  /** `turn` runs when events are visible. */
  start(turn: () => void): void;
  /** `whole`: what was written is done with when it returns, a fan-out to its last subscriber. */
  pump(core: number, whole: boolean): void;
  ring(core: number): void;
  stop(): void;
}

export interface PortOptions {
  /** Of an engine that outlives this process: what it told when it was attached to. */
  readonly snapshot?: Snapshot;
  /** Epoch of this process in the region; another one there says that somebody else owns it. */
  readonly epoch?: number;
  /** The region holds what no engine writes, or belongs to somebody else: nothing more is read or written. */
  readonly failed?: (error: RegionError) => void;
}

/**
 * A pause leaves rings full of events, and what handles them is not compiled yet: the first turn of a new process takes few, so that it
 * is answered soon, and each one after it twice as many.
 */
const FIRST_TURN_EVENTS = 64;
const TURN_EVENTS_GROW = 1 << 16;

/** Type and flags of a SEND, as its record begins. */
const SEND_BINARY = COMMAND.SEND;
const SEND_TEXT = COMMAND.SEND | (FLAG.TEXT << 8);

const WORD_MAX = 0xffffffff;

/** Holds of one connection; what comes beyond them its ending does not wait for. */
const HOLDS_MAX = 0xffff;
/** Bits of a connection's generation that tell a hold of it from one of the row's former connection. */
const HOLD_GENERATION = 0xfffff;

export class RegionPort implements EnginePort {
  readonly memory: Buffer;
  readonly cores: number;
  readonly connectionsPerCore: number;
  readonly rows: number;
  readonly arena: RegionArena;
  readonly detached: boolean;
  readonly #link: RegionLink;
  readonly #inline: boolean;
  readonly #options: PortOptions;
  readonly #owner: Int32Array;
  readonly #readers: EventReader[] = [];
  readonly #writers: CommandWriter[] = [];
  readonly #counters: RegionReader;
  /** Generation of each row's connection, from its opening. */
  readonly #generations: Int32Array;
  /** Embedded: holds of each row's connection. */
  readonly #holds: Uint16Array;
  #events: EngineEvents | null = null;
  #inTurn = false;
  #flushScheduled = false;
  #stopped = false;
  #quiet = false;
  /** Core whose events are being delivered. */
  #current = 0;
  /** Grows with each command: an event whose handler leaves it as it was has had no effect yet. */
  #commands = 0;
  readonly #count = (): number => this.#commands;
  /** Where the arena begins. Received messages lie before it. */
  readonly #arenaFrom: Address;
  /** By core and chunk of the arena: number of the core's last command that named something in it. */
  readonly #lastUse: Float64Array;
  /** Events of a core that one turn takes. */
  #turnEvents = Infinity;

  constructor(link: RegionLink, region: RegionView, options: PortOptions = {}) {
    const { inline } = link;
    const { snapshot } = options;
    this.#link = link;
    this.#inline = inline;
    this.#options = options;
    this.detached = snapshot !== undefined;
    if (this.detached) this.#turnEvents = FIRST_TURN_EVENTS;
    this.memory = Buffer.from(region.buffer);
    this.cores = region.cores;
    this.connectionsPerCore = region.connectionsPerCore;
    this.rows = this.cores * this.connectionsPerCore;
    this.#generations = new Int32Array(this.rows);
    this.#holds = new Uint16Array(this.detached ? 0 : this.rows);
    this.#counters = new RegionReader(region);
    this.#owner = new Int32Array(region.buffer, HEADER.OWNER_EPOCH, 1);
    for (let core = 0; core < this.cores; core++) {
      this.#readers.push(new EventReader(region, this.memory, core, this.#generations, snapshot?.events[core] ?? null));
      this.#writers.push(new CommandWriter(region, this.memory, core, inline ? () => link.pump(core, true) : null));
    }
    for (const rows of snapshot?.rows ?? []) {
      for (let i = 0; i < rows.count; i++) this.#generations[rows.row(i)] = rows.generation(i);
    }
    this.arena = new RegionArena(region, (chunk) => this.#settle(chunk));
    this.#arenaFrom = this.arena.offset;
    this.#lastUse = new Float64Array(this.cores * this.arena.chunks);
  }

  start(events: EngineEvents): void {
    this.#events = events;
    this.#link.start(() => this.#turn());
    // The first look: with cores on their own threads nothing rings before this side has announced that it sleeps.
    if (!this.#inline) setImmediate(() => this.#turn());
  }

  /** Delivers no more events; what is under way may still write commands. */
  quiet(): void {
    this.#quiet = true;
  }

  /** Ends at once: what was not handed over yet is dropped. */
  abandon(): void {
    this.#stopped = true;
  }

  stop(): void {
    if (!this.#stopped) this.flush();
    this.#stopped = true;
    this.#link.stop();
  }

  confirm(core: number, position: number): void {
    this.#readers[core]!.confirm(position, (first, count) => this.#confirm(core, first, count));
  }

  hold(row: Row): Hold {
    if (this.detached) return this.#readers[this.#current]!.hold() * this.cores + this.#current;
    const holds = this.#holds[row]!;
    if (holds === HOLDS_MAX) return -1;
    this.#holds[row] = holds + 1;
    if (holds === 0) this.#answering(row, true);
    return (this.#generations[row]! & HOLD_GENERATION) * this.rows + row;
  }

  letGo(hold: Hold): void {
    if (hold < 0) return;
    if (!this.detached) return this.#letGoOf(hold % this.rows, Math.floor(hold / this.rows));
    const core = hold % this.cores;
    this.#readers[core]!.letGo((hold - core) / this.cores, (first, count) => this.#confirm(core, first, count));
  }

  #letGoOf(row: Row, generation: number): void {
    const holds = this.#holds[row]!;
    // Of a connection that is gone.
    if (holds === 0 || (this.#generations[row]! & HOLD_GENERATION) !== generation) return;
    this.#holds[row] = holds - 1;
    if (holds === 1) this.#answering(row, false);
  }

  #answering(row: Row, begins: boolean): void {
    const core = this.#coreOf(row);
    const slot = row - core * this.connectionsPerCore;
    this.#writers[core]!.write(COMMAND.ANSWERING, 0, begins ? 1 : 0, slot, this.#generations[row]!, 0, 0, 0, 0, 0);
    // Not counted as an effect of an event.
    this.#schedule();
  }

  note(row: Row, note: Uint8Array): void {
    const core = this.#coreOf(row);
    this.#writers[core]!.writeBytes(COMMAND.NOTE, 0, 0, row - core * this.connectionsPerCore, this.#generations[row]!, note);
    this.#written();
  }

  noteChannel(channelId: number, note: Uint8Array | null): void {
    const writer = this.#writers[0]!;
    if (note === null) writer.write(COMMAND.CHANNEL_NOTE, 0, 0, 0, 0, 0, 0, channelId, 0, 0);
    else writer.writeBytes(COMMAND.CHANNEL_NOTE, 0, 0, 0, 0, note, channelId);
    // No effect of the event that opened the channel: a publish to a new one is not answered by this.
    this.#schedule();
  }

  behind(row: Row, channelId: number, nextSeq: number): void {
    if (this.detached) this.#command(row, COMMAND.BEHIND, 0, 0, 0, channelId, nextSeq);
  }

  mark(row: Row, channelId: number, mark: number): void {
    if (this.detached) this.#command(row, COMMAND.MARK, 0, 0, 0, channelId, mark);
  }

  send(row: Row, address: Address, length: number, text: boolean): void {
    const core = this.cores === 1 ? 0 : this.#coreOf(row);
    const slot = row - core * this.connectionsPerCore;
    this.#writers[core]!.writeSend(text ? SEND_TEXT : SEND_BINARY, slot, this.#generations[row]!, address, length);
    this.#commands++;
    if (!this.#inTurn) this.#schedule();
    if (address >= this.#arenaFrom) this.#use(core, address);
  }

  sendCopy(row: Row, data: string | Uint8Array, text: boolean, length = data.length): void {
    const core = this.#coreOf(row);
    const writer = this.#writers[core]!;
    const slot = row - core * this.connectionsPerCore;
    const generation = this.#generations[row]!;
    if (typeof data === 'string') {
      writer.writeText(slot, generation, data);
    } else {
      writer.writeMessage(text ? FLAG.TEXT : 0, slot, generation, data, length);
    }
    this.#written();
  }

  claimText(row: Row, most: number): Address {
    return this.#writers[this.#coreOf(row)]!.claimMessage(most);
  }

  sendClaimed(row: Row, address: Address, length: number): void {
    const core = this.#coreOf(row);
    this.#writers[core]!.writeClaimed(FLAG.TEXT, row - core * this.connectionsPerCore, this.#generations[row]!, address, length);
    this.#written();
  }

  claimWelcomes(count: number, most: number): Address {
    return this.cores === 1 ? this.#writers[0]!.claimWelcomes(count, most) : -1;
  }

  welcome(row: Row, from: Buffer, at: number, length: number, frames: number, channelId: number, publishedSeq: number): void {
    const core = this.#coreOf(row);
    const writer = this.#writers[core]!;
    const slot = row - core * this.connectionsPerCore;
    const generation = this.#generations[row]!;
    const fits = channelId >= 0 && publishedSeq <= WORD_MAX;
    const flags = fits ? FLAG.CHANNEL : 0;
    const channel = fits ? channelId : 0;
    const seq = fits ? publishedSeq | 0 : 0;
    if (from === this.memory) writer.writeWelcome(flags, frames, slot, generation, at, length, channel, seq);
    else writer.writeBytes(COMMAND.WELCOME, flags, frames, slot, generation, from.subarray(at, at + length), channel, seq);
    if (channelId >= 0 && !fits) this.subscribe(row, channelId, publishedSeq);
    this.#written();
  }

  sendFramed(row: Row, address: Address, length: number, channelId = 0, nextSeq = 0): void {
    this.#command(row, COMMAND.SEND_FRAMED, 0, address, length, channelId, nextSeq);
    this.#use(this.#coreOf(row), address);
  }

  sendFramedCopy(row: Row, frames: Uint8Array, channelId = 0, nextSeq = 0): void {
    const core = this.#coreOf(row);
    const slot = row - core * this.connectionsPerCore;
    this.#writers[core]!.writeBytes(COMMAND.SEND_FRAMED, 0, 0, slot, this.#generations[row]!, frames, channelId, nextSeq | 0);
    this.#written();
  }

  close(row: Row, code: number, reason: string): void {
    this.#close(COMMAND.CLOSE, row, code, reason);
  }
  leave(row: Row, code: number, reason: string): void {
    this.#close(COMMAND.LEAVE, row, code, reason);
  }

  release(row: Row): void {
    if (!this.detached) this.#holds[row] = 0;
    this.#command(row, COMMAND.RELEASE, 0, 0, 0, 0);
  }
  admit(row: Row): void {
    this.#command(row, COMMAND.ADMIT, 0, 0, 0, 0);
  }
  notifyWritable(row: Row): void {
    this.#command(row, COMMAND.NOTIFY_WRITABLE, 0, 0, 0, 0);
  }
  pause(row: Row): void {
    this.#command(row, COMMAND.PAUSE, 0, 0, 0, 0);
  }
  resume(row: Row): void {
    this.#command(row, COMMAND.RESUME, 0, 0, 0, 0);
  }
  subscribe(row: Row, channelId: number, publishedSeq = 0): void {
    this.#command(row, COMMAND.SUBSCRIBE, 0, 0, 0, channelId, publishedSeq);
  }
  unsubscribe(row: Row, channelId: number): void {
    this.#command(row, COMMAND.UNSUBSCRIBE, 0, 0, 0, channelId);
  }

  publish(channelId: number, address: Address, length: number, seq: number): void {
    const low = seq % 2 ** 32;
    const high = (seq - low) / 2 ** 32;
    for (let core = 0; core < this.cores; core++) {
      this.#writers[core]!.write(COMMAND.PUBLISH, 0, 0, 0, 0, address, length, channelId, low | 0, high);
      this.#use(core, address);
    }
    this.#written();
  }

  setHealth(state: 'serving' | 'draining', retryAfterSeconds: number): void {
    const code = state === 'draining' ? 1 : 0;
    for (const writer of this.#writers) writer.write(COMMAND.HEALTH, 0, code, 0, 0, 0, 0, retryAfterSeconds, 0, 0);
    this.#written();
  }

  stopListening(): void {
    for (const writer of this.#writers) writer.write(COMMAND.STOP_LISTENING, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    this.#written();
  }

  counter(name: string): number {
    return this.#counters.counter(name);
  }

  /** Number that tells this row's connection from the ones before it. */
  generation(row: Row): number {
    return this.#generations[row]!;
  }

  /** Hands over what was written outside of a turn; called by itself at the end of the macrotask. */
  flush(): void {
    this.#flushScheduled = false;
    if (this.#stopped || !this.#isOwner()) return;
    let pending = false;
    for (let core = 0; core < this.cores; core++) {
      const writer = this.#writers[core]!;
      writer.resume();
      if (writer.unpublished === 0) continue;
      const sleeping = writer.publish();
      pending = true;
      if (sleeping && !this.#inline) this.#link.ring(core);
    }
    if (!this.#inline || !pending) return;
    this.#link.pump(0, false);
    this.#turn();
  }

  #turn(): void {
    const events = this.#events;
    if (events === null || this.#stopped || !this.#isOwner()) return;
    this.#inTurn = true;
    try {
      for (let core = 0; core < this.cores; core++) {
        const reader = this.#readers[core]!;
        if (!this.#inline) reader.wake();
        // What waits for room in a ring is back-pressure: events are left where they are, and so are those who cause them.
        if (this.#quiet || this.#writers.some((writer) => !writer.resume())) continue;
        this.#current = core;
        reader.drain(events, this.#count, this.#turnEvents);
        reader.confirmActed((first, count) => this.#confirm(core, first, count));
      }
    } catch (error) {
      if (error instanceof RegionError && this.#options.failed !== undefined) return this.#fail(error);
      // A handler's. Where it does not end the process, what is left of the turn is still to be done: nothing else would call for it.
      setImmediate(() => {
        this.flush();
        this.#turn();
      });
      throw error;
    } finally {
      this.#inTurn = false;
    }
    this.#turnEvents = this.#turnEvents < TURN_EVENTS_GROW ? this.#turnEvents * 2 : Infinity;
    if (this.#inline) {
      // The native side carries the commands out when this call returns.
      this.#writers[0]!.publish();
      return;
    }
    this.flush();
    // Not at once: Node's timers and I/O have their share between two turns.
    if (!this.#prepareSleep()) setImmediate(() => this.#turn());
  }

  /** Announces what this side waits for; false when some of it has come meanwhile. */
  #prepareSleep(): boolean {
    let sleep = true;
    const blocked = this.#writers.some((writer) => writer.blocked);
    for (const writer of this.#writers) {
      if (!writer.blocked) writer.endWait();
      else if (!writer.prepareWait()) sleep = false;
    }
    // Events that are not taken are nothing to be woken for.
    if (!blocked && !this.#quiet) for (const reader of this.#readers) sleep = reader.prepareSleep() && sleep;
    return sleep;
  }

  #isOwner(): boolean {
    const { epoch, failed } = this.#options;
    if (epoch === undefined || Atomics.load(this.#owner, 0) >>> 0 === epoch) return true;
    if (!this.#stopped) failed?.(new RegionError('another control plane owns the engine now', { remedy: 'Nothing: this one has ended.' }));
    this.#stopped = true;
    return false;
  }

  #fail(error: RegionError): void {
    this.#stopped = true;
    this.#options.failed?.(error);
  }

  #confirm(core: number, first: number, count: number): void {
    this.#writers[core]!.write(COMMAND.CONFIRM, 0, 0, 0, 0, 0, 0, first, count, 0);
    // Not counted as an effect of an event.
    this.#schedule();
  }

  #command(row: Row, type: number, flags: number, address: number, length: number, a: number, seq = 0): void {
    const core = this.#coreOf(row);
    const slot = row - core * this.connectionsPerCore;
    const high = seq > 0xffffffff ? Math.floor(seq / 2 ** 32) : 0;
    this.#writers[core]!.write(type, flags, 0, slot, this.#generations[row]!, address, length, a, seq | 0, high);
    this.#written();
  }

  #close(type: number, row: Row, code: number, reason: string): void {
    const core = this.#coreOf(row);
    const slot = row - core * this.connectionsPerCore;
    this.#writers[core]!.writeBytes(type, 0, code, slot, this.#generations[row]!, Buffer.from(reason));
    this.#written();
  }

  #coreOf(row: Row): number {
    return this.cores === 1 ? 0 : Math.floor(row / this.connectionsPerCore);
  }

  #written(): void {
    this.#commands++;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#inTurn || this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.flush());
  }

  /** The last command named this address, which may be a received message's. */
  #use(core: number, address: Address): void {
    const chunk = this.arena.chunkOf(address);
    if (chunk >= 0) this.#lastUse[core * this.arena.chunks + chunk] = this.#writers[core]!.position;
  }

  /**
   * Whether every command that named something in the chunk is carried out. Not all that were written: a core with a thread of its own is
   * always a little behind, which is no reason to refuse a publish while it is not behind by the whole arena.
   */
  #settle(chunk: number): boolean {
    if (this.#isUnused(chunk)) return true;
    for (let core = 0; core < this.cores; core++) {
      const sleeping = this.#writers[core]!.publish();
      if (this.#inline) this.#link.pump(core, true);
      else if (sleeping) this.#link.ring(core);
    }
    return this.#isUnused(chunk);
  }

  #isUnused(chunk: number): boolean {
    return this.#writers.every((writer, core) => writer.carriedOut() >= this.#lastUse[core * this.arena.chunks + chunk]!);
  }
}
