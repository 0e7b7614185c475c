/** The pauses between control planes as a histogram. The engine counts it: it outlives those whose pauses they are. */
import type { Metric, Registry } from 'prom-client';

const NAME = 'sluice_takeover_pause_seconds';
const BUCKETS: readonly (readonly [le: number, counter: string])[] = [
  [0.01, 'takeover_pause_10ms'],
  [0.05, 'takeover_pause_50ms'],
  [0.1, 'takeover_pause_100ms'],
  [0.2, 'takeover_pause_200ms'],
  [0.5, 'takeover_pause_500ms'],
  [1, 'takeover_pause_1s'],
  [5, 'takeover_pause_5s'],
];

export function addTakeoverPause(register: Registry, counters: () => Readonly<Record<string, number>>): void {
  const read = (name: string): number => counters()[name] ?? 0;
  const bucket = (le: number | '+Inf', value: number): object => ({ metricName: `${NAME}_bucket`, labels: { le }, value });
  // prom-client's own histogram can only observe; these buckets come as sums.
  const metric = {
    name: NAME,
    get: async () => ({
      name: NAME,
      help: 'From the end of a control plane to the first turn of the next',
      type: 'histogram',
      aggregator: 'sum',
      values: [
        ...BUCKETS.map(([le, counter]) => bucket(le, read(counter))),
        bucket('+Inf', read('takeovers')),
        { metricName: `${NAME}_sum`, labels: {}, value: read('takeover_pause_us') / 1e6 },
        { metricName: `${NAME}_count`, labels: {}, value: read('takeovers') },
      ],
    }),
    reset: () => undefined,
  };
  register.registerMetric(metric as unknown as Metric);
}
