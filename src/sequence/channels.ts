import type { Channel } from './types.js';
import type { AdoptedHead, MessageLog } from '../store/types.js';
import { EPOCH_MS } from '../store/message-id.js';
import { jsonText } from './frame.js';

/** Sequence numbers that an ephemeral channel may give out in a millisecond, on average over its life, before lives could meet. */
const EPHEMERAL_PER_MS = 16;

/** What a registry needs of a log. */
export type ChannelStore = Pick<MessageLog, 'openChannel' | 'adoptChannel' | 'findChannel' | 'recentHead'>;

/** A channel that another control plane had in use. */
export interface FormerChannel {
  readonly id: number;
  readonly name: string;
  readonly epoch: string;
  /** What it was published up to, of which the log may know more; null where nobody listens. */
  readonly publishedSeq: number | null;
}

/** The one object per channel in use. */
export class OpenChannel implements Channel {
  readonly id: number;
  readonly name: string;
  readonly nameJson: string;
  /** nameJson is ASCII. */
  readonly ascii: boolean;
  readonly epoch: string;
  readonly epochJson: string;
  /** Not in the log: fan-out only, best effort. */
  readonly ephemeral: boolean;
  readonly clocked: boolean;
  sequencedSeq: number;
  publishedSeq: number;
  /** Milliseconds since the Unix epoch. */
  usedAt: number;
  /** False once it has left memory: who asks for its name gets another object. */
  inUse = true;
  readonly #log: ChannelStore;

  /** `former`: its life in a control plane before this one, when it is ephemeral. */
  constructor(head: AdoptedHead, log: ChannelStore, kind: ChannelKind, now: number, former: FormerLife | null = null) {
    const { json, ascii } = jsonText(head.name);
    const { ephemeral } = kind;
    this.id = head.id;
    this.name = head.name;
    this.nameJson = json;
    this.ascii = ascii;
    this.ephemeral = ephemeral;
    this.clocked = kind.clocked;
    this.usedAt = now;
    this.#log = log;
    if (ephemeral && former !== null) {
      this.sequencedSeq = former.seq;
      this.epoch = former.epoch;
    } else if (ephemeral) {
      // Nothing tells the next life of the sequence where this one ended, so each starts above it by the clock, in an epoch of its own:
      // native code takes a seq that is not above the channel's last for a replay.
      this.sequencedSeq = Math.max(0, now - EPOCH_MS) * EPHEMERAL_PER_MS;
      this.epoch = `e${this.sequencedSeq.toString(36)}`;
    } else {
      this.sequencedSeq = head.headSeq;
      this.epoch = head.epoch;
    }
    this.publishedSeq = this.sequencedSeq;
    this.epochJson = JSON.stringify(this.epoch);
  }

  get oldestSeq(): number {
    if (this.ephemeral) return this.publishedSeq + 1;
    return this.#log.findChannel(this.name)?.oldestSeq ?? this.publishedSeq + 1;
  }
}

/** What the configuration says of a channel by its name. */
interface ChannelKind {
  readonly ephemeral: boolean;
  readonly clocked: boolean;
}

interface FormerLife {
  readonly seq: number;
  readonly epoch: string;
}

export interface ChannelRegistryOptions {
  readonly log: ChannelStore;
  /** Names that are not logged. */
  readonly ephemeral: (name: string) => boolean;
  /** Names whose messages carry vector clocks. */
  readonly clocked: (name: string) => boolean;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Milliseconds without use after which a channel's object may go. */
  readonly idleMs: number;
  /** A channel came into use (true) or leaves memory (false). */
  readonly onUse?: (channel: OpenChannel, used: boolean) => void;
}

/**
 * Channels in use on this node, opened from the log when they are first asked for. Those that another control plane had in use are known
 * by what it left (`expect`) until then: a takeover with very many is not held up by a look at the log for each.
 */
export class ChannelRegistry {
  readonly #options: ChannelRegistryOptions;
  readonly #byName = new Map<string, OpenChannel>();
  readonly #byId = new Map<number, OpenChannel>();
  readonly #expected = new Map<number, FormerChannel>();
  readonly #expectedNames = new Map<string, FormerChannel>();
  #hand: Iterator<OpenChannel> | null = null;
  /** One that was expected was asked for; null: the log has another channel of its name. */
  onAdopted: ((former: FormerChannel, channel: OpenChannel | null) => void) | null = null;

  constructor(options: ChannelRegistryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byId.size + this.#expected.size;
  }

