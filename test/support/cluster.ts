/** Nodes of one cluster over a Redis of the test's own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { freePort } from './free-port.js';
import { startSluice, type SluiceProcess } from './sluice-process.js';

export interface NodeSettings {
  readonly name: string;
  readonly redis: string;
  /** Of the configuration, merged over the defaults of these tests. */
  readonly config?: Record<string, unknown>;
}

/** Of the admin server. */
const ANSWER_MS = 20_000;

/** A node that can be ended and started again under the same name and addresses. */
export class ClusterNode {
  readonly name: string;
  readonly url: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-node-'));
  readonly #file: string;
  #process: SluiceProcess | null = null;
  #stderr = '';

  private constructor({ name, redis, config = {} }: NodeSettings, port: number, admin: number) {
    this.name = name;
    this.url = `ws://127.0.0.1:${port}/v1`;
    this.#file = join(this.#folder, 'sluice.json');
    const { store = {}, cluster = {}, limits = {}, ...others } = config as Record<string, object>;
    writeFileSync(this.#file, JSON.stringify({
      node: name, listen: `127.0.0.1:${port}`, admin: `127.0.0.1:${admin}`, data: join(this.#folder, 'data'),
      limits: { publishRate: 0, ...limits },
      store: { redis, ...store },
      cluster: { url: this.url, leaseMs: 3000, ...cluster },
      ...others,
    }));
  }

  static async start(t: Test, settings: NodeSettings): Promise<ClusterNode> {
    const node = new ClusterNode(settings, await freePort(), await freePort());
    t.teardown(() => node.remove());
    await node.start();
    return node;
  }

  async start(): Promise<void> {
    this.#process = await startSluice(['serve', '--config', this.#file]);
  }

  get process(): SluiceProcess {
    if (this.#process === null) throw new Error(`node ${this.name} does not run`);
    return this.#process;
  }

  get stderr(): string {
    return this.#stderr + (this.#process?.stderr() ?? '');
  }

  /** Resolves with the exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { process } = this;
    const code = await process.stop(signal);
    this.#stderr += process.stderr();
    this.#process = null;
    return code;
  }

  async ready(): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`${this.process.admin}readyz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    return { status: response.status, text: await response.text() };
  }

  async stats(): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.process.admin}stats`, { signal: AbortSignal.timeout(ANSWER_MS) });
    return (await response.json()) as Record<string, unknown>;
  }

  async remove(): Promise<void> {
    if (this.#process !== null) await this.stop('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
