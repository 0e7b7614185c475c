import { NotInReleaseError } from '../errors.js';

/** `sluice drain` */
export async function drain(): Promise<number> {
  throw new NotInReleaseError('a paced drain to another node is not in this release', {
    remedy: 'Send SIGTERM to the gateway: it refuses new connections, finishes its commits and closes all with 1012.',
  });
}
