/** The third hundred of seeds of cluster.test.ts, in a file of its own that runs beside it. */
import t from 'tap';
import { clusterSeeds } from '../../sim/cluster-seeds.js';

t.setTimeout(400_000);

t.test('100 seeds from 201 on', { timeout: 360_000 }, async (t) => clusterSeeds(t, 201, 100));
