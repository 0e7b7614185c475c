// node scripts/lib/ports.mjs HOST:PORT…   Exit status 1, and what to do, where one of the addresses cannot be listened on.
import { createServer } from 'node:net';

function tryListen(address) {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  const port = Number(address.slice(at + 1));
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) =>
      resolve(error.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be used: ${error.message}`),
    );
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve('')));
  });
}

const options = ['--listen', '--admin'];
for (const [index, address] of process.argv.slice(2).entries()) {
  const problem = await tryListen(address);
  if (problem === '') continue;
  const option = options[index] ?? '--listen';
  console.error(`up: ${address} ${problem}: stop that program (ss -ltnp shows it) or choose another: scripts/up ${option} 127.0.0.1:PORT`);
  process.exit(1);
}
