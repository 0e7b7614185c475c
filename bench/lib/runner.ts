import { BASE, chooseArms, type Arm, type ArmChoice, type Role } from './arms.js';
import { PaceWatch, paceBetween } from './pace.js';
import type { CaseInfo, Round } from './results.js';
import type { Settings } from './settings.js';
import { rotate } from './statistics.js';

/** A case and how one measurement of it is made: with a fresh server, so that no arm runs on what a former round left. */
export interface BenchCase extends CaseInfo {
  readonly role: Role;
  /** Played by the base and by those whose clients are on a virtio-user link; by the others where it is not set. */
  readonly wire?: boolean;
  measure(arm: Arm, round: number): Promise<Round>;
}

/** Whoever looks at the CPUs ends then by himself, should nobody end him. */
const LONGEST_RUN_S = 7200;

export interface Outcome {
  readonly arms: readonly Arm[];
  readonly aa: ArmChoice['aa'];
  readonly notes: readonly string[];
  readonly rounds: readonly Round[];
}

export function say(settings: Settings, line: string): void {
  if (!settings.quiet) process.stderr.write(`${line}\n`);
}

function armsOf(one: BenchCase, choice: ArmChoice | undefined): readonly Arm[] {
  const arms = choice?.arms ?? [];
  if (one.wire !== true) return arms.filter((arm) => !arm.wire);
  return arms.some((arm) => arm.wire) ? arms.filter((arm) => arm.wire || arm.name === BASE) : [];
}

/** Case by case, round by round, the arms in rotated order. A measurement that fails its checks ends the run. */
export async function runCases(cases: readonly BenchCase[], settings: Settings): Promise<Outcome> {
  const choices = new Map<Role, ArmChoice>();
  for (const role of new Set(cases.map((one) => one.role))) {
    choices.set(role, await chooseArms(role, settings.arms, settings.twin));
  }
  const notes = [...choices].flatMap(([role, choice]) => choice.missing.map(({ name, why }) => `${name} is left out of ${role}: ${why}`));
  for (const note of notes) say(settings, `! ${note}`);
  const total = cases.reduce((sum, one) => sum + armsOf(one, choices.get(one.role)).length * settings.rounds, 0);
  if (total === 0) throw new Error(`none of the servers can run here: ${notes.join('; ')}`);
  const rounds = await playRounds(cases, choices, settings, total);
  const arms = new Map([...choices.values()].flatMap((choice) => choice.arms.map((arm) => [arm.name, arm] as const)));
  return { arms: [...arms.values()], aa: [...choices.values()].find((choice) => choice.aa !== null)?.aa ?? null, notes, rounds };
}

async function playRounds(
  cases: readonly BenchCase[], choices: ReadonlyMap<Role, ArmChoice>, settings: Settings, total: number,
): Promise<Round[]> {
  const watch = new PaceWatch(LONGEST_RUN_S);
  const spans: { readonly result: Round; readonly fromMs: number; readonly toMs: number }[] = [];
  const paced = ({ result, fromMs, toMs }: (typeof spans)[number]): Round => {
    return { ...result, pace: paceBetween(watch.server, watch.client, fromMs, toMs) };
  };
  try {
    for (const one of cases) {
      const arms = armsOf(one, choices.get(one.role));
      for (let round = 0; round < settings.rounds; round += 1) {
        for (const arm of rotate(arms, round)) {
          const fromMs = Date.now();
          const span = { fromMs, result: await one.measure(arm, round), toMs: Date.now() };
          spans.push(span);
          say(settings, `${`[${spans.length}/${total}]`.padEnd(10)}${describe(one, arm, paced(span))}`);
        }
      }
    }
  } finally {
    await watch.stop();
  }
  // Anew, because a CPU that was faster later makes what was before less of its pace.
  return spans.map(paced);
}

function percent(share: number | undefined): string {
  return share === undefined ? '–' : `${Math.round(share * 100)}%`;
}

function describe(one: CaseInfo, arm: Arm, { round, value, load, flags, pace }: Round): string {
  const figure = Math.round(value).toLocaleString('en-US').padStart(11);
  const cpu = load?.cpu === undefined ? '' : `, server ${percent(load.cpu.server_busy)}, client ${percent(load.cpu.client_busy)}`;
  const latency = load?.latency === undefined ? '' : `, p99 ${Math.round(load.latency.p99_us)} µs`;
  const given = pace === undefined || pace === null ? '' : `, CPUs at ${percent(pace.server)} and ${percent(pace.client)} of their pace`;
  const warnings = flags.length > 0 ? `  ! ${flags.join(', ')}` : '';
  return `${one.title.padEnd(26)} ${arm.name.padEnd(20)} round ${round + 1} ${figure} ${one.unit}${latency}${cpu}${given}${warnings}`;
}
