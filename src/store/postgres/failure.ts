import { StoreError } from '../../errors.js';

/**
 * SQLSTATE classes that no waiting mends: 28 invalid authorisation, 3D no such database, 42 syntax or access rule
 * (PostgreSQL, appendix A).
 */
const FATAL = /^(28|3D|42)/;

/** What failed at PostgreSQL, as the error that operators see. No password is in it: the driver's messages name host and user. */
export function postgresError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  const fatal = typeof code === 'string' && code.length === 5 && FATAL.test(code);
  const why = typeof message === 'string' && message !== '' ? message : String(code ?? error);
  const remedy = fatal ? 'Correct history.url, or what the user may do in that database.' : 'Look at the server that history.url names.';
  return new StoreError(`PostgreSQL: ${why}`, !fatal, { cause: error, remedy });
}
