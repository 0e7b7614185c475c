import type { Bar, CaseInfo, Round, Run } from './results.js';
import { median, pairedRatios, summarize, type Summary } from './statistics.js';

export type Verdict = 'goal' | 'met' | 'missed' | 'not judged';

/** What one arm did in one case. */
export interface Row {
  readonly arm: string;
  readonly label: string;
  readonly value: Summary;
  /** To the base, of rounds that ran next to each other; null for the base itself and where there is none. */
  readonly ratio: Summary | null;
  readonly verdict: Verdict;
  readonly p50_us: number | null;
  readonly p99_us: number | null;
  readonly server_busy: number | null;
  readonly client_busy: number | null;
  readonly flags: readonly string[];
}

export interface CaseTable {
  readonly info: CaseInfo;
  readonly rows: readonly Row[];
  /** How far apart the two arms that are the same server lie: |1 − ratio| of their medians. */
  readonly noise: number | null;
}

export function judge(bar: Bar | null, value: number, ratio: number | null): Verdict {
  if (bar === null) return 'not judged';
  const figure = bar.of === 'ratio' ? ratio : value;
  if (figure === null || Number.isNaN(figure)) return 'not judged';
  const reaches = (wanted: number): boolean => (bar.of === 'at-most' ? figure <= wanted : figure >= wanted);
  if (bar.goal !== null && reaches(bar.goal)) return 'goal';
  return reaches(bar.bar) ? 'met' : 'missed';
}

function byRound(rounds: readonly Round[]): Map<number, number> {
  return new Map(rounds.map(({ round, value }) => [round, value]));
}

function middle(rounds: readonly Round[], of: (round: Round) => number | undefined): number | null {
  const values = rounds.map(of).filter((value) => value !== undefined);
  return values.length > 0 ? median(values) : null;
}

/** From this ratio on two arms were not given alike; clocks alone move by several hundredths. */
const UNLIKE = 1.1;

/** A ratio of rounds whose CPUs were not given alike says something of the machine too. */
function paceFlags(mine: readonly Round[], base: readonly Round[]): string[] {
  const [own, other] = [mine, base].map((rounds) => middle(rounds, (round) => round.pace?.server));
  if (own === null || own === undefined || other === null || other === undefined) return [];
  if (Math.max(own, other) / Math.min(own, other) < UNLIKE) return [];
  return [`CPU at ${Math.round(100 * own)}% of its pace, the base's at ${Math.round(100 * other)}%`];
}

function rowOf(run: Run, info: CaseInfo, arm: Run['arms'][number]): Row | null {
  const of = (name: string): Round[] => run.rounds.filter((round) => round.case === info.id && round.arm === name);
  const mine = of(arm.name);
  if (mine.length === 0) return null;
  const value = summarize(mine.map((round) => round.value));
  const base = arm.name === run.base ? [] : of(run.base);
  const ratios = pairedRatios(byRound(mine), byRound(base));
  const ratio = ratios.length > 0 ? summarize(ratios) : null;
  return {
    arm: arm.name,
    label: arm.label,
    value,
    ratio,
    // The A/A arm shows the noise; a second verdict on the same server would say nothing.
    verdict: run.smoke || !arm.sluice || arm.name === run.aa?.second ? 'not judged' : judge(info.bar, value.median, ratio?.median ?? null),
    p50_us: middle(mine, (round) => round.load?.latency?.p50_us),
    p99_us: middle(mine, (round) => round.load?.latency?.p99_us),
    server_busy: middle(mine, (round) => round.load?.cpu?.server_busy),
    client_busy: middle(mine, (round) => round.load?.cpu?.client_busy),
    flags: [...new Set(mine.flatMap((round) => round.flags)), ...paceFlags(mine, base)],
  };
}

export function tabulate(run: Run): CaseTable[] {
  return run.cases.map((info) => {
    const rows = run.arms.map((arm) => rowOf(run, info, arm)).filter((row) => row !== null);
    const first = rows.find((row) => row.arm === run.aa?.first);
    const second = rows.find((row) => row.arm === run.aa?.second);
    const noise = first === undefined || second === undefined ? null : Math.abs(1 - second.value.median / first.value.median);
    return { info, rows, noise };
  });
}

/** Bars that no Sluice arm reached, by case. */
export function missedBars(tables: readonly CaseTable[]): string[] {
  return tables
    .filter(({ rows }) => {
      const verdicts = new Set(rows.map((row) => row.verdict));
      return verdicts.has('missed') && !verdicts.has('met') && !verdicts.has('goal');
    })
    .map(({ info }) => info.title);
}
