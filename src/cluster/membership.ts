/** This node's place among the others: tells the directory that it lives, and keeps a view of who else does. */

import type { NodeDirectory, NodeRecord, NodeState } from '../store/cluster-store.js';
import { rendezvous } from './rendezvous.js';

export interface MembershipOptions {
  readonly directory: NodeDirectory;
  readonly node: string;
  readonly region: string;
  /** Where clients reach this very node. */
  readonly url: string;
  /** The record lives this long; it is renewed at a third of it. */
  readonly leaseMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** What is told of this node. */
  readonly status: () => { readonly state: NodeState; readonly connections: number; readonly load: number };
  /** The directory cannot be reached, or can again. */
  readonly onTrouble?: (error: Error | null) => void;
}

export class Membership {
  readonly #options: MembershipOptions;
  #nodes: readonly NodeRecord[] = [];
  #timer: NodeJS.Timeout | null = null;
  #failing = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Joins; rejects with StoreError where the directory cannot be reached. */
  async start(): Promise<void> {
    await this.#exchange();
    this.#timer = setInterval(() => void this.refresh(), this.#options.leaseMs / 3);
    this.#timer.unref();
  }

  /** Tells and asks at once: after a change of state. Never rejects. */
  async refresh(): Promise<void> {
    try {
      await this.#exchange();
      if (this.#failing) this.#options.onTrouble?.(null);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.onTrouble?.(error instanceof Error ? error : new Error(String(error)));
      this.#failing = true;
    }
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#options.directory.withdraw(this.#options.node).catch(() => undefined);
  }

  /** Nodes that live as far as is known, this one among them. */
  get nodes(): readonly NodeRecord[] {
    const now = this.#options.now();
    return this.#nodes.filter(({ until }) => until > now);
  }

  /** The serving node that a client with this key should be on: of its region where there is one. Null: only this one is known. */
  home(key: string, region: string): NodeRecord | null {
    return this.#choose(key, region, () => true);
  }

  /** Where a client with this key goes when this node drains; null where there is no other. */
  successor(key: string): NodeRecord | null {
    return this.#choose(key, this.#options.region, ({ node }) => node !== this.#options.node);
  }

  #choose(key: string, region: string, wanted: (node: NodeRecord) => boolean): NodeRecord | null {
    const serving = this.nodes.filter((node) => node.state === 'serving' && wanted(node));
    const near = serving.filter((node) => node.region === region);
    return rendezvous(key, near.length > 0 ? near : serving);
  }

  async #exchange(): Promise<void> {
    const { directory, node, region, url, leaseMs, now, status } = this.#options;
    await directory.announce({ node, region, url, ...status(), until: now() + leaseMs });
    this.#nodes = await directory.list(now());
  }
}
