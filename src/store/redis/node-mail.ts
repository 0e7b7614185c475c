import type { Cluster, Redis } from 'ioredis';
import type { NodeMail } from '../cluster-store.js';
import type { RedisClient } from './client.js';

/** Notes by sharded pub/sub, each node with a channel of its own. */
export class RedisNodeMail implements NodeMail {
  readonly #redis: RedisClient;
  #subscriber: Redis | Cluster | null = null;

  constructor(redis: RedisClient) {
    this.#redis = redis;
  }

  async send(node: string, note: string): Promise<number> {
    return (await this.#redis.command('spublish', this.#key(node), note)) as number;
  }

  async receive(node: string, onNote: (note: string) => void): Promise<void> {
    const subscriber = this.#redis.subscriber();
    this.#subscriber = subscriber;
    const key = this.#key(node);
    let interrupted = false;
    subscriber.on('error', () => undefined);
    subscriber.on('close', () => (interrupted = true));
    subscriber.on('ready', () => {
      if (interrupted) subscriber.ssubscribe(key).catch(() => undefined);
    });
    subscriber.on('smessageBuffer', (_key: Buffer, note: Buffer) => onNote(note.toString()));
    await this.#redis.bounded('ssubscribe', () => subscriber.ssubscribe(key));
  }

  async close(): Promise<void> {
    this.#subscriber?.disconnect();
  }

  #key(node: string): string {
    return `${this.#redis.prefix}node:${node}`;
  }
}
