/**
 * The vector clock of a message, in channels that have one (log.vectorClocks): of each sender, the server_seq of its last message that the
 * author had been given. Sequence numbers serve as the counters, since a sender's rise along the channel; so nothing has to be kept here,
 * and a restart, another node or another life of the sequence changes nothing. The author's own entry is the message's server_seq, which
 * stands beside it and is not known yet when the clock is written.
 */

export interface ClockFault {
  /** Too many senders; else it is no clock at all. */
  readonly tooMany: boolean;
  readonly message: string;
}

const NO_CLOCK: ClockFault = { tooMany: false, message: 'clock must be an object of whole sequence numbers from 1 by sender' };

/** `clock` of a publish as JSON for its delivery. `sendersMax`: entries, the author's own among them. */
export function vectorClockJson(value: unknown, author: string, sendersMax: number): string | ClockFault {
  if (value === undefined || value === null) return '{}';
  if (typeof value !== 'object' || Array.isArray(value)) return NO_CLOCK;
  const entries = Object.entries(value).filter(([sender]) => sender !== author);
  if (entries.length + 1 > sendersMax) return tooMany(entries.length + 1, sendersMax);
  for (const [sender, seq] of entries) {
    if (sender === '' || !Number.isSafeInteger(seq) || (seq as number) < 1) return NO_CLOCK;
  }
  return JSON.stringify(Object.fromEntries(entries));
}

function tooMany(senders: number, sendersMax: number): ClockFault {
  const message = `the vector clock would name ${senders} senders, and limits.clockSenders is ${sendersMax}: it grows with everybody who `
    + 'writes, so it is for small groups; larger ones have the order of server_seq and lamport';
  return { tooMany: true, message };
}
