import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';

import { askAdmin } from '../../../src/cli/admin-request.js';
import { drain } from '../../../src/cli/drain.js';
import { stat } from '../../../src/cli/stat.js';
import { AdminError } from '../../../src/errors.js';

async function serve(t: Test, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('another server than a gateway is named', async (t) => {
  let body = '';
  const admin = await serve(t, (_request, response) => response.end(body));
  const strangers = /is not the admin server of a gateway/;
  for (body of ['', '<html>', 'null', '5', '{}', '[]', '{"region_name":5}', '{"state":null}']) {
    await t.rejects(stat(['--admin', admin]), { constructor: AdminError, message: strangers }, `stat of ${body}`);
    await t.rejects(stat(['--admin', admin, '--connections', '3']), { message: strangers }, `stat --connections of ${body}`);
    const drained = drain(['--admin', admin, '--token', 'x'.repeat(20)]);
    await t.rejects(drained, { constructor: AdminError, message: strangers }, `drain of ${body}`);
  }
});

t.test('an answer that breaks off is none', async (t) => {
  const admin = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('{"state":', () => response.destroy());
  });
  await t.rejects(askAdmin(`http://${admin}/`), { constructor: AdminError, message: /nothing answers/, cause: Error });
});

t.test('a refusal is repeated', async (t) => {
  let status = 401;
  const admin = await serve(t, (_request, response) => response.writeHead(status).end('why'));
  await t.rejects(askAdmin(`http://${admin}/`), { message: /does not accept the admin token/ });
  status = 404;
  await t.rejects(askAdmin(`http://${admin}/`), { message: /answered 404: why/ });
});
