import type { NodeDirectory, NodeRecord, PresenceBoard, PresenceShare } from '../cluster-store.js';
import type { RedisClient } from './client.js';
import { ChannelKeys } from './keys.js';

/** Records as JSON in one hash; a record is alive until its `until`. What a dead node left is removed by whoever reads it. */
async function readAlive<R extends { readonly until: number }>(redis: RedisClient, key: string, now: number): Promise<R[]> {
  const fields = (await redis.command('hgetall', key)) as Record<string, Buffer>;
  const alive: R[] = [];
  for (const [name, value] of Object.entries(fields)) {
    const record = parse<R>(value);
    if (record !== null && record.until > now) alive.push(record);
    else await redis.script('sluiceFieldRemove', [key], [name, value]);
  }
  return alive;
}

function parse<R>(value: Buffer): R | null {
  try {
    return JSON.parse(value.toString()) as R;
  } catch {
    // Of a program that is not ours: it goes.
    return null;
  }
}

export class RedisNodeDirectory implements NodeDirectory {
  readonly #redis: RedisClient;
  readonly #key: string;

  constructor(redis: RedisClient) {
    this.#redis = redis;
    this.#key = `${redis.prefix}nodes`;
  }

  async announce(record: NodeRecord, now: number | null, as = record.instance): Promise<NodeRecord | null> {
    const args = [record.node, as, JSON.stringify(record), now === null ? '' : Math.floor(now)];
    const other = (await this.#redis.script('sluiceNodeAnnounce', [this.#key], args)) as Buffer | null;
    return other === null ? null : parse<NodeRecord>(other);
  }

  async list(now: number): Promise<readonly NodeRecord[]> {
    return readAlive<NodeRecord>(this.#redis, this.#key, now);
  }

  async withdraw(node: string, instance: string): Promise<void> {
    await this.#redis.script('sluiceNodeWithdraw', [this.#key], [node, instance]);
  }
}

export class RedisPresenceBoard implements PresenceBoard {
  readonly #redis: RedisClient;

  constructor(redis: RedisClient) {
    this.#redis = redis;
  }

  async report(channel: string, share: PresenceShare): Promise<void> {
    const key = this.#key(channel);
    if (share.count === 0) await this.#redis.command('hdel', key, share.node);
    else await this.#redis.command('hset', key, share.node, JSON.stringify(share));
  }

  async list(channel: string, now: number): Promise<readonly PresenceShare[]> {
    return readAlive<PresenceShare>(this.#redis, this.#key(channel), now);
  }

  #key(channel: string): string {
    return new ChannelKeys(this.#redis.prefix, channel).presence;
  }
}
