/** /api: what an operator or a backend service may do. Everything here needs the admin token. */
import { randomUUID } from 'node:crypto';
import { InvalidError } from '../errors.js';
import { UNAUTHORISED } from './failure.js';
import type { FastifyInstance } from 'fastify';
import type { AdminBackend } from './backend.js';

const CHANNEL = { type: 'string', minLength: 1, maxLength: 255 };
const NAME = { type: 'string', minLength: 1, maxLength: 255 };
const NONE_OTHER = { additionalProperties: false };

const PUBLISH_BODY = {
  type: 'object',
  required: ['channel', 'body'],
  properties: {
    channel: CHANNEL,
    body: { type: 'string' },
    encoding: { enum: ['utf8', 'base64'], default: 'utf8' },
    from: { ...NAME, default: 'admin' },
    key: { type: 'string', minLength: 1, maxLength: 255 },
  },
  ...NONE_OTHER,
};

const DIGITS = { type: 'string', pattern: '^[0-9]{1,15}$' };
const HISTORY_MAX = 1000;

const HISTORY_QUERY = {
  type: 'object',
  required: ['channel'],
  properties: {
    channel: CHANNEL,
    before: DIGITS,
    after: DIGITS,
    limit: { ...DIGITS, default: '50' },
  },
  ...NONE_OTHER,
};

const PRESENCE_QUERY = { type: 'object', required: ['channel'], properties: { channel: CHANNEL }, ...NONE_OTHER };

const DISCONNECT_BODY = {
  type: 'object',
  required: ['user'],
  properties: {
    user: NAME,
    // What a server may send: RFC 6455 §7.4.1 reserves the rest.
    code: { type: 'integer', anyOf: [{ enum: [1000, 1001, 1008, 1011, 1012, 1013] }, { minimum: 3000, maximum: 4999 }], default: 4003 },
    reason: { type: 'string', maxLength: 123, default: 'disconnected by an operator' },
  },
  ...NONE_OTHER,
};

/** Both fields may be left out, and so may the body, which is null then. */
const DRAIN_BODY = {
  type: ['object', 'null'],
  properties: {
    deadline_ms: { type: 'integer', minimum: 0, maximum: 86_400_000 },
    target: { type: 'string', maxLength: 2048, pattern: '^wss?://[^\\s]+$' },
  },
  ...NONE_OTHER,
};

interface DrainBody {
  readonly deadline_ms?: number;
  readonly target?: string;
}

interface PublishBody {
  readonly channel: string;
  readonly body: string;
  readonly encoding: 'utf8' | 'base64';
  readonly from: string;
  readonly key?: string;
}

interface HistoryQuery {
  readonly channel: string;
  readonly before?: string;
  readonly after?: string;
  readonly limit: string;
}

export function addApi(server: FastifyInstance, backend: AdminBackend, isAuthorised: (header: string | undefined) => boolean): void {
  void server.register(
    (api, _options, done) => {
      api.addHook('onRequest', async (request, reply) => {
        if (isAuthorised(request.headers.authorization)) return undefined;
        return reply.code(401).header('www-authenticate', 'Bearer realm="sluice"').send(UNAUTHORISED);
      });
      api.post<{ Body: PublishBody }>('/publish', { schema: { body: PUBLISH_BODY } }, ({ body }) =>
        // A key of our own makes nothing idempotent; it only has to be unique.
        backend.publish(body.channel, body.from, body.key ?? randomUUID(), bodyOf(body)),
      );
      api.get<{ Querystring: HistoryQuery }>('/history', { schema: { querystring: HISTORY_QUERY } }, ({ query }) => {
        const { channel, before, after } = query;
        if (before !== undefined && after !== undefined) throw new InvalidError('before and after exclude each other');
        const limit = Number(query.limit);
        if (limit < 1 || limit > HISTORY_MAX) throw new InvalidError(`limit: expected 1 to ${HISTORY_MAX}`);
        const position = before !== undefined ? { before: Number(before) } : after !== undefined ? { after: Number(after) } : {};
        return backend.history(channel, { ...position, limit });
      });
      api.get<{ Querystring: { channel: string } }>('/presence', { schema: { querystring: PRESENCE_QUERY } }, ({ query }) =>
        backend.presence(query.channel),
      );
      api.post<{ Body: { user: string; code: number; reason: string } }>('/disconnect', { schema: { body: DISCONNECT_BODY } },
        async ({ body }) => {
          // 123 bytes, not characters: a close frame's payload holds 125 with the code.
          if (Buffer.byteLength(body.reason) > 123) throw new InvalidError('reason exceeds 123 bytes');
          return { disconnected: await backend.disconnect(body.user, body.code, body.reason) };
        },
      );
      api.post<{ Body: DrainBody | null | undefined }>('/drain', { schema: { body: DRAIN_BODY } }, ({ body }, reply) =>
        reply.code(202).send(backend.startDrain(body?.deadline_ms ?? null, body?.target ?? null)),
      );
      api.get('/drain', () => backend.drainStatus());
      done();
    },
    { prefix: '/api' },
  );
}

function bodyOf({ body, encoding }: PublishBody): string | Uint8Array {
  if (encoding === 'utf8') return body;
  const bytes = Buffer.from(body, 'base64');
  // Buffer.from skips what is not base64; a publisher wants to hear of it.
  if (bytes.toString('base64').replace(/=+$/, '') !== body.replace(/=+$/, '')) throw new InvalidError('body is not base64');
  return bytes;
}
