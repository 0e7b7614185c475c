/** What a failed command means to whoever asked: trying again helps or not, and what to do. */

import { StoreError } from '../../errors.js';

/** Answers of Redis that somebody has to mend: a configuration, rights, a program that is not ours. */
const FINAL = /^(NOAUTH|WRONGPASS|NOPERM|WRONGTYPE|NOPROTO|DENIED|ERR unknown command|ERR AUTH)/;

const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/^OOM/, 'Redis is at its maxmemory: raise it or shorten the retention; its policy must be noeviction.'],
  [/^(READONLY|MASTERDOWN|LOADING|CLUSTERDOWN|TRYAGAIN|MOVED|ASK)/, 'A failover is under way; nothing has to be done unless it lasts.'],
  [/^MISCONF/, 'Redis cannot write to its disk: see its log.'],
  [/^NOREPLICAS/, 'Too few replicas are in sync: see min-replicas-to-write.'],
  [FINAL, 'Check user, password and rights of the store address.'],
];

/** Never throws; an error that is a StoreError already is returned as it is. */
export function redisFailure(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const remedy = REMEDIES.find(([pattern]) => pattern.test(message))?.[1];
  return new StoreError(`${what}: ${message}`, !FINAL.test(message), { cause: error, ...(remedy === undefined ? {} : { remedy }) });
}
