/**
 * The session table: one row for each connection, in columns of typed arrays indexed by the engine's row. Columns are as long
 * as there can be rows; pages that no connection touched, and those of columns that hold only zeros, take no memory.
 */

import type { Row } from '../engine/port.js';
import { HashIndex } from '../store/hash-index.js';
import { anonymousName, formatSessionId, type SessionWords } from '../store/sessions/session-id.js';
import { Permissions } from './permissions.js';
import { StringTable } from './strings.js';

export const SESSION = {
  /** No connection. */
  free: 0,
  /** Connected, no `hello` yet. */
  connected: 1,
  /** The token of its `hello` is being checked. */
  checking: 2,
  /** Welcomed. */
  open: 3,
  /** Being closed: what it still sends is not looked at. */
  closing: 4,
  /** It said `bye`, and is still told what becomes of what it said before. */
  leaving: 5,
} as const;

export type SessionState = (typeof SESSION)[keyof typeof SESSION];

/** What a session is begun with. */
export interface SessionStart {
  readonly id: SessionWords;
  /** Null for an anonymous session. */
  readonly user: string | null;
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** When its token ends, in seconds since the Unix epoch; 0 never. */
  readonly expiresAt: number;
  /** Of the session: fences what is written of it. */
  readonly sessionGeneration: number;
  /** Milliseconds since the Unix epoch. */
  readonly leaseUntil: number;
  /** Another resume token is good until this client says something. */
  readonly unconfirmed: boolean;
}

export type ManyStart = Omit<SessionStart, 'id' | 'user' | 'unconfirmed'>;

/** So many rows in a line are known by the lease among them that ends first, a power of two. */
const RANGE_BITS = 12;
const NEVER = 0xffffffff;
/** Slots of the cache of names; a power of two. */
const NAMES = 4096;

export class SessionTable {
  readonly rows: number;
  readonly users = new StringTable();
  readonly permissions = new Permissions();
  readonly #state: Uint8Array;
  readonly #generation: Uint32Array;
  readonly #id: Uint32Array;
  readonly #user: Uint32Array;
  readonly #permission: Uint32Array;
  readonly #expiresAt: Uint32Array;
  /** Of the session, before this one: most have none. */
  readonly #formerGenerations: Uint32Array;
  /** Seconds since the Unix epoch. */
  readonly #leaseUntil: Uint32Array;
  /** Of each range of rows: no lease ends before. */
  readonly #earliest: Uint32Array;
  readonly #unconfirmed: Uint8Array;
  readonly #byId: HashIndex;
  /** For openMany(). */
  #hashes = new Uint32Array(0);
  #rowsUsed = 0;
  readonly #nameRow = new Int32Array(NAMES).fill(-1);
  readonly #nameGeneration = new Uint32Array(NAMES);
  readonly #names: string[] = new Array<string>(NAMES).fill('');
  #connections = 0;
  #expiring = 0;

  constructor(rows: number) {
    this.rows = rows;
    this.#state = new Uint8Array(rows);
    this.#generation = new Uint32Array(rows);
    this.#id = new Uint32Array(rows * 4);
    this.#user = new Uint32Array(rows);
    this.#permission = new Uint32Array(rows);
    this.#expiresAt = new Uint32Array(rows);
    this.#formerGenerations = new Uint32Array(rows);
    this.#leaseUntil = new Uint32Array(rows);
    this.#earliest = new Uint32Array((rows >>> RANGE_BITS) + 1).fill(NEVER);
    this.#unconfirmed = new Uint8Array(rows);
    this.#byId = new HashIndex((row) => this.#id[row * 4] as number, rows);
  }

  /** Rows in use, closing ones included. */
  get connections(): number {
    return this.#connections;
  }

  /** Sessions that were welcomed and are connected. */
  get sessions(): number {
    return this.#byId.count;
  }

  /** Sessions that end with their token. */
  get expiring(): number {
    return this.#expiring;
  }

