/** What a failed command means to whoever asked: trying again helps or not, and what to do. */

import { StoreError } from '../../errors.js';

/** Answers of Redis that somebody has to mend: a configuration, rights, a program that is not ours. */
const FINAL = /^(NOAUTH|WRONGPASS|NOPERM|WRONGTYPE|NOPROTO|DENIED|ERR (unknown command|AUTH|DB index|This instance has cluster support))/;

const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/^OOM/, 'Redis is at its maxmemory: raise it or shorten the retention; its policy must be noeviction.'],
  [/^(READONLY|MASTERDOWN|LOADING|CLUSTERDOWN|TRYAGAIN|MOVED|ASK)/, 'A failover is under way; nothing has to be done unless it lasts.'],
  [/^MISCONF/, 'Redis cannot write to its disk: see its log.'],
  [/^NOREPLICAS/, 'Too few replicas are in sync: see min-replicas-to-write.'],
  [/^ERR DB index/, 'See `databases` in the configuration of Redis.'],
  [/^ERR This instance has cluster support/, 'It is no cluster: write redis:// instead of redis+cluster://.'],
  [/^no node of the cluster/, 'Check that every slot has a node: redis-cli --cluster check HOST:PORT.'],
  [/^no connection with TLS/, 'Check that Redis speaks TLS at this port (`tls-port`): rediss is with TLS, redis without.'],
  [FINAL, 'Check user, password and rights of the store address.'],
];
const REMEDY = 'Check that Redis runs, that it can be reached from here, and that store.redis says where and what it is.';

/** Never throws; an error that is a StoreError already is returned as it is. */
export function redisFailure(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const remedy = REMEDIES.find(([pattern]) => pattern.test(message))?.[1] ?? REMEDY;
  return new StoreError(`${what}: ${message}`, !FINAL.test(message), { cause: error, remedy });
}

/** `why`: what became of the connection, where that is known. */
export function redisSilence(what: string, why: Error | null): StoreError {
  return why === null ? new StoreError(what, true, { remedy: REMEDY }) : redisFailure(why, what);
}
