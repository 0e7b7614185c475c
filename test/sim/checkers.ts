/** Stand outside of the code under test and say what is wrong: each looks at what clients, the wire or the stores saw. */

import { relationOf } from '../../src/client/vector-clock.js';
import type { Message } from '../../src/client/types.js';
import type { SharedMessage } from './shared-stores.js';
import { laterId, type SessionRecord } from '../../src/store/sessions/session-store.js';

type Header = Readonly<Record<string, unknown>>;

export class Problems {
  readonly found: string[] = [];

  add(what: string): void {
    if (this.found.length < 20) this.found.push(what);
  }
}

/** What one connection was sent: of each channel every message once and in order, unless the client asked for a part of it again. */
export class WireChecker {
  readonly #problems: Problems;
  readonly #name: string;
  readonly #last = new Map<string, number>();
  readonly #askedAgain = new Set<string>();

  constructor(problems: Problems, name: string) {
    this.#problems = problems;
    this.#name = name;
  }

  /** The client sends this. */
  asked({ op, channel }: Header): void {
    if (op === 'sub' || op === 'unsub') this.#askedAgain.add(String(channel));
  }

  /** The client is sent this. */
  sent(header: Header): void {
    const channel = String(header['channel']);
    if (header['op'] === 'incomplete') this.#askedAgain.add(channel);
    if (header['op'] !== 'msg') return;
    const seq = Number(header['server_seq']);
    const last = this.#last.get(channel);
    const isNext = last === undefined || seq === last + 1;
    if (!isNext && !this.#askedAgain.delete(channel)) {
      this.#problems.add(`${this.#name}: ${channel} ${seq} was sent after ${last}${seq <= last ? ': doubled' : ': a hole'}`);
    }
    this.#last.set(channel, seq);
  }
}

/** Where a resume token's statement has its generation (src/session/resume-token.ts). */
const GENERATION = 17;

/** Of a session each generation of its token is given to one connection only, and each `welcome` gives a later one than was shown. */
export class OwnerChecker {
  readonly #problems: Problems;
  readonly #given = new Set<string>();
  readonly #lost = new Set<string>();

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  /** `shown`: the token of the connection's `hello`. `others`: connections of its node that have this session and are not closed. */
  welcome({ session, resume }: Header, shown: string | null, others: readonly string[]): void {
    const generation = generationOf(String(resume));
    const claim = `${String(session)} generation ${generation}`;
    if (this.#given.has(claim) && !this.#lost.delete(claim)) this.#problems.add(`two connections own session ${claim}`);
    this.#given.add(claim);
    const former = shown === null ? 0 : generationOf(shown);
    if (generation <= former) this.#problems.add(`session ${claim} was given for generation ${former}`);
    for (const name of others) this.#problems.add(`${name} has session ${String(session)} while another is welcomed`);
  }

  /**
   * The store does not know of this generation, though a connection may have it: it may be given once more. `isOver`: the connection went
   * with its process, perhaps before anybody saw its `welcome`.
   */
  lost({ id, generation }: SessionRecord, isOver: boolean): void {
    const claim = `${id} generation ${generation}`;
    if (isOver) this.#given.delete(claim);
    else this.#lost.add(claim);
  }
}

function generationOf(token: string): number {
  return Buffer.from(token.split('.')[0] ?? '', 'base64url').readUInt32BE(GENERATION);
}

/** Sessions as the store keeps them: generations and cursors only move forward, what ended stays so. */
export class CheckedRecords extends Map<string, SessionRecord> {
  readonly #problems: Problems;
  /** Generations that were given out and not stored. */
  readonly #lost = new Map<string, number>();

  constructor(problems: Problems) {
    super();
    this.#problems = problems;
  }

  override set(id: string, record: SessionRecord): this {
    const former = this.get(id);
    if (former !== undefined) this.#compare(former, record);
    return super.set(id, record);
  }

  /** What was decided of a session was not stored: it is again as it was. */
  takeBack(former: SessionRecord): void {
    const { id } = former;
    this.#lost.set(id, Math.max(this.#lost.get(id) ?? 0, this.get(id)?.generation ?? 0));
    super.set(id, former);
  }

  #compare(former: SessionRecord, record: SessionRecord): void {
    const { id, generation } = record;
    if (generation < former.generation || generation > Math.max(former.generation, this.#lost.get(id) ?? 0) + 1) {
      this.#problems.add(`session ${id}: generation ${generation} after ${former.generation}`);
    }
    if (former.ended && !record.ended) this.#problems.add(`session ${id} came back to life`);
    if (former.lastSeenMessageId !== null && laterId(record.lastSeenMessageId, former.lastSeenMessageId) !== record.lastSeenMessageId) {
      this.#problems.add(`session ${id}: last seen ${record.lastSeenMessageId} after ${former.lastSeenMessageId}`);
    }
    const now = new Map(record.cursors.map((cursor) => [cursor.channel, cursor]));
    for (const { channel, seq, epoch } of former.cursors) {
      const cursor = now.get(channel);
      if (cursor !== undefined && cursor.epoch === epoch && cursor.seq < seq) {
        this.#problems.add(`session ${id}: ${channel} went back from ${seq} to ${cursor.seq}`);
      }
    }
  }
}

/** What one application heard and published. */
export class ApplicationChecker {
  readonly name: string;
  readonly #problems: Problems;
  /** `missed`: first of those behind which nothing was heard since they were said to be missing. */
  readonly #heard = new Map<string, { last: number; missed: number | null; readonly bodies: Map<number, string> }>();
  readonly #published = new Map<string, number>();

