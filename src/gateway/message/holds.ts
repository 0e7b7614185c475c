/**
 * Requests whose answer comes later than their turn. Their events are held: their row does not end, and a successor of this control plane
 * sees them again, until the answer has been given.
 */

import type { EnginePort, Hold, Row } from '../../engine/port.js';
import type { Body } from '../context.js';

interface Requests {
  /** A client may give the same id to several. */
  readonly holds: Map<number, Hold[]>;
  count: number;
}

export class Holds {
  readonly #port: EnginePort;
  readonly #rows = new Map<Row, Requests>();

  constructor(port: EnginePort) {
    this.#port = port;
  }

  /** Requests of this row that were not answered yet. */
  count(row: Row): number {
    return this.#rows.get(row)?.count ?? 0;
  }

  /** Holds the event of the request of this row with this id: the one that is being delivered, or that of a message that waited. */
  take(row: Row, opId: number, body: Body): void {
    const hold = body.hold < 0 ? this.#port.hold(row) : body.hold;
    body.hold = -1;
    let requests = this.#rows.get(row);
    if (requests === undefined) this.#rows.set(row, (requests = { holds: new Map(), count: 0 }));
    const same = requests.holds.get(opId);
    if (same === undefined) requests.holds.set(opId, [hold]);
    else same.push(hold);
    requests.count += 1;
  }

  /** The request was answered. */
  settle(row: Row, opId: number): void {
    const requests = this.#rows.get(row);
    const same = requests?.holds.get(opId);
    const hold = same?.shift();
    if (requests === undefined || same === undefined || hold === undefined) return;
    if (same.length === 0) requests.holds.delete(opId);
    requests.count -= 1;
    if (requests.count === 0) this.#rows.delete(row);
    this.#letGo(hold);
  }

  /** Nobody is there any more to be answered. */
  clear(row: Row): void {
    const requests = this.#rows.get(row);
    if (requests === undefined) return;
    this.#rows.delete(row);
    for (const same of requests.holds.values()) for (const hold of same) this.#letGo(hold);
  }

  /** There is none where a connection has too many. */
  #letGo(hold: Hold): void {
    if (hold >= 0) this.#port.letGo(hold);
  }
}
