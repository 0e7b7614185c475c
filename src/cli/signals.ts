import { performance } from 'node:perf_hooks';

/**
 * What sends one signal may send it twice: timeout(1) to its child and then to its group, a terminal beside npm, a shell beside the kernel.
 * Those within this time are one.
 */
const ONE_SIGNAL_MS = 1000;

/** The first SIGTERM, SIGINT or SIGHUP stops in order, within a bound; a later SIGTERM or SIGINT ends the process at once. */
export function onStopSignal(stop: () => Promise<void>, boundMs = 15_000): void {
  let stoppingSince: number | null = null;
  const handle = (): void => {
    if (stoppingSince !== null) {
      if (performance.now() - stoppingSince > ONE_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
    setTimeout(() => process.exit(1), Math.min(boundMs, 2 ** 31 - 1)).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`sluice: the stop failed: ${error instanceof Error ? error.message : String(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', handle);
  process.on('SIGINT', handle);
  process.on('SIGHUP', () => {
    if (stoppingSince === null) handle();
  });
}
