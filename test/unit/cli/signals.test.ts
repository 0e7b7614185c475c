import { spawnSync } from 'node:child_process';
import t from 'tap';

const SIGNALS = new URL('../../../src/cli/signals.js', import.meta.url).href;

/** What becomes of a process that is told to stop, and then what `script` says, while the stop goes on. */
function stopping(script: string): { status: number | null; stdout: string } {
  const code = `
    const { onStopSignal } = await import('${SIGNALS}');
    setInterval(() => undefined, 1000);
    onStopSignal(() => new Promise((resolve) => setTimeout(resolve, 2500)));
    process.emit('SIGTERM');
    ${script}`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', timeout: 60_000 });
}

t.test('a signal that is sent twice asks once', async (t) => {
  t.match(stopping(`process.emit('SIGTERM'); process.emit('SIGHUP'); process.emit('SIGINT'); console.log('still there');`), {
    status: 0, stdout: 'still there\n',
  });
});

t.test('a later one ends the process at once, but for that of a terminal that closes', async (t) => {
  const later = (signal: string) => `setTimeout(() => process.emit('${signal}'), 1100);`;
  t.equal(stopping(later('SIGTERM')).status, 1);
  t.equal(stopping(later('SIGINT')).status, 1);
  t.equal(stopping(later('SIGHUP')).status, 0);
});
