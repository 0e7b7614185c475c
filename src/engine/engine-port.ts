/** EnginePort over the rings of a region. */
import { RegionArena } from './arena.js';
import { CommandWriter } from './command-writer.js';
import { EventReader } from './event-reader.js';
import { COMMAND, FLAG } from './layout.js';
import { RegionReader } from './reader.js';
import type { Address, EngineEvents, EnginePort, Row } from './port.js';
import type { NativeHost } from './native.js';
import type { RegionView } from './region.js';

export class RegionPort implements EnginePort {
  readonly memory: Buffer;
  readonly cores: number;
  readonly connectionsPerCore: number;
  readonly rows: number;
  readonly arena: RegionArena;
  readonly #native: NativeHost;
  readonly #inline: boolean;
  readonly #readers: EventReader[] = [];
  readonly #writers: CommandWriter[] = [];
  readonly #counters: RegionReader;
  /** Generation of each row's connection, from its opening. */
  readonly #generations: Int32Array;
  #events: EngineEvents | null = null;
  #inTurn = false;
  #flushScheduled = false;
  #stopped = false;

  constructor(native: NativeHost, region: RegionView, inline: boolean) {
    this.#native = native;
    this.#inline = inline;
    this.memory = Buffer.from(region.buffer);
    this.cores = region.cores;
    this.connectionsPerCore = region.connectionsPerCore;
    this.rows = this.cores * this.connectionsPerCore;
    this.#generations = new Int32Array(this.rows);
    this.#counters = new RegionReader(region);
    for (let core = 0; core < this.cores; core++) {
      this.#readers.push(new EventReader(region, this.memory, core, this.#generations));
      this.#writers.push(new CommandWriter(region, this.memory, core, () => native.pump(core)));
    }
    this.arena = new RegionArena(region, () => this.#settle());
  }

  start(events: EngineEvents): void {
    this.#events = events;
    this.#native.start(() => this.#turn(), this.#inline);
    // The first look: with cores on their own threads nothing rings before this side has announced that it sleeps.
    if (!this.#inline) setImmediate(() => this.#turn());
  }

  stop(): void {
    this.#stopped = true;
    this.#native.stop();
  }

  confirm(core: number, position: number): void {
    this.#readers[core]!.confirm(position);
  }

  send(row: Row, address: Address, length: number, text: boolean): void {
    this.#command(row, COMMAND.SEND, text ? FLAG.TEXT : 0, address, length, 0);
  }

  sendCopy(row: Row, data: string | Uint8Array, text: boolean): void {
    const core = this.#coreOf(row);
    const writer = this.#writers[core]!;
    const slot = row - core * this.connectionsPerCore;
    const generation = this.#generations[row]!;
    if (typeof data === 'string') {
      writer.writeText(slot, generation, data);
    } else {
      writer.writeBytes(COMMAND.SEND, text ? FLAG.TEXT : 0, 0, slot, generation, data);
    }
    this.#written();
  }

  sendFramed(row: Row, address: Address, length: number): void {
    this.#command(row, COMMAND.SEND_FRAMED, 0, address, length, 0);
  }

  sendFramedCopy(row: Row, frames: Uint8Array): void {
    const core = this.#coreOf(row);
    this.#writers[core]!.writeBytes(
      COMMAND.SEND_FRAMED, 0, 0, row - core * this.connectionsPerCore, this.#generations[row]!, frames,
    );
    this.#written();
  }

  close(row: Row, code: number, reason: string): void {
    const core = this.#coreOf(row);
    this.#writers[core]!.writeBytes(
      COMMAND.CLOSE, 0, code, row - core * this.connectionsPerCore, this.#generations[row]!, Buffer.from(reason),
    );
    this.#written();
  }

  release(row: Row): void {
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
  subscribe(row: Row, channelId: number): void {
    this.#command(row, COMMAND.SUBSCRIBE, 0, 0, 0, channelId);
  }
  unsubscribe(row: Row, channelId: number): void {
    this.#command(row, COMMAND.UNSUBSCRIBE, 0, 0, 0, channelId);
  }

  publish(channelId: number, address: Address, length: number, seq: number): void {
    const low = seq % 2 ** 32;
    const high = (seq - low) / 2 ** 32;
    for (const writer of this.#writers) writer.write(COMMAND.PUBLISH, 0, 0, 0, 0, address, length, channelId, low | 0, high);
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
    if (this.#stopped) return;
    let pending = false;
    for (let core = 0; core < this.cores; core++) {
      const writer = this.#writers[core]!;
      if (writer.unpublished === 0) continue;
      const sleeping = writer.publish();
      pending = true;
      if (sleeping && !this.#inline) this.#native.ring(core);
    }
    if (!this.#inline || !pending) return;
    this.#native.pump(0);
    this.#turn();
  }

  #turn(): void {
    const events = this.#events;
    if (events === null || this.#stopped) return;
    this.#inTurn = true;
    try {
      for (let core = 0; core < this.cores; core++) {
        const reader = this.#readers[core]!;
        if (!this.#inline) reader.wake();
        reader.drain(events);
      }
    } finally {
      this.#inTurn = false;
    }
    if (this.#inline) {
      // The native side carries the commands out when this call returns.
      this.#writers[0]!.publish();
      return;
    }
    this.flush();
    let again = false;
    for (const reader of this.#readers) again = !reader.prepareSleep() || again;
    // Not at once: Node's timers and I/O have their share between two turns.
    if (again) setImmediate(() => this.#turn());
  }

  #command(row: Row, type: number, flags: number, address: number, length: number, a: number): void {
    const core = this.#coreOf(row);
    const slot = row - core * this.connectionsPerCore;
    this.#writers[core]!.write(type, flags, 0, slot, this.#generations[row]!, address, length, a, 0, 0);
    this.#written();
  }

  #coreOf(row: Row): number {
    return this.cores === 1 ? 0 : Math.floor(row / this.connectionsPerCore);
  }

  #written(): void {
    if (this.#inTurn || this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.flush());
  }

  /** Has every command that was written carried out, so that nothing refers to the arena; false when a core lags. */
  #settle(): boolean {
    for (let core = 0; core < this.cores; core++) {
      this.#writers[core]!.publish();
      this.#native.pump(core);
    }
    return this.#writers.every((writer) => writer.settled());
  }
}
