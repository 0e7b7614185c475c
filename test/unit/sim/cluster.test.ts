/**
 * Three nodes over shared stores under faults on virtual time: nodes die, drain, are cut off from the stores and hear late or nothing of
 * each other. SLUICE_SIM_SEEDS says how many seeds (100 by default, two hundred more in the files beside this one), SLUICE_SIM_SEED where
 * they begin.
 */
import t from 'tap';
import { clusterSeeds } from '../../sim/cluster-seeds.js';

const SEEDS = Number(process.env['SLUICE_SIM_SEEDS'] ?? 100);
const FIRST = Number(process.env['SLUICE_SIM_SEED'] ?? 1);

t.setTimeout(SEEDS * 3000 + 400_000);

t.test(`${SEEDS} seeds`, { timeout: SEEDS * 3000 + 60_000 }, async (t) => clusterSeeds(t, FIRST, SEEDS));
