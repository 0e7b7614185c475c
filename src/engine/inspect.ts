/** Asks the cores of a running engine about their connections, by the mailboxes of its region. */
import { isIPv4, isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { INSPECT, INSPECTED, SECTION_KIND, STREAM } from './layout.js';
import { loadNative } from './native.js';
import { RegionError } from '../errors.js';
import { RegionView, SHARED_CORE } from './region.js';

const ANSWER_WITHIN_MS = 5000;
const LOOK_EVERY_MS = 5;
const END = 0xffffffff;
const UNKNOWN = 0xffffffff;

const STATES = [
  'UNKNOWN', 'ESTABLISHED', 'SYN-SENT', 'SYN-RECEIVED', 'FIN-WAIT-1', 'FIN-WAIT-2', 'TIME-WAIT', 'CLOSED', 'CLOSE-WAIT', 'LAST-ACK',
  'LISTEN', 'CLOSING',
] as const;
const PHASES = ['open', 'disorder', 'reduced', 'recovery', 'loss'] as const;
const SOCKETS = ['free', 'handshake', 'open', 'closing', 'gone'] as const;
const OPTIONS = ['timestamps', 'sack', 'window_scale', 'ecn'] as const;
// Of the words from STREAM.MSS on, in the order of the native struct.
const WORDS = [
  'mss', 'cwnd', 'ssthresh', 'srtt_us', 'rttvar_us', 'rto_us', 'send_window', 'receive_window', 'in_flight', 'send_queue', 'receive_queue',
  'out_of_order', 'lost', 'retransmits', 'last_sent_ms', 'last_received_ms',
] as const;

type Word = (typeof WORDS)[number];

export interface ConnectionDetail extends Readonly<Record<Exclude<Word, 'ssthresh'>, number>> {
  readonly core: number;
  readonly row: number;
  readonly state: string;
  readonly websocket: string;
  readonly local: string;
  readonly remote: string;
  readonly age_ms: number;
  readonly options: readonly string[];
  readonly send_shift: number;
  readonly receive_shift: number;
  readonly congestion: string;
  readonly backoff: number;
  /** null: slow start has not ended yet. */
  readonly ssthresh: number | null;
  readonly queued: number;
  readonly subscriptions: number;
  readonly paused: boolean;
}

export interface PeerFilter {
  /** Numeric; null: any. */
  readonly address: string | null;
  /** 0: any. */
  readonly port: number;
}

export class ConnectionInspector {
  readonly #region: RegionView;
  readonly #mailboxes: number;

  /** Throws RegionError when there is no such region or this release cannot read it. */
  static attach(name: string): ConnectionInspector {
    try {
      return new ConnectionInspector(new RegionView(loadNative().attachRegion(name, true)));
    } catch (error) {
      throw new RegionError(error instanceof Error ? error.message : String(error));
    }
  }

  constructor(region: RegionView) {
    this.#region = region;
    this.#mailboxes = region.section(SECTION_KIND.INSPECT, SHARED_CORE).offset;
  }

  /** At most `limit` connections, core by core. Throws RegionError when a core does not answer or somebody else is asking. */
  async list(limit: number, peer: PeerFilter = { address: null, port: 0 }): Promise<readonly ConnectionDetail[]> {
    const found: ConnectionDetail[] = [];
    for (let core = 0; core < this.#region.cores && found.length < limit; core++) {
      const box = new Mailbox(this.#region.buffer, this.#mailboxes + core * MAILBOX_BYTES, core);
      box.take();
      try {
        for (let from = 0; from !== END && found.length < limit;) {
          from = await box.ask(from, peer);
          found.push(...box.records());
        }
      } finally {
        box.leave();
      }
    }
    return found.slice(0, limit);
  }
}

const MAILBOX_BYTES = Math.ceil((INSPECT.RECORDS + INSPECT.MAX_RECORDS * INSPECT.RECORD_BYTES) / 64) * 64;

class Mailbox {
  readonly #words: Int32Array;
  readonly #view: DataView;
  readonly #core: number;

  constructor(buffer: ArrayBuffer, offset: number, core: number) {
    this.#words = new Int32Array(buffer, offset, INSPECT.RECORDS / 4);
    this.#view = new DataView(buffer, offset, MAILBOX_BYTES);
    this.#core = core;
  }

  take(): void {
    const at = INSPECT.ASKER / 4;
    const holder = Atomics.compareExchange(this.#words, at, 0, process.pid);
    if (holder === 0 || holder === process.pid) return;
    if (alive(holder)) {
      throw new RegionError(`process ${holder} is asking about connections`, { remedy: 'Ask again when it has ended.' });
    }
    // One that was killed in the middle.
    Atomics.compareExchange(this.#words, at, holder, process.pid);
  }

  leave(): void {
    Atomics.compareExchange(this.#words, INSPECT.ASKER / 4, process.pid, 0);
  }

  /** Returns where to go on. */
  async ask(from: number, peer: PeerFilter): Promise<number> {
    const view = this.#view;
    view.setUint32(INSPECT.FROM, from, true);
    view.setUint16(INSPECT.PORT, peer.port, true);
    const ip = peer.address === null ? null : addressBytes(peer.address);
    view.setUint8(INSPECT.FAMILY, ip === null ? 0 : ip.length === 4 ? 4 : 6);
    if (ip !== null) new Uint8Array(view.buffer, view.byteOffset + INSPECT.IP, ip.length).set(ip);
    const request = Atomics.add(this.#words, INSPECT.REQUEST / 4, 1) + 1;
    const end = performance.now() + ANSWER_WITHIN_MS;
    while (Atomics.load(this.#words, INSPECT.ANSWER / 4) !== (request | 0)) {
      if (performance.now() > end) {
        const remedy = 'Look whether the engine runs: its turns stand in `sluice stat`.';
        throw new RegionError(`core ${this.#core} does not answer`, { remedy });
      }
      await sleep(LOOK_EVERY_MS);
    }
    return view.getUint32(INSPECT.NEXT, true);
  }

  records(): readonly ConnectionDetail[] {
    const count = Math.min(this.#view.getUint32(INSPECT.COUNT, true), INSPECT.MAX_RECORDS);
    return Array.from({ length: count }, (_, index) => this.#record(INSPECT.RECORDS + index * INSPECT.RECORD_BYTES));
  }

  #record(at: number): ConnectionDetail {
    const view = this.#view;
    const own = (offset: number): number => view.getUint32(at + offset, true);
    const stream = at + INSPECTED.STREAM;
    const byte = (offset: number): number => view.getUint8(stream + offset);
    const word = (index: number): number => view.getUint32(stream + STREAM.MSS + index * 4, true);
    const words = Object.fromEntries(WORDS.map((name, index) => [name, word(index)])) as Record<Word, number>;
    const flags = byte(STREAM.FLAGS);
    const family = byte(STREAM.FAMILY);
    const address = (ip: number, port: number): string => this.#address(stream + ip, view.getUint16(stream + port, true), family);
    return {
      core: this.#core,
      row: own(INSPECTED.SLOT),
      state: STATES[byte(STREAM.STATE)] ?? 'UNKNOWN',
      websocket: SOCKETS[own(INSPECTED.STATE)] ?? 'unknown',
      local: address(STREAM.LOCAL_IP, STREAM.LOCAL_PORT),
      remote: address(STREAM.REMOTE_IP, STREAM.REMOTE_PORT),
      age_ms: own(INSPECTED.AGE_MS),
      options: OPTIONS.filter((_, bit) => (flags >> bit) & 1),
      send_shift: byte(STREAM.SEND_SHIFT),
      receive_shift: byte(STREAM.RECEIVE_SHIFT),
      congestion: PHASES[byte(STREAM.PHASE)] ?? 'open',
      backoff: view.getUint16(stream + STREAM.BACKOFF, true),
      queued: own(INSPECTED.QUEUED),
      subscriptions: own(INSPECTED.SUBSCRIPTIONS),
      paused: own(INSPECTED.PAUSED) !== 0,
      ...words,
      ssthresh: words.ssthresh === UNKNOWN ? null : words.ssthresh,
    };
  }

  #address(at: number, port: number, family: number): string {
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, 16);
    if (family === 4) return `${bytes.subarray(0, 4).join('.')}:${port}`;
    const groups = Array.from({ length: 8 }, (_, i) => ((bytes[i * 2]! << 8) | bytes[i * 2 + 1]!).toString(16));
    // The URL parser writes IPv6 addresses in their short form (RFC 5952).
    return `${new URL(`http://[${groups.join(':')}]`).hostname}:${port}`;
  }
}

function addressBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.').map(Number));
  if (!isIPv6(address)) throw new RegionError(`'${address}' is not a numeric address`, { remedy: 'Give it as 192.0.2.7 or 2001:db8::7.' });
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const words = (text = ''): number[] => (text === '' ? [] : text.split(':').map((word) => parseInt(word, 16)));
  const front = words(head);
  const back = words(tail);
  const groups = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