  /** Opens the channel, making it when it is new. Throws StoreError. */
  open(name: string): OpenChannel {
    const now = this.#options.now();
    const known = this.#byName.get(name);
    if (known !== undefined) {
      known.usedAt = now;
      return known;
    }
    const former = this.#expected.size === 0 ? undefined : this.#expectedNames.get(name);
    const adopted = former === undefined ? null : this.#adoptExpected(former);
    if (adopted !== null) return adopted;
    const channel = new OpenChannel(this.#options.log.openChannel(name), this.#options.log, this.#kind(name), now);
    this.#add(channel);
    this.#options.onUse?.(channel, true);
    return channel;
  }

  /** Null when the log has another channel of this name. Throws StoreError. */
  adopt({ id, name, epoch, publishedSeq }: FormerChannel): OpenChannel | null {
    const { log, now } = this.#options;
    const kind = this.#kind(name);
    const { ephemeral } = kind;
    const head = ephemeral ? log.openChannel(name) : log.adoptChannel(name, id, epoch, publishedSeq);
    if (head === null || head.id !== id) return null;
    const channel = new OpenChannel(head, log, kind, now(), ephemeral ? { seq: publishedSeq ?? 0, epoch } : null);
    this.#add(channel);
    return channel;
  }

  /** It is adopted when it is asked for, by name or by id, or by adoptSome(). */
  expect(former: FormerChannel): void {
    this.#expected.set(former.id, former);
    this.#expectedNames.set(former.name, former);
  }

  /** Adopts those of which the log's newest messages were not published yet: there may be others, but they are not the newest. */
  adoptUrgent(): void {
    for (const former of this.#expected.values()) {
      const { id, publishedSeq } = former;
      if (publishedSeq !== null && (this.#options.log.recentHead(id) ?? 0) > publishedSeq) this.#adoptExpected(former);
    }
  }

  /** Adopts up to `budget` channels that nobody has asked for yet; false when there are none any more. Throws StoreError. */
  adoptSome(budget: number): boolean {
    let left = budget;
    for (const former of this.#expected.values()) {
      if (left-- === 0) return true;
      this.#adoptExpected(former);
    }
    return false;
  }

  #adoptExpected(former: FormerChannel): OpenChannel | null {
    const channel = this.adopt(former);
    this.#expected.delete(former.id);
    this.#expectedNames.delete(former.name);
    this.onAdopted?.(former, channel);
    return channel;
  }

  #kind(name: string): ChannelKind {
    return { ephemeral: this.#options.ephemeral(name), clocked: this.#options.clocked(name) };
  }

  #add(channel: OpenChannel): void {
    this.#byName.set(channel.name, channel);
    this.#byId.set(channel.id, channel);
  }

  /** The channel if it was ever opened, here or before; does not make it. */
  find(name: string): OpenChannel | null {
    const inUse = this.#byName.get(name);
    if (inUse !== undefined) {
      inUse.usedAt = this.#options.now();
      return inUse;
    }
    return this.#expectedNames.has(name) || this.#options.log.findChannel(name) !== null ? this.open(name) : null;
  }

  /** The channel of this name where it is in memory; nothing is looked up or opened. */
  inUse(name: string): OpenChannel | null {
    return this.#byName.get(name) ?? null;
  }

  /** The channel leaves memory at once; `open` makes it anew. */
  forget(channel: OpenChannel): void {
    channel.inUse = false;
    this.#byId.delete(channel.id);
    this.#byName.delete(channel.name);
  }

  /** A channel in use. Throws StoreError for one that is expected and cannot be read. */
  byId(id: number): OpenChannel | undefined {
    const known = this.#byId.get(id);
    if (known !== undefined || this.#expected.size === 0) return known;
    const former = this.#expected.get(id);
    return former === undefined ? undefined : (this.#adoptExpected(former) ?? undefined);
  }

  /** Whether it is in use, without a look at the log. */
  has(id: number): boolean {
    return this.#byId.has(id) || this.#expected.has(id);
  }

  /**
   * Looks at up to `budget` channels, in turn over the calls, and forgets those that are idle, have no publish under way and are not
   * `inUse` (subscribers, say). Returns how many went.
   */
  sweep(budget: number, inUse: (channel: OpenChannel) => boolean): number {
    const oldest = this.#options.now() - this.#options.idleMs;
    let removed = 0;
    for (let i = 0; i < budget; i++) {
      this.#hand ??= this.#byId.values();
      const { value, done } = this.#hand.next();
      if (done === true) {
        this.#hand = null;
        break;
      }
      const channel = value as OpenChannel;
      if (channel.usedAt > oldest || channel.sequencedSeq !== channel.publishedSeq || inUse(channel)) continue;
      this.forget(channel);
      this.#options.onUse?.(channel, false);
      removed++;
    }
    return removed;
  }
}
