import { NotInReleaseError } from '../errors.js';

/** `sluice engine`: the region is laid out for it; hosting it alone comes with the hand-over between control planes. */
export async function engine(): Promise<number> {
  throw new NotInReleaseError('a data plane in a process of its own is not in this release', {
    remedy: 'Run `sluice serve`: it hosts the data plane in the same process.',
  });
}