  constructor(problems: Problems, name: string) {
    this.#problems = problems;
    this.name = name;
  }

  heard(channel: string, seq: number, body: string): void {
    let own = this.#heard.get(channel);
    if (own === undefined) this.#heard.set(channel, (own = { last: 0, missed: null, bodies: new Map() }));
    if (seq !== own.last + 1 && seq !== own.missed) this.#problems.add(`${this.name} heard ${channel} ${seq} after ${own.last}`);
    own.last = seq;
    own.missed = null;
    own.bodies.set(seq, body);
  }

  /** Numbers. */
  heardOf(channel: string): readonly number[] {
    return [...(this.#heard.get(channel)?.bodies.keys() ?? [])];
  }

  /** The gateway cannot give these at the moment. Who asks again before anything else came, as after a cut, may be given them. */
  missing(channel: string, from: number, to: number): void {
    let own = this.#heard.get(channel);
    if (own === undefined) this.#heard.set(channel, (own = { last: 0, missed: null, bodies: new Map() }));
    if (from > own.last + 1) this.#problems.add(`${this.name}: ${channel} ${from} to ${to} are said to be missing after ${own.last}`);
    if (to <= own.last) return;
    own.missed ??= own.last + 1;
    own.last = to;
  }

  acknowledged(channel: string, body: string, seq: number): void {
    this.#published.set(`${channel} ${body}`, seq);
  }

  /** `log`: bodies of each channel, by number from 1. */
  finish(log: ReadonlyMap<string, readonly string[]>): void {
    for (const [channel, { last, bodies }] of this.#heard) {
      const stored = log.get(channel) ?? [];
      if (last !== stored.length) this.#problems.add(`${this.name} heard ${channel} up to ${last} of ${stored.length}`);
      for (const [seq, body] of bodies) {
        if (stored[seq - 1] !== body) this.#problems.add(`${this.name} heard ${body} as ${channel} ${seq}, stored is ${stored[seq - 1]}`);
      }
    }
    for (const [what, seq] of this.#published) {
      const [channel = '', body] = what.split(' ');
      if (log.get(channel)?.[seq - 1] !== body) this.#problems.add(`${this.name}: acknowledged ${what} is not at ${seq}`);
    }
  }
}

/** What was published is in the log once. */
export function checkLog(problems: Problems, log: ReadonlyMap<string, readonly string[]>): void {
  for (const [channel, bodies] of log) {
    if (new Set(bodies).size === bodies.length) continue;
    const double = bodies.find((body, index) => bodies.indexOf(body) !== index);
    problems.add(`${channel}: ${double} is stored twice`);
  }
}

/** Ids of all channels differ; along a channel times do not fall, and lamport rises. */
export function checkStamps(problems: Problems, channels: ReadonlyMap<string, { readonly messages: readonly SharedMessage[] }>): void {
  const ids = new Set<string>();
  for (const [channel, { messages }] of channels) {
    for (const [index, { id, serverTs, lamport }] of messages.entries()) {
      const former = messages[index - 1];
      if (ids.has(id)) problems.add(`${channel}: id ${id} was given twice`);
      ids.add(id);
      if (former !== undefined && former.serverTs > serverTs) problems.add(`${channel} ${index + 1}: server_ts fell`);
      if (former !== undefined && former.lamport >= lamport) problems.add(`${channel} ${index + 1}: lamport did not rise`);
    }
  }
}

type Clocked = Pick<Message, 'channel' | 'serverSeq' | 'from' | 'clock'>;

/** Of channels with vector clocks: what the clocks say of any two messages is what their authors had been given. */
export class CausalityChecker {
  readonly #problems: Problems;
  /** By body: the messages that the author had heard in the channel when it published. */
  readonly #given = new Map<string, readonly number[]>();
  readonly #messages = new Map<string, Map<number, Clocked & { readonly body: string }>>();
  /** Somebody was not given everything: who had heard what is not told by a last number then. */
  readonly #incomplete = new Set<string>();

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  publishes(body: string, heard: readonly number[]): void {
    this.#given.set(body, [...heard]);
  }

  heard({ channel, serverSeq, from, clock, body }: Message): void {
    if (clock === null) return;
    let messages = this.#messages.get(channel);
    if (messages === undefined) this.#messages.set(channel, (messages = new Map()));
    messages.set(serverSeq, { channel, serverSeq, from, clock, body: String(body) });
  }

  missing(channel: string): void {
    this.#incomplete.add(channel);
  }

  /** Returns how many pairs were looked at. */
  finish(): number {
    let pairs = 0;
    for (const [channel, messages] of this.#messages) {
      if (!this.#incomplete.has(channel)) pairs += this.#check([...messages.values()].sort((a, b) => a.serverSeq - b.serverSeq));
    }
    return pairs;
  }

  #check(messages: readonly (Clocked & { readonly body: string })[]): number {
    let pairs = 0;
    for (const [index, message] of messages.entries()) {
      const given = new Set(this.#given.get(message.body) ?? []);
      for (const earlier of messages.slice(0, index)) {
        pairs += 1;
        const expected = earlier.from === message.from || given.has(earlier.serverSeq) ? 'before' : 'concurrent';
        const told = relationOf(earlier, message);
        if (told !== expected) this.#problems.add(`${earlier.body} and ${message.body} are ${expected}, told is ${told}`);
      }
    }
    return pairs;
  }
}
