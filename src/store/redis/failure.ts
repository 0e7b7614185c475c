/** What a failed command means to whoever asked: trying again helps or not, and what to do. */

import { StoreError } from '../../errors.js';

/** Answers of Redis that somebody has to mend: a configuration, or rights. */
const REFUSAL = /^(NOAUTH|WRONGPASS|NOPERM|DENIED|ERR (unknown command|AUTH|DB index|ACL failure|This instance has cluster support))/;
/** What stands there is not ours. */
const FOREIGN = /^(WRONGTYPE|NOPROTO)/;

const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/^OOM/, 'Redis is at its maxmemory: raise it or shorten the retention; its policy must be noeviction.'],
  [/^(READONLY|MASTERDOWN|LOADING|CLUSTERDOWN|TRYAGAIN|MOVED|ASK)/, 'A failover is under way; nothing has to be done unless it lasts.'],
  [/^MISCONF/, 'Redis cannot write to its disk: see its log.'],
  [/^NOREPLICAS/, 'Too few replicas are in sync: see min-replicas-to-write.'],
  [/^ERR DB index/, 'See `databases` in the configuration of Redis.'],
  [/^ERR This instance has cluster support/, 'It is no cluster: write redis:// instead of redis+cluster://.'],
  [/^no node of the cluster/, 'Check that every slot has a node: redis-cli --cluster check HOST:PORT.'],
  [/^no connection with TLS/, 'Check that Redis speaks TLS at this port (`tls-port`): rediss is with TLS, redis without.'],
  [REFUSAL, 'Check user, password and rights of the store address.'],
];
const REMEDY = 'Check that Redis runs, that it can be reached from here, and that store.redis says where and what it is.';

/**
 * Never throws; an error that is a StoreError already is returned as it is. `served`: whether this Redis did what it was asked before. Then
 * whoever changed its rights or its configuration can change them back, and nobody's message is lost meanwhile.
 */
export function redisFailure(error: unknown, what: string, served: boolean): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const remedy = REMEDIES.find(([pattern]) => pattern.test(message))?.[1] ?? REMEDY;
  const isFinal = FOREIGN.test(message) || (!served && REFUSAL.test(message));
  return new StoreError(`${what}: ${message}`, !isFinal, { cause: error, remedy });
}

/** `why`: what became of the connection, where that is known. */
export function redisSilence(what: string, why: Error | null, served: boolean): StoreError {
  return why === null ? new StoreError(what, true, { remedy: REMEDY }) : redisFailure(why, what, served);
}
