import { EPOCH_MS } from '../../src/store/message-id.js';

/** The parts of an id: milliseconds since the Unix epoch (41 bits), worker (10 bits), counter (12 bits). */
export function parseSnowflake(id: string): { timestamp: number; worker: number; counter: number } {
  const value = BigInt(id);
  return { timestamp: Number(value >> 22n) + EPOCH_MS, worker: Number((value >> 12n) & 1023n), counter: Number(value & 4095n) };
}
