/** Connections to Redis 7: one server, one behind Sentinel, or a cluster. Reconnecting is ioredis's work; bounds are set here. */

import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { StoreError } from '../../errors.js';
import { describeRedis, type RedisAddress } from './address.js';
import { redisFailure, redisSilence } from './failure.js';
import { SCRIPTS, type ScriptName } from './scripts.js';

export interface RedisClientOptions {
  readonly address: RedisAddress;
  /** Before every key, so that several installations can share a Redis. */
  readonly prefix: string;
  /** How long a command may take, reconnecting included. */
  readonly timeoutMs: number;
}

const RETRY_MS_MAX = 1000;

type Command = 'get' | 'set' | 'hset' | 'hdel' | 'hgetall' | 'xrange' | 'info' | 'select' | 'spublish';
type Argument = string | number | Buffer;

/** What the stores need of a connection: scripts by name, a few commands, sharded pub/sub. */
export class RedisClient {
  readonly prefix: string;
  readonly what: string;
  readonly #options: RedisClientOptions;
  readonly #redis: Redis | Cluster;
  /** Commands without an answer, and since when nothing has been answered while there were some. */
  #unanswered = 0;
  readonly counts = { commands: 0, failures: 0, connects: 0 };
  #silentSince = 0;
  /** What keeps it from being ready. */
  #trouble: Error | null = null;
  #closed = false;
  #served = false;

