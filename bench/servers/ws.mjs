// ws: echo, and fan-out by a loop of sends, which is how its documentation broadcasts. perMessageDeflate is off, as it is by
// default; everything else is the default too. `node ws.mjs echo|fanout [PORT] [ADDRESS]`
import { WebSocketServer } from 'ws';

const [mode = 'echo', port = '0', host = '127.0.0.1'] = process.argv.slice(2);
const server = new WebSocketServer({
  host,
  port: Number(port),
  perMessageDeflate: false,
  maxPayload: 64 * 1024 * 1024,
  backlog: 4096,
  clientTracking: mode !== 'echo',
});

server.on('connection', (socket, request) => {
  socket.on('error', () => {});
  if (mode === 'echo') {
    socket.on('message', (data, isBinary) => {
      socket.send(data, { binary: isBinary });
    });
    return;
  }
  if (request.url !== '/publish') return;
  server.clients.delete(socket);
  socket.on('message', (data, isBinary) => {
    const options = { binary: isBinary };
    for (const client of server.clients) client.send(data, options);
  });
});
server.on('listening', () => {
  console.log(`ready ws://${host}:${server.address().port}`);
});
