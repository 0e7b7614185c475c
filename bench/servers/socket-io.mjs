// Socket.IO: echo by an event and its answer, fan-out by a room. WebSocket only, so that neither long polling nor the change from it to
// WebSockets is measured; everything else is the default. `node socket-io.mjs echo|fanout [PORT] [ADDRESS]`
import { createServer } from 'node:http';

import { Server } from 'socket.io';

const [mode = 'echo', port = '0', host = '127.0.0.1'] = process.argv.slice(2);
const http = createServer();
const io = new Server(http, { transports: ['websocket'], serveClient: false, maxHttpBufferSize: 64 * 1024 * 1024 });

io.on('connection', (socket) => {
  if (mode === 'echo') {
    socket.on('m', (data) => {
      socket.emit('m', data);
    });
    return;
  }
  if (socket.handshake.query.path !== '/publish') {
    socket.join('topic');
    return;
  }
  socket.on('m', (data) => {
    io.to('topic').emit('m', data);
  });
});
http.listen({ host, port: Number(port), backlog: 4096 }, () => {
  console.log(`ready ws://${host}:${http.address().port}`);
});
