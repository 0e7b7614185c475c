/**
 * Numbers of Snowflake workers. A lease is the right to all times of a number up to `until`: its holder makes no id at or after that time,
 * and the next one none before it, so that two holders' ids differ whatever any clock says. Hence a number is never forgotten: what it was
 * given up at stays known.
 */
export interface WorkerLeases {
  /**
   * Takes a number (0 to 1023) whose last lease ended at `from` or before; the one that `owner` still holds if there is one; null when
   * there is none. Rejects with StoreError. Times in milliseconds since the Unix epoch.
   */
  take(owner: string, from: number, until: number): Promise<number | null>;
  /** False when the number belongs to somebody else meanwhile. */
  renew(worker: number, owner: string, until: number): Promise<boolean>;
  /** The holder made no id at `until` or after, and makes none any more. */
  release(worker: number, owner: string, until: number): Promise<void>;
}
