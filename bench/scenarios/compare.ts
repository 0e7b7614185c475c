import type { BenchCase } from '../lib/runner.js';
import type { Settings } from '../lib/settings.js';
import { echoCase, fanoutCase, type EchoSize } from './cases.js';
import { idleCase } from './idle.js';
import { publishCostCase } from './publish.js';
import { wireEchoCase } from './wire-echo.js';

/** An echo over kernel sockets and, unless it is at a rate, with our own stack where this machine has what that takes. */
export function echoCases(size: EchoSize, settings: Settings): BenchCase[] {
  const overSockets = echoCase(size, settings);
  return size.rate === undefined ? [overSockets, wireEchoCase(size, settings)] : [overSockets];
}

/** What `bench compare` runs, and what issue and documentation quote. */
export function compareCases(settings: Settings): BenchCase[] {
  if (settings.smoke) {
    return [
      ...echoCases({ connections: 8, depth: 4, size: 64 }, settings),
      fanoutCase({ subscribers: 40, batch: 16, size: 64 }, settings),
      idleCase({ from: 40, to: 120, holdS: 0.2 }),
      publishCostCase(settings),
    ];
  }
  return [
    ...echoCases({ connections: 64, depth: 1, size: 64 }, settings),
    ...echoCases({ connections: 1000, depth: 1, size: 64 }, settings),
    ...echoCases({ connections: 64, depth: 32, size: 64 }, settings),
    fanoutCase({ subscribers: 5000, batch: 1, size: 64 }, settings),
    fanoutCase({ subscribers: 5000, batch: 16, size: 64 }, settings),
    idleCase({ from: 2000, to: 12_000, holdS: 2.5 }),
    publishCostCase(settings),
  ];
}
