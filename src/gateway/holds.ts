/** Events whose answer comes later than their turn: a successor of this control plane must see them again until it has been given. */

import type { EnginePort, Hold, Row } from '../engine/port.js';
import type { Body } from './context.js';

interface Held {
  readonly opId: number;
  readonly hold: Hold;
}

export class Holds {
  readonly #port: EnginePort;
  readonly #rows = new Map<Row, Held[]>();

  constructor(port: EnginePort) {
    this.#port = port;
  }

  /** Holds the event of the request of this row with this id: the one that is being delivered, or that of a message that waited. */
  take(row: Row, opId: number, body: Body): void {
    const hold = body.hold < 0 ? this.#port.hold() : body.hold;
    body.hold = -1;
    if (hold < 0) return;
    const held = this.#rows.get(row);
    if (held === undefined) this.#rows.set(row, [{ opId, hold }]);
    else held.push({ opId, hold });
  }

  /** The request was answered. */
  settle(row: Row, opId: number): void {
    const held = this.#rows.get(row);
    const at = held?.findIndex((each) => each.opId === opId) ?? -1;
    if (held === undefined || at < 0) return;
    const [settled] = held.splice(at, 1);
    if (held.length === 0) this.#rows.delete(row);
    this.#port.letGo((settled as Held).hold);
  }

  /** Nobody is there any more to be answered. */
  clear(row: Row): void {
    const held = this.#rows.get(row);
    if (held === undefined) return;
    this.#rows.delete(row);
    for (const { hold } of held) this.#port.letGo(hold);
  }
}
