/** An engine in a process of its own and the control planes that attach to it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { launchSluice, startSluice, type Launched, type SluiceProcess } from './sluice-process.js';
import { Hopeless, until } from './wait.js';

export class DetachedSetup {
  readonly name = `e2e-${process.pid}-${Math.floor(Math.random() * 1e6)}`;
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-detach-'));
  engine!: SluiceProcess;
  control!: SluiceProcess;
  readonly #standbys: Launched[] = [];

  async start(...more: string[]): Promise<void> {
    this.engine = await startSluice(['engine', '--name', this.name, '--listen', '127.0.0.1:0', ...more]);
    this.control = await this.serve();
  }

  serve(...more: string[]): Promise<SluiceProcess> {
    return startSluice(this.#arguments(more));
  }

  /** Replaces the control plane by that of another release. */
  async upgrade(cli: string): Promise<void> {
    const former = this.control;
    this.control = await startSluice(this.#arguments(['--replace']), { cli });
    await former.stop('SIGCONT');
  }

  /** Resolves when it has got ready to take over. */
  async standBy(): Promise<Launched> {
    const standby = launchSluice(this.#arguments(['--standby']));
    this.#standbys.push(standby);
    await until('the standby', () => {
      if (standby.child.exitCode !== null) throw new Hopeless(`the standby ended: ${standby.stderr()}`);
      return standby.stderr().includes('standing by');
    });
    return standby;
  }

  #arguments(more: readonly string[]): string[] {
    return ['serve', '--attach', this.name, '--data', join(this.folder, 'data'), '--admin', '127.0.0.1:0', ...more];
  }

  async end(): Promise<void> {
    for (const standby of this.#standbys) await standby.stop('SIGKILL');
    // Neither is there where start() failed.
    for (const started of [this.control, this.engine] as readonly (SluiceProcess | undefined)[]) await started?.stop('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
