// The gateway in two processes: an engine and the control plane that is attached to it.
// `node detached.mjs epoll|uring DATA`
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [driver = 'auto', data = ''] = process.argv.slice(2);
const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const name = `bench-detached-${process.pid}`;
const children = [];

async function start(...args) {
  const child = spawn(process.execPath, [CLI, ...args, '--allow-anonymous'], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  child.once('exit', (code) => process.exit(code ?? 1));
  let output = '';
  return new Promise((resolve) => {
    child.stdout.on('data', (bytes) => {
      output += bytes;
      if (/^ready .*\n/m.test(output)) resolve({ child, line: output });
    });
  });
}

function stop() {
  for (const child of children) {
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
  }
}

process.on('exit', stop);
process.on('SIGTERM', () => process.exit(0));
const engine = await start('engine', '--name', name, '--driver', driver, '--listen', '127.0.0.1:0');
const control = await start('serve', '--attach', name, '--admin', '127.0.0.1:0', '--data', data, '--publish-rate', '0');
console.log(`${control.line.trim()} pids ${engine.child.pid},${control.child.pid}`);
