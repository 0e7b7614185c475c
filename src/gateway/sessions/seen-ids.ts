import type { Row } from '../../engine/port.js';
import type { OpenChannel } from '../../sequence/channels.js';
import { SESSION } from '../../session/table.js';
import { idsOfFrames } from '../../store/delivery-frame.js';
import type { GatewayContext } from '../context.js';

interface Wanted {
  readonly connection: number;
  readonly channel: OpenChannel;
  readonly seq: number;
}

/**
 * Ids of messages that a device has seen and that have left the log: one read of the cold tier at a time for a connection, for the latest
 * that it told. What cannot be read is told again with the next message that is seen.
 */
export class SeenIds {
  readonly #wanted = new Map<Row, Wanted>();

  /** Keeps the message's id as the last that was seen, when it is known. */
  look(context: GatewayContext, row: Row, channel: OpenChannel, seq: number): void {
    const isReading = this.#wanted.has(row);
    this.#wanted.set(row, { connection: context.sessions.generation(row), channel, seq });
    if (!isReading) void this.#run(context, row);
  }

  async #run(context: GatewayContext, row: Row): Promise<void> {
    const { sessions, keeper } = context;
    for (let wanted = this.#wanted.get(row); wanted !== undefined; wanted = this.#next(row, wanted)) {
      const id = await read(context, wanted).catch(() => null);
      const isSame = sessions.generation(row) === wanted.connection && sessions.state(row) === SESSION.open;
      if (id !== null && isSame) keeper.seen(row, null, 0, id);
    }
  }

  /** What was told meanwhile; undefined when nothing was. */
  #next(row: Row, done: Wanted): Wanted | undefined {
    if (this.#wanted.get(row) === done) this.#wanted.delete(row);
    return this.#wanted.get(row);
  }
}

async function read({ cold }: GatewayContext, { channel, seq }: Wanted): Promise<string | null> {
  const run = (await cold?.read(channel, seq, seq, 1)) ?? null;
  return run?.firstSeq === seq ? (idsOfFrames(run)[0] ?? null) : null;
}
