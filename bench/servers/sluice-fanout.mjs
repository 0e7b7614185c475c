// Sluice's fan-out through createEngine: the handler subscribes and publishes in JavaScript, as the peers' do.
// `node sluice-fanout.mjs epoll|uring [PORT]`
import { createEngine } from '../../dist/index.js';

const [driver = 'auto', port = '0'] = process.argv.slice(2);
const publishers = new Set();

const engine = await createEngine({
  driver,
  listen: `127.0.0.1:${port}`,
  open(conn, request) {
    if (request.path === '/publish' || request.url === '/publish' || request.target === '/publish') publishers.add(conn);
    else engine.subscribe(conn, 'topic');
  },
  message(conn, data, isText) {
    if (publishers.has(conn)) engine.publish('topic', data, isText);
  },
  writable() {},
  close(conn) {
    publishers.delete(conn);
  },
});
console.log(`ready ws://127.0.0.1:${engine.port}`);
