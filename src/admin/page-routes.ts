import { hostName } from './host-guard.js';
import { loadAssets } from './assets.js';
import type { FastifyInstance, FastifyRequest } from 'fastify';

interface GatewayPlace {
  readonly url: string;
  /** Its address is none of this machine's. */
  readonly apart: boolean;
}

/** The page, the client SDK it uses, and what it needs to know. */
export function addPage(server: FastifyInstance, gateway: GatewayPlace, node: () => string): void {
  for (const [path, { type, content }] of loadAssets()) {
    server.get(path, (request, reply) =>
      reply
        .header('content-type', type)
        // Small files from this machine: asking again each time means that an upgrade is seen at once.
        .header('cache-control', 'no-cache')
        .header('content-security-policy', policy(urlFor(request, gateway)))
        .send(content),
    );
  }
  server.get('/page-config.json', (request, reply) =>
    reply.header('cache-control', 'no-store').send({ gateway_url: urlFor(request, gateway), node: node() }),
  );
}

/** The gateway's port under the name by which the visitor reached this page, which may be a forwarded port or another address. */
function urlFor(request: FastifyRequest, gateway: GatewayPlace): string {
  const url = new URL(gateway.url);
  const name = gateway.apart ? null : hostName(request.headers.host);
  if (name !== null) url.hostname = name.includes(':') ? `[${name}]` : name;
  if (url.pathname === '/') url.pathname = '/v1';
  return url.href;
}

/** Nothing from elsewhere, nothing inline; connections only to this server and the gateway. */
function policy(gatewayUrl: string): string {
  const { protocol, host } = new URL(gatewayUrl);
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${protocol}//${host}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
