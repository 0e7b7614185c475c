import { StoreError } from '../../src/errors.js';
import type { NodeDirectory, NodeRecord } from '../../src/store/cluster-store.js';

export class MemoryDirectory implements NodeDirectory {
  readonly records = new Map<string, NodeRecord>();
  down = false;

  async announce(record: NodeRecord, now: number | null, as = record.instance): Promise<NodeRecord | null> {
    this.#check();
    const held = this.records.get(record.node);
    const isOthers = held !== undefined && held.instance !== '' && held.instance !== as;
    if (isOthers && now !== null && held.until > now) return held;
    this.records.set(record.node, record);
    return null;
  }

  async list(now: number): Promise<readonly NodeRecord[]> {
    this.#check();
    return [...this.records.values()].filter(({ until }) => until > now);
  }

  async withdraw(node: string, instance: string): Promise<void> {
    this.#check();
    if (this.records.get(node)?.instance === instance) this.records.delete(node);
  }

  #check(): void {
    if (this.down) throw new StoreError('down', true);
  }
}
