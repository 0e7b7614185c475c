import Fastify from 'fastify';
import { ListenError } from '../errors.js';
import { addApi } from './api.js';
import { BAD_HOST, notFound, sendFailure } from './failure.js';
import { isHostAllowed } from './host-guard.js';
import { LateBackend } from './late-backend.js';
import { LatencyWindow } from './latency.js';
import { createMetrics } from './metrics.js';
import { addPage } from './page-routes.js';
import { bearerCheck, storedToken, tokenPath } from './token.js';
import type { FastifyInstance } from 'fastify';
import type { AdminBackend } from './backend.js';
import type { Metrics } from './metrics.js';

export interface AdminOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 lets the kernel choose. Default 9090. */
  readonly port?: number;
  /** Where the gateway listens, "ws://127.0.0.1:9000/v1"; the page uses its port under the host name of its own address. */
  readonly gatewayUrl: string;
  /** The gateway's address is none of this machine's: the page uses `gatewayUrl` as it is. Default false. */
  readonly gatewayApart?: boolean;
  /** Bearer token of /api; null or absent takes the one in the data folder, making it when there is none. */
  readonly token?: string | null;
  readonly dataFolder: string;
  /** Names, besides addresses and localhost, that the Host header may carry. */
  readonly allowedHosts?: readonly string[];
  /** Largest request, bytes. Default 1 MiB. */
  readonly bodyLimit?: number;
}

export interface AdminServer {
  /** "http://127.0.0.1:9090" */
  readonly url: string;
  close(): Promise<void>;
}

const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
} as const;

export interface PreparedAdmin {
  /** Throws ListenError. */
  open(backend: AdminBackend): Promise<AdminServer>;
}

/**
 * Health, metrics, the API and the page. Everything but the gateway and the port, which another process may still have: most of the time
 * that a start takes. Throws DataFolderError for the token.
 */
export async function prepareAdmin(options: AdminOptions): Promise<PreparedAdmin> {
  const late = new LateBackend();
  const server = buildAdmin(late, options);
  await server.ready();
  return {
    open: (backend) => {
      late.arrive(backend);
      return listen(server, options);
    },
  };
}

async function listen(server: FastifyInstance, { host = '127.0.0.1', port = 9090 }: AdminOptions): Promise<AdminServer> {
  try {
    return { url: await server.listen({ host, port }), close: () => server.close() };
  } catch (cause) {
    await server.close();
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new ListenError(`the admin server cannot listen on ${host}:${port} (${reason})`, { cause });
  }
}

/** The server before it listens: tests inject requests. */
export function buildAdmin(backend: AdminBackend, options: AdminOptions): FastifyInstance {
  const server = Fastify({
    logger: false,
    bodyLimit: options.bodyLimit ?? 1024 * 1024,
    forceCloseConnections: true,
    // A field that is not known is an error here, not something to drop in silence; so is null for a text, which would become an empty one.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: false } },
  });
  const hosts = new Set((options.allowedHosts ?? []).map((name) => name.toLowerCase()));
  server.addHook('onRequest', async (request, reply) => {
    void reply.headers(SECURITY_HEADERS);
    return isHostAllowed(request.headers.host, hosts) ? undefined : reply.code(403).send(BAD_HOST);
  });
  server.setErrorHandler(sendFailure);
  server.setNotFoundHandler(notFound);

  const metrics = createMetrics(backend);
  const latency = new LatencyWindow();
  const onCommit: NonNullable<AdminBackend['onCommit']> = (size, seconds, oldest) => {
    metrics.commit(size, seconds, oldest);
    latency.record(oldest, size, Date.now());
  };
  backend.onCommit = onCommit;
  server.addHook('onClose', () => {
    if (backend.onCommit === onCommit) backend.onCommit = null;
    metrics.close();
  });

  addHealth(server, backend);
  const tokenFile = options.token === undefined || options.token === null ? tokenPath(options.dataFolder) : null;
  addNumbers(server, backend, { metrics, latency, tokenFile });
  addApi(server, backend, bearerCheck(options.token ?? storedToken(options.dataFolder)));
  addPage(server, { url: options.gatewayUrl, apart: options.gatewayApart ?? false }, () => backend.stats().node);
  return server;
}

function addHealth(server: FastifyInstance, backend: AdminBackend): void {
  // Alive: the process answers. A load balancer asks /readyz.
  server.get('/healthz', () => ({ status: backend.health }));
  server.get('/readyz', (_request, reply) => {
    const reason = backend.health === 'draining' ? 'draining' : backend.notReady();
    return reason === null ? reply.send({ status: 'ready' }) : reply.code(503).send({ status: 'not ready', reason });
  });
}

interface Numbers {
  readonly metrics: Metrics;
  readonly latency: LatencyWindow;
  /** Where the token lies; null when it is configured. Who may read the file may use the API: nothing is given away. */
  readonly tokenFile: string | null;
}

function addNumbers(server: FastifyInstance, backend: AdminBackend, { metrics, latency, tokenFile }: Numbers): void {
  server.get('/metrics', async (_request, reply) => reply.header('content-type', metrics.contentType).send(await metrics.text()));
  // For nodes that drain towards this one: asked twice a second, so it is one number.
  server.get('/load', (_request, reply) => reply.header('cache-control', 'no-store').send({ load: backend.stats().load }));
  server.get('/stats', (_request, reply) => {
    const [p50 = null, p99 = null] = latency.percentiles([0.5, 0.99], Date.now());
    const stats = { ...backend.stats(), token_file: tokenFile, ready: backend.notReady() === null, ack_seconds: { p50, p99 } };
    return reply.header('cache-control', 'no-store').send(stats);
  });
}