  /** Connects in the background; commands wait for it, at most `timeoutMs`. */
  constructor(options: RedisClientOptions) {
    this.#options = options;
    this.prefix = options.prefix;
    this.what = describeRedis(options.address);
    this.#redis = connect(options, false);
    // Failures are told to those whose commands fail; without a listener they would end the process.
    this.#redis.on('error', (error: Error) => (this.#trouble = troubleOf(error)));
    // What waited is sent again.
    this.#redis.on('ready', () => {
      this.#trouble = null;
      this.#silentSince = performance.now();
      this.counts.connects += 1;
    });
    for (const [name, { keys, lua }] of Object.entries(SCRIPTS)) this.#redis.defineCommand(name, { numberOfKeys: keys, lua });
  }

  /** 'ready' is the only state in which commands go out at once. */
  get ready(): boolean {
    return this.#redis.status === 'ready';
  }

  /** Calls on every change between reachable and not. */
  onChange(listener: (ready: boolean) => void): void {
    this.#redis.on('ready', () => listener(true));
    this.#redis.on('close', () => listener(false));
  }

  /** Runs a script of scripts.ts; texts come back as Buffers. Rejects with StoreError. */
  async script(name: ScriptName, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return this.#call(name, [...keys, ...args]);
  }

  /** Runs a command; texts come back as Buffers. Rejects with StoreError. */
  async command(name: Command, ...args: readonly Argument[]): Promise<unknown> {
    return this.#call(name, args);
  }

  /** A connection of its own for sharded subscriptions (SSUBSCRIBE, Redis 7.0). */
  subscriber(): Redis | Cluster {
    return connect(this.#options, true);
  }

  /**
   * Rejects with StoreError when Redis cannot be reached, is not what the address says, is older than 7 or would drop keys by itself.
   * Returns what an operator should know of one that will do, or null.
   */
  async check(): Promise<string | null> {
    const { kind, database } = this.#options.address;
    const info = String(await this.command('info', 'everything'));
    // ioredis goes on in database 0 where there is no such one.
    if (database !== 0) await this.command('select', database);
    if (kind === 'standalone') this.#checkRole(info);
    const version = /redis_version:(\d+)/.exec(info)?.[1];
    const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1];
    if (version === undefined || Number(version) < 7) {
      throw new StoreError(`${this.what} is version ${version ?? 'unknown'}; 7.0 or newer is needed (sharded pub/sub)`, false);
    }
    if (policy !== undefined && policy !== 'noeviction') {
      throw new StoreError(`${this.what} has maxmemory-policy ${policy}: it would drop messages and sessions by itself`, false, {
        remedy: 'Set maxmemory-policy noeviction; what is kept is bounded by the options of `store`.',
      });
    }
    if (!/aof_enabled:0/.test(info)) return null;
    return `${this.what} keeps no append-only file: what was acknowledged is lost when it restarts; set appendonly yes`;
  }

  /** One server that is to take all writes, of all keys. */
  #checkRole(info: string): void {
    const master = /master_host:(\S+)/.exec(info)?.[1];
    if (/role:slave/.test(info)) {
      throw new StoreError(`${this.what} is a replica of ${master ?? 'another one'} and takes no writes`, false, {
        remedy: 'Give the address of the master, or those of the sentinels (redis+sentinel://) where masters change.',
      });
    }
    if (/cluster_enabled:1/.test(info)) {
      throw new StoreError(`${this.what} is one node of a cluster`, false, { remedy: 'Write redis+cluster:// instead of redis://.' });
    }
  }

  /** It is what is needed, and has done what it was asked: what it refuses from now on is for a time. */
  accept(): void {
    this.#served = true;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#redis.disconnect();
  }

  async #call(name: string, args: readonly Argument[]): Promise<unknown> {
    const methods = this.#redis as unknown as Record<string, (...words: readonly Argument[]) => Promise<unknown>>;
    const method = methods[`${name}Buffer`];
    if (method === undefined) throw new StoreError(`there is no command ${name}`, false);
    return this.bounded(name, () => this.#counted(method.apply(this.#redis, [...args])));
  }

  async #counted<T>(answer: Promise<T>): Promise<T> {
    if (this.#unanswered === 0) this.#silentSince = performance.now();
    this.#unanswered += 1;
    try {
      return await answer;
    } finally {
      this.#unanswered -= 1;
      this.#silentSince = performance.now();
    }
  }

  /** Commands wait for longer than they may: more of them would fill memory, and fail as well. Those that wait tell when it is over. */
  get silent(): boolean {
    return this.#unanswered > 0 && performance.now() - this.#silentSince > this.#options.timeoutMs;
  }

  /** Why nothing is answered, where that is known. */
  get #why(): Error | null {
    const { kind, tls } = this.#options.address;
    if (this.#trouble !== null || this.ready) return this.#trouble;
    if (kind === 'cluster') return new Error('no node of the cluster is ready');
    return tls ? new Error('no connection with TLS came about') : null;
  }

  /** ioredis repeats what was under way when a connection broke, so every script must bear being run twice. */
  async bounded<T>(what: string, call: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreError('the store is closed', false);
    this.counts.commands += 1;
    if (this.silent) {
      this.counts.failures += 1;
      throw redisSilence(`${this.what}: ${what}: it does not answer`, this.#why, this.#served);
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const seconds = this.#options.timeoutMs / 1000;
      const expired = (): void => reject(redisSilence(`${this.what}: ${what}: no answer in ${seconds} s`, this.#why, this.#served));
      timer = setTimeout(expired, this.#options.timeoutMs);
    });
    try {
      return await Promise.race([call(), late]);
    } catch (error) {
      this.counts.failures += 1;
      throw redisFailure(error, `${this.what}: ${what}`, this.#served);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Of a cluster, what the last of its nodes said. */
function troubleOf(error: Error & { readonly lastNodeError?: Error }): Error {
  return error.lastNodeError ?? error;
}

function connect({ address, timeoutMs }: RedisClientOptions, subscriber: boolean): Redis | Cluster {
  const { kind, endpoints, tls, username, password, database, master } = address;
  const common: RedisOptions = {
    // Bounded above, over all repetitions.
    maxRetriesPerRequest: null,
    connectTimeout: Math.min(timeoutMs, 5000),
    // A connection whose other end is gone without a word is made anew.
    socketTimeout: timeoutMs * 2,
    retryStrategy: (times) => Math.min(RETRY_MS_MAX, 20 * 2 ** Math.min(times, 10)),
    // A replica that was promoted away from under us answers READONLY: the connection is made anew, to the new master.
    reconnectOnError: (error) => (/^(READONLY|MASTERDOWN)/.test(error.message) ? 2 : false),
    enableReadyCheck: true,
    // Sharded subscriptions are made anew by their owner, who must know when they hold again.
    autoResubscribe: false,
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
  };
  if (kind === 'cluster') {
    return new Cluster([...endpoints], {
      redisOptions: common,
      enableAutoPipelining: !subscriber,
      shardedSubscribers: subscriber,
      clusterRetryStrategy: (times) => Math.min(RETRY_MS_MAX, 20 * 2 ** Math.min(times, 10)),
    });
  }
  const pipelining = { enableAutoPipelining: !subscriber };
  if (kind === 'sentinel') return new Redis({ ...common, ...pipelining, db: database, sentinels: [...endpoints], name: master });
  const [{ host, port } = { host: '127.0.0.1', port: 6379 }] = endpoints;
  return new Redis({ ...common, ...pipelining, db: database, host, port });
}
