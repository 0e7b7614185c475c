import type { AdminBackend, AdminHistoryQuery, AdminPublishResult, DrainStatus, GatewayStats } from './backend.js';

/** Stands for a gateway that is not there yet: the server around it is made before. Nothing is asked of it until it is. */
export class LateBackend implements AdminBackend {
  #backend: AdminBackend | null = null;
  #onCommit: AdminBackend['onCommit'] = null;

  arrive(backend: AdminBackend): void {
    this.#backend = backend;
    backend.onCommit = this.#onCommit;
  }

  get #real(): AdminBackend {
    return this.#backend as AdminBackend;
  }

  get onCommit(): AdminBackend['onCommit'] {
    return this.#onCommit;
  }
  set onCommit(value: AdminBackend['onCommit']) {
    if (this.#backend !== null && this.#backend.onCommit === this.#onCommit) this.#backend.onCommit = value;
    this.#onCommit = value;
  }
  get health(): AdminBackend['health'] {
    return this.#real.health;
  }
  notReady(): string | null {
    return this.#real.notReady();
  }
  stats(): GatewayStats {
    return this.#real.stats();
  }
  startDrain(deadlineMs: number | null, target: string | null): DrainStatus {
    return this.#real.startDrain(deadlineMs, target);
  }
  drainStatus(): DrainStatus {
    return this.#real.drainStatus();
  }
  publish(channel: string, from: string, key: string, body: string | Uint8Array): Promise<AdminPublishResult> {
    return this.#real.publish(channel, from, key, body);
  }
  history(channel: string, query: AdminHistoryQuery): ReturnType<AdminBackend['history']> {
    return this.#real.history(channel, query);
  }
  presence(channel: string): ReturnType<AdminBackend['presence']> {
    return this.#real.presence(channel);
  }
  disconnect(user: string, code: number, reason: string): Promise<number> {
    return this.#real.disconnect(user, code, reason);
  }
}
