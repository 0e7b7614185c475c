// uWebSockets.js: echo, and fan-out by its own publish. No compression; a message's answers leave corked, which is what its
// message handler does by itself. `node uws.mjs echo|fanout [PORT] [ADDRESS]`
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
// The package's own entry falls back to `ws` where the native module does not load; that must not pass as uWebSockets.js.
const uws = require('@trufflesuite/uws-js-unofficial');
const native = Object.keys(require.cache).some((path) => /uws_linux_\w+_\d+\.node$/.test(path));
if (!native) {
  console.error('uws.mjs: the native module of uWebSockets.js does not load on this machine');
  process.exit(1);
}

const [mode = 'echo', port = '0', host = '127.0.0.1'] = process.argv.slice(2);

const common = {
  compression: uws.DISABLED,
  maxPayloadLength: 64 * 1024 * 1024,
  maxBackpressure: 64 * 1024 * 1024,
  idleTimeout: 120,
};

const app = uws.App();
if (mode === 'echo') {
  app.ws('/*', {
    ...common,
    message: (ws, message, isBinary) => {
      ws.send(message, isBinary, false);
    },
  });
} else {
  app.ws('/publish', {
    ...common,
    message: (_ws, message, isBinary) => {
      app.publish('topic', message, isBinary, false);
    },
  });
  app.ws('/*', {
    ...common,
    open: (ws) => {
      ws.subscribe('topic');
    },
    message: () => {},
  });
}

app.listen(host, Number(port), (socket) => {
  if (!socket) {
    console.error('uws.mjs: cannot listen');
    process.exit(1);
  }
  console.log(`ready ws://${host}:${uws.us_socket_local_port(socket)}`);
});