  /** Bytes in use: columns that hold only zeros (no token's end, the first generation, …) take none, and are counted as if they did not. */
  get memory(): { readonly columns: number; readonly index: number; readonly users: number } {
    const perRow = 1 + 4 + 16 + 4 + (this.users.count > 0 ? 4 : 0) + (this.#expiring > 0 ? 4 : 0);
    return { columns: this.#rowsUsed * perRow, index: this.#byId.bytes, users: this.users.memoryBytes };
  }

  state(row: Row): SessionState {
    return this.#state[row] as SessionState;
  }

  setState(row: Row, state: typeof SESSION.checking | typeof SESSION.connected | typeof SESSION.leaving): void {
    this.#state[row] = state;
  }

  /** Whether the client on this connection of the row is still told what it asked for. */
  listens(row: Row, generation: number): boolean {
    const state = this.#state[row];
    return this.#generation[row] === generation && (state === SESSION.open || state === SESSION.leaving);
  }

  /** Changes whenever the row gets another connection: what was begun for one never reaches the next. */
  generation(row: Row): number {
    return this.#generation[row] as number;
  }

  connect(row: Row): void {
    if (row >= this.#rowsUsed) this.#rowsUsed = row + 1;
    this.#state[row] = SESSION.connected;
    this.#generation[row] = (this.#generation[row] as number) + 1;
    this.#connections += 1;
  }

  open(row: Row, start: SessionStart): void {
    this.#fill(row, start);
    this.#byId.insert(start.id[0] as number, row);
  }

  #fill(row: Row, start: SessionStart): void {
    this.#state[row] = SESSION.open;
    for (let i = 0; i < 4; i += 1) this.#id[row * 4 + i] = start.id[i] as number;
    put(this.#user, row, start.user === null ? 0 : this.users.intern(start.user));
    put(this.#permission, row, this.permissions.intern(start.read, start.write));
    put(this.#expiresAt, row, start.expiresAt);
    if (start.expiresAt !== 0) this.#expiring += 1;
    put(this.#formerGenerations, row, start.sessionGeneration - 1);
    this.setLease(row, start.leaseUntil);
    put(this.#unconfirmed, row, start.unconfirmed ? 1 : 0);
  }

  /** The same for the first `count` of these rows, whose sessions have no user and differ in their ids only: four words each in `ids`. */
  openMany(rows: Int32Array, ids: Uint32Array, count: number, { read, write, expiresAt, sessionGeneration, leaseUntil }: ManyStart): void {
    if (this.#hashes.length < count) this.#hashes = new Uint32Array(count);
    const permission = this.permissions.intern(read, write, count);
    const [states, columns, hashes] = [this.#state, this.#id, this.#hashes];
    if (expiresAt !== 0) this.#expiring += count;
    for (let i = 0; i < count; i += 1) {
      const row = rows[i] as Row;
      states[row] = SESSION.open;
      for (let word = 0; word < 4; word += 1) columns[row * 4 + word] = ids[i * 4 + word] as number;
      hashes[i] = ids[i * 4] as number;
      put(this.#user, row, 0);
      put(this.#permission, row, permission);
      put(this.#expiresAt, row, expiresAt);
      put(this.#formerGenerations, row, sessionGeneration - 1);
      put(this.#unconfirmed, row, 0);
    }
    for (let i = 0; i < count; i += 1) this.setLease(rows[i] as Row, leaseUntil);
    this.#byId.insertMany(hashes, rows, count);
  }

  /** Ends the row's session if it has one; the connection is closing from here on. */
  end(row: Row): void {
    if (this.#state[row] === SESSION.open || this.#state[row] === SESSION.leaving) {
      this.#byId.remove(this.#id[row * 4] as number, row);
      if (this.#user[row] !== 0) this.users.release(this.#user[row] as number);
      this.permissions.release(this.#permission[row] as number);
      if (this.#expiresAt[row] !== 0) this.#expiring -= 1;
      this.#nameRow[row & (NAMES - 1)] = -1;
    }
    this.#state[row] = SESSION.closing;
  }

  /** The connection is gone; the session was ended before. */
  disconnect(row: Row): void {
    this.#state[row] = SESSION.free;
    this.#id.fill(0, row * 4, row * 4 + 4);
    put(this.#user, row, 0);
    put(this.#permission, row, 0);
    put(this.#expiresAt, row, 0);
    this.#connections -= 1;
  }

  /** Row of the connected session with this id, or -1. */
  findSession(id: SessionWords): Row {
    const columns = this.#id;
    for (let at = this.#byId.first(id[0] as number), row; (row = this.#byId.value(at)) >= 0; at = this.#byId.next(at)) {
      const base = row * 4;
      if (columns[base] === id[0] && columns[base + 1] === id[1] && columns[base + 2] === id[2] && columns[base + 3] === id[3]) return row;
    }
    return -1;
  }

  sessionGeneration(row: Row): number {
    return (this.#formerGenerations[row] as number) + 1;
  }

  setLease(row: Row, until: number): void {
    const seconds = Math.floor(until / 1000);
    this.#leaseUntil[row] = seconds;
    if (seconds < (this.#earliest[row >>> RANGE_BITS] as number)) this.#earliest[row >>> RANGE_BITS] = seconds;
  }

  isUnconfirmed(row: Row): boolean {
    return this.#unconfirmed[row] === 1;
  }

  confirm(row: Row): void {
    put(this.#unconfirmed, row, 0);
  }

  /** Copies the words of the session's id. */
  copyId(row: Row, into: SessionWords, offset = 0): SessionWords {
    const columns = this.#id;
    for (let i = 0; i < 4; i += 1) into[offset + i] = columns[row * 4 + i] as number;
    return into;
  }

  hasId(row: Row, words: SessionWords, offset: number): boolean {
    for (let i = 0; i < 4; i += 1) if (words[offset + i] !== this.#id[row * 4 + i]) return false;
    return true;
  }

  sessionId(row: Row): string {
    return formatSessionId(this.#id, row * 4);
  }

  /** Whether the session's token has ended at `now`, in seconds. */
  hasExpired(row: Row, now: number): boolean {
    const expiresAt = this.#expiresAt[row] as number;
    return expiresAt !== 0 && expiresAt <= now && this.#state[row] === SESSION.open;
  }

  /** The user's name, or the anonymous session's. Recent ones come from a cache of fixed size. */
  userName(row: Row): string {
    const slot = row & (NAMES - 1);
    if (this.#nameRow[slot] === row && this.#nameGeneration[slot] === this.#generation[row]) return this.#names[slot] as string;
    const user = this.#user[row] as number;
    const name = user === 0 ? anonymousName(this.#id, row * 4) : this.users.get(user);
    this.#nameRow[slot] = row;
    this.#nameGeneration[slot] = this.#generation[row] as number;
    this.#names[slot] = name;
    return name;
  }

  canRead(row: Row, channel: string): boolean {
    return this.permissions.canRead(this.#permission[row] as number, channel);
  }

  canWrite(row: Row, channel: string): boolean {
    return this.permissions.canWrite(this.#permission[row] as number, channel);
  }

  /** Calls `expired` for the open rows from `from` up to `to` whose token ended before `now` (seconds). */
  sweep(from: Row, to: Row, now: number, expired: (row: Row) => void): void {
    for (let row = from; row < to; row += 1) if (this.hasExpired(row, now)) expired(row);
  }

  /**
   * Calls `visit` for the open rows from `from` up to `to` whose lease ends before `before` (milliseconds since the Unix epoch), `most` of
   * them; returns the row behind those that it has looked at. Leases of rows that were opened one behind the other end at about the same
   * time: most ranges of them need not be looked at.
   */
  leasesBefore(from: Row, to: Row, before: number, most: number, visit: (row: Row) => void): Row {
    const seconds = before / 1000;
    const end = Math.min(to, this.#rowsUsed);
    let left = most;
    for (let row = from, next; row < end; row = next) {
      const range = row >>> RANGE_BITS;
      const rangeEnd = (range + 1) << RANGE_BITS;
      next = Math.min(end, rangeEnd);
      if ((this.#earliest[range] as number) >= seconds) continue;
      let earliest = NEVER;
      for (let at = row; at < next; at += 1) {
        if (this.#state[at] !== SESSION.open) continue;
        const until = this.#leaseUntil[at] as number;
        if (until < earliest) earliest = until;
        if (until >= seconds) continue;
        if (left === 0) return at;
        left -= 1;
        visit(at);
      }
      if (row === range << RANGE_BITS && (next === rangeEnd || next === this.#rowsUsed)) this.#earliest[range] = earliest;
    }
    return to;
  }

  /** Calls `visit` for each row with a connection. */
  forEachConnection(visit: (row: Row) => void): void {
    for (let row = 0; row < this.rows; row += 1) if (this.#state[row] !== SESSION.free) visit(row);
  }

  /** Calls `visit` for each open session of a user. */
  forEachOf(user: string, visit: (row: Row) => void): void {
    const index = this.users.find(user);
    for (let row = 0; row < this.rows; row += 1) {
      if (this.#state[row] !== SESSION.open) continue;
      if (index !== 0 ? this.#user[row] === index : this.#user[row] === 0 && this.userName(row) === user) visit(row);
    }
  }
}

function put(column: Uint32Array | Uint8Array, row: Row, value: number): void {
  if (column[row] !== value) column[row] = value;
}
