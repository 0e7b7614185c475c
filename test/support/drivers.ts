/** The drivers on kernel sockets that tests of whole servers run on. */
import { loadNative } from '../../src/engine/native.js';

export const DRIVERS = ['epoll', 'uring'] as const;

/** What tap takes as `skip`: false, or why this machine cannot run the driver. */
export function lacking(driver: (typeof DRIVERS)[number]): string | false {
  const { uring } = loadNative().probe();
  return driver === 'uring' && !uring.usable && uring.reason;
}
