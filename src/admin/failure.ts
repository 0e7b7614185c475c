/** Every failure of the admin API has this shape: a stable code, its class, what happened and what to do. */
import { SluiceError } from '../errors.js';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface Failure {
  readonly code: string;
  readonly name: string;
  readonly message: string;
  readonly remedy: string;
}

const STATUS: Readonly<Record<string, number>> = {
  SLUICE_INVALID: 400,
  SLUICE_NOT_AUTHORISED: 403,
  SLUICE_TOO_BIG: 413,
  SLUICE_RATE_LIMITED: 429,
  SLUICE_LIMIT: 429,
  SLUICE_BUSY: 503,
  SLUICE_STOPPED: 503,
};

export const UNAUTHORISED: Failure = {
  code: 'SLUICE_ADMIN_TOKEN',
  name: 'NotAuthorisedError',
  message: 'the admin token is missing or wrong',
  remedy: 'Send `Authorization: Bearer <token>`; the token is in the configuration, or in the file admin-token of the data folder.',
};

export const BAD_HOST: Failure = {
  code: 'SLUICE_ADMIN_HOST',
  name: 'HostError',
  message: 'the Host header names a host that this admin server does not answer for',
  remedy: 'Use the address or localhost, or list the name in adminHosts.',
};

/** Answers with what was thrown; what is not a SluiceError or a bad request is not told to strangers in detail. */
export function sendFailure(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof SluiceError) {
    const retryAfterMs = (error as { readonly retryAfterMs?: number }).retryAfterMs;
    if (retryAfterMs !== undefined) void reply.header('retry-after', Math.max(1, Math.ceil(retryAfterMs / 1000)));
    const status = STATUS[error.code] ?? (error.retryable ? 503 : 500);
    return reply.code(status).send({ code: error.code, name: error.name, message: error.message, remedy: error.remedy });
  }
  const { statusCode = 500, message } = error as { readonly statusCode?: number; readonly message: string };
  if (statusCode >= 400 && statusCode < 500) {
    return reply.code(statusCode).send({
      code: statusCode === 413 ? 'SLUICE_TOO_BIG' : 'SLUICE_INVALID',
      name: statusCode === 413 ? 'TooBigError' : 'InvalidError',
      message,
      remedy: 'Compare the request with docs/ADMIN.md.',
    });
  }
  request.log.error(error);
  const remedy = 'A defect: report it with the log of the gateway.';
  return reply.code(500).send({ code: 'SLUICE_INTERNAL', name: 'InternalError', message: 'internal error', remedy });
}

export function notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const message = `there is no ${request.method} ${request.url.split('?')[0] ?? ''}`;
  return reply.code(404).send({ code: 'SLUICE_INVALID', name: 'InvalidError', message, remedy: 'The paths are listed in docs/ADMIN.md.' });
}
