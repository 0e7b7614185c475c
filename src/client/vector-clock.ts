import type { Fields } from './codec.js';
import type { Message, VectorClock } from './types.js';

/** How two messages of a channel with vector clocks stand to each other. */
export type Relation = 'before' | 'after' | 'concurrent' | 'same';

type Clocked = Pick<Message, 'channel' | 'serverSeq' | 'from' | 'clock'>;

/** More than any gateway takes in a message: whoever would be left out, the gateway's refusal names the limit. */
const SENDERS_MAX = 128;

/**
 * Whether the author of one message had been given the other when it published (`before`, `after`), or neither the other's
 * (`concurrent`). A sender's own messages are ordered. Null where it cannot be told: another channel, or one without vector clocks.
 */
export function relationOf(a: Clocked, b: Clocked): Relation | null {
  if (a.channel !== b.channel || a.clock === null || b.clock === null) return null;
  if (a.serverSeq === b.serverSeq) return 'same';
  if (a.serverSeq <= (b.clock.get(a.from) ?? 0)) return 'before';
  return b.serverSeq <= (a.clock.get(b.from) ?? 0) ? 'after' : 'concurrent';
}

/** The clock of a `msg`. Its author cannot have been given what came after it, whatever it says. */
export function clockOf(field: unknown, from: string, serverSeq: number): VectorClock | null {
  if (typeof field !== 'object' || field === null) return null;
  const clock = new Map<string, number>();
  for (const [sender, seq] of Object.entries(field as Fields)) {
    if (typeof seq === 'number' && Number.isSafeInteger(seq)) clock.set(sender, Math.min(seq, serverSeq - 1));
  }
  return clock.set(from, serverSeq);
}

/** The `clock` field of a `pub`. */
export function clockFields(clock: VectorClock | null): Fields {
  return clock === null || clock.size === 0 ? {} : { clock: Object.fromEntries(clock) };
}

/** Everything that the application has been given of a channel. */
export class ChannelClock {
  readonly #entries = new Map<string, number>();

  get value(): VectorClock {
    return this.#entries;
  }

  receive({ clock }: Pick<Message, 'clock'>): void {
    if (clock === null) return;
    for (const [sender, seq] of clock) {
      const known = this.#entries.get(sender);
      if (known === undefined ? this.#entries.size < SENDERS_MAX : seq > known) this.#entries.set(sender, seq);
    }
  }

  /** The channel's numbers began anew. */
  clear(): void {
    this.#entries.clear();
  }
}
