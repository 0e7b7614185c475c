/** The first SIGTERM, SIGINT or SIGHUP stops in order, within a bound; a second SIGTERM or SIGINT ends the process at once. */
export function onStopSignal(stop: () => Promise<void>, boundMs = 15_000): void {
  let stopping = false;
  const handle = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
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
  // A terminal that closes sends it, perhaps twice (the shell and the kernel).
  process.on('SIGHUP', () => {
    if (!stopping) handle();
  });
}
