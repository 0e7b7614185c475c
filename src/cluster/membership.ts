/** This node's place among the others: tells the directory that it lives, and keeps a view of who else does. */

import { ConfigError, StoreError } from '../errors.js';
import type { NodeDirectory, NodeRecord, NodeState } from '../store/cluster-store.js';
import { rendezvous } from './rendezvous.js';

export interface MembershipOptions {
  readonly directory: NodeDirectory;
  readonly node: string;
  /** Of this process. */
  readonly instance: string;
  /** Who has its connections: the same, unless they outlive it. */
  readonly holder: string;
  readonly region: string;
  /** Where clients reach this very node. */
  readonly url: string;
  /** The record lives this long; it is renewed at a third of it. */
  readonly leaseMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** What is told of this node. */
  readonly status: () => { readonly state: NodeState; readonly connections: number; readonly load: number };
  /** Whether the process whose record has this node's name lives; its lease may have outlived it. */
  readonly answers: (other: NodeRecord) => Promise<boolean>;
  /** The directory cannot be reached or another process has this node's name, or neither any more. */
  readonly onTrouble?: (error: Error | null) => void;
}

/**
 * Each takes as long as the directory's time-out at most. A Redis that was just started again, or whose disk is slow,
 * answers one of them.
 */
const JOIN_TRIES = 5;
const JOIN_PAUSE_MS = 500;

export class Membership {
  readonly #options: MembershipOptions;
  #nodes: readonly NodeRecord[] = [];
  #timer: NodeJS.Timeout | null = null;
  #failing = false;
  #rival: NodeRecord | null = null;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Joins; rejects with StoreError where the directory cannot be reached, with ConfigError where another process has the name. */
  async start(): Promise<void> {
    for (let tries = 1; !(await this.#join(tries === JOIN_TRIES)); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, JOIN_PAUSE_MS));
    }
    this.#timer = setInterval(() => void this.refresh(), this.#options.leaseMs / 3);
    this.#timer.unref();
  }

  /** Tells and asks at once: after a change of state, once it has joined. Never rejects. */
  async refresh(): Promise<void> {
    if (this.#timer === null) return;
    try {
      await this.#exchange();
      if (this.#failing) this.#options.onTrouble?.(null);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.onTrouble?.(error instanceof Error ? error : new Error(String(error)));
      this.#failing = true;
    }
  }

  /** Leaves the others. False where the directory could not be told: they take this node for alive until its lease ends. */
  async stop(): Promise<boolean> {
    const { directory, node, instance } = this.#options;
    this.#rest();
    return directory.withdraw(node, instance).then(() => true, () => false);
  }

  /** As stop(), but the connections stay, for a lease, to whoever takes the name next. */
  async letGo(): Promise<boolean> {
    const { directory, instance, now } = this.#options;
    this.#rest();
    const record: NodeRecord = { ...this.#record(), instance: '', state: 'draining' };
    return directory.announce(record, now(), instance).then(() => true, () => false);
  }

  #rest(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The other process of this node's name; null when there is none. */
  get rival(): NodeRecord | null {
    return this.#rival;
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

  #record(): NodeRecord {
    const { node, instance, holder, region, url, leaseMs, now, status } = this.#options;
    return { node, instance, holder, region, url, ...status(), until: now() + leaseMs };
  }

  /** False where the directory did not answer in time, which it may do when asked again. */
  async #join(last: boolean): Promise<boolean> {
    const { directory, answers, now } = this.#options;
    try {
      const other = await directory.announce(this.#record(), now());
      // Of a process that was killed: this may be the one that is started in its place.
      if (other !== null && !(await answers(other))) await directory.announce(this.#record(), null);
      await this.#exchange();
      return true;
    } catch (error) {
      if (last || !(error instanceof StoreError && error.retryable)) throw error;
      return false;
    }
  }

  async #exchange(): Promise<void> {
    const { directory, node, now } = this.#options;
    this.#rival = await directory.announce(this.#record(), now());
    if (this.#rival !== null) {
      throw new ConfigError('node', `another process${at(this.#rival)} is node ${node} of this store`, {
        remedy: 'Give each node a name of its own: --node NAME, or `node` in its configuration.',
      });
    }
    this.#nodes = await directory.list(now());
  }
}

function at({ url }: NodeRecord): string {
  return url === '' ? '' : ` (${url})`;
}
