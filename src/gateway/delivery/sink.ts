/** Carries out on the engine's port what replays decide. */

import type { EnginePort, Row } from '../../engine/port.js';
import type { IncompleteReason, ReplayChannel, ReplayRun, ReplaySink } from '../../sync/types.js';
import type { Replies } from '../message/replies.js';

export interface SinkParts {
  readonly port: EnginePort;
  readonly replies: Replies;
  readonly goLive: (row: Row, channel: ReplayChannel) => void;
  readonly failed: (row: Row, error: unknown) => void;
  readonly historyDone: ReplaySink['historyDone'];
  readonly historyFailed: ReplaySink['historyFailed'];
  readonly synced: ReplaySink['synced'];
}

export class PortSink implements ReplaySink {
  readonly #parts: SinkParts;

  constructor(parts: SinkParts) {
    this.#parts = parts;
  }

  frames(row: Row, run: ReplayRun, { id }: ReplayChannel): void {
    const { port } = this.#parts;
    if (run.frames !== null) port.sendFramedCopy(row, run.frames, id, run.lastSeq + 1);
    else for (const { address, length, lastSeq } of run.pieces ?? []) port.sendFramed(row, address, length, id, lastSeq + 1);
  }

  framesCopy(row: Row, frames: Uint8Array): void {
    this.#parts.port.sendFramedCopy(row, frames);
  }

  historyDone(...of: Parameters<ReplaySink['historyDone']>): void {
    this.#parts.historyDone(...of);
  }

  historyFailed(...of: Parameters<ReplaySink['historyFailed']>): void {
    this.#parts.historyFailed(...of);
  }

  synced(...of: Parameters<ReplaySink['synced']>): void {
    this.#parts.synced(...of);
  }

  incomplete(row: Row, channel: ReplayChannel, fromSeq: number, toSeq: number, reason: IncompleteReason): void {
    this.#parts.replies.incomplete(row, channel.name, fromSeq, toSeq, reason);
  }

  live(row: Row, channel: ReplayChannel): void {
    this.#parts.goLive(row, channel);
  }

  notifyWritable(row: Row): void {
    this.#parts.port.notifyWritable(row);
  }

  failed(row: Row, error: unknown): void {
    this.#parts.failed(row, error);
  }
}
