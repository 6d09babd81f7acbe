/**
 * The summary of a run as text, after locktorture's: the parameters first and last, one line a role with total, maximum and minimum, then the verdict.
 */
import { describeCpu } from '../cpus/graph.ts';
import { formatStack } from '../cpus/source-map.ts';
import { unfair } from './notes.ts';
import { outcomeTable } from './outcomes.ts';
import { echo } from './params.ts';
import type { CpuCounts, StallReport, TortureResult, Violation } from './result.ts';
import type { TraceReport } from './traces.ts';
import type { OperationCount } from './workload.ts';

/** A number, rounded, with its thousands apart. Not by Intl: that loads for as long as a thread takes to start. */
export function group(value: number): string {
  return value.toFixed(0).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

function role(label: string, values: readonly number[], fail: number): string {
  const total = values.reduce((sum, value) => sum + value, 0);
  const most = Math.max(0, ...values);
  const least = values.length === 0 ? 0 : Math.min(...values);
  return `  ${label}:  Total: ${group(total)}  Max/Min: ${group(most)}/${group(least)}${values.length > 0 && unfair(values) ? ' ???' : ''}  Fail: ${group(fail)}${fail > 0 ? ' !!!' : ''}`;
}

function sum(counts: readonly CpuCounts[], pick: (cpu: CpuCounts) => number): number {
  return counts.reduce((total, cpu) => total + pick(cpu), 0);
}

function nearMisses(result: TortureResult): string {
  const { cpus } = result;
  const parts = [
    `contended ${group(sum(cpus, (cpu) => cpu.contended))}`,
    `hand-offs ${group(sum(cpus, (cpu) => cpu.handoffs))}`,
    `parked ${group(sum(cpus, (cpu) => cpu.parks))}`,
    `overslept ${group(sum(cpus, (cpu) => cpu.overslept))}`,
  ];
  const optional: [string, number][] = [
    ['trylocks', sum(cpus, (cpu) => cpu.tries)],
    ['of them failed', sum(cpus, (cpu) => cpu.tryFails)],
    ['grace periods', sum(cpus, (cpu) => cpu.gracePeriods)],
    ['floods', sum(cpus, (cpu) => cpu.floods)],
    ['retries', sum(cpus, (cpu) => cpu.retries)],
    ['downgrades', sum(cpus, (cpu) => cpu.downgrades)],
    ['upgrades', sum(cpus, (cpu) => cpu.upgrades)],
    ['long holds', sum(cpus, (cpu) => cpu.longHolds)],
    ['most readers at once', Math.max(...cpus.map((cpu) => cpu.readersMax))],
    ['most others let pass', Math.max(...cpus.map((cpu) => cpu.overtakenMax))],
  ];
  for (const [label, value] of optional) if (value > 0) parts.push(`${label} ${group(value)}`);
  return `  Seen:  ${parts.join(', ')}`;
}

/** How old what readers saw was, as rcutorture prints it: current, taken away, and what must not be. */
function readerPipe(cpus: readonly CpuCounts[]): string {
  const ages = cpus[0]?.ages.map((_, age) => sum(cpus, (cpu) => cpu.ages[age] ?? 0)) ?? [];
  const bad = ages.slice(2).some((count) => count > 0);
  return `  Reader Pipe:  ${ages.map(group).join(' ')}${bad ? ' !!!' : ''}`;
}

/** The evidence of one violation. */
export function describeViolation(violation: Violation): string[] {
  const lines = [`  !!! ${violation.oracle}: ${violation.text}`];
  lines.push(
    `      ${violation.afterMs.toFixed(1)} ms after the CPUs were up${violation.oracle === 'race' ? '' : `, round ${violation.round}`}${violation.lock === '' ? '' : `; the ${violation.oracle === 'check' ? 'state' : 'lock'} was ${violation.lock}`}`,
  );
  return lines;
}

/** A stuck machine: the wait-for graph, with stacks. */
export function describeStall(stall: StallReport): string[] {
  const name = (addr: number): string => stall.names[addr] ?? `0x${addr.toString(16)}`;
  const head =
    stall.kind === 'deadlock'
      ? `  !!! ${stall.oracle}: deadlock, proven: every CPU is blocked and nobody is left to wake one`
      : `  !!! ${stall.oracle}: stall: no CPU has got anything done for ${(stall.silentMs / 1000).toFixed(1)} s`;
  const lines = [head];
  if (stall.cycle) lines.push(`      CPU ${[...stall.cycle, stall.cycle[0]].join(' waits for CPU ')}`);
  if (stall.gracePeriod) {
    const { cpu, nesting, number, milliseconds } = stall.gracePeriod;
    const where = nesting > 0 ? 'in a read section' : 'not quiescent';
    lines.push(
      `      grace period ${number} has waited ${(milliseconds / 1000).toFixed(1)} s for CPU ${cpu}, ${where} since before it began`,
    );
  }
  for (const cpu of stall.cpus) {
    lines.push(`      ${describeCpu(cpu, stall.edges, name)}`);
    for (const frame of formatStack(
      cpu.stack.filter(({ internal }) => !internal),
      { limit: 6 },
    ))
      lines.push(`          ${frame}`);
    if (cpu.note) lines.push(`          no stack: it ${cpu.note}`);
  }
  return lines;
}

/** The first line of a run: its name and parameters. */
export function heading(result: Pick<TortureResult, 'lock' | 'params'>): string {
  return `torture:${result.lock} ${echo(result.params)}`;
}

/** What CPUs did last. */
export function describeTrace({ ordered, lines, records }: TraceReport): string[] {
  const head = ordered
    ? 'in the order in which it was done'
    : 'each CPU for itself: lines beside each other are not at the same time (--trace order shows that)';
  return [
    `      what CPUs did last, of ${group(records)} records, ${head}:`,
    ...lines.map((line) => `    ${line}`),
  ];
}

/** Shown races: each is another word, or another pair of accesses. */
const RACES_SHOWN = 4;
/** Shown violations; the others are counted. */
const SHOWN = 3;

/** Both sides of a race. */
function raceLines({ races }: TortureResult, violation: Violation): string[] {
  const race = races.find((each) => each.violation === violation);
  return race ? race.lines.map((line) => `      ${line}`) : [];
}

/** What went wrong, if anything did. */
function evidence(result: TortureResult, fails: number): string[] {
  const lines: string[] = [];
  const races = result.violations.filter(({ oracle }) => oracle === 'race').slice(0, RACES_SHOWN);
  for (const violation of [
    ...result.violations.filter(({ oracle }) => oracle !== 'race').slice(0, SHOWN),
    ...races,
  ])
    lines.push(...describeViolation(violation), ...raceLines(result, violation));
  if (fails > SHOWN)
    lines.push(
      `      ${group(fails)} violations in all: ${Object.entries(result.violationCounts)
        .map(([oracle, count]) => `${oracle} ${group(count)}`)
        .join(', ')}`,
    );
  if (result.exception) {
    lines.push(`  !!! exception: ${result.exception.message}`);
    for (const frame of result.exception.stack.split('\n').slice(1, 5)) lines.push(`      ${frame.trim()}`);
  }
  if (result.stall) lines.push(...describeStall(result.stall));
  if (result.trace) lines.push(...describeTrace(result.trace));
  if (result.death) {
    const { cpu, why, lastHeartbeat, held } = result.death;
    const locks = held.length > 0 ? held.map(({ lock, mode }) => `${lock} (${mode})`).join(', ') : 'no lock';
    lines.push(
      `  !!! ${cpu < 0 ? 'a CPU' : `CPU ${cpu}`} died: ${why}; last heartbeat ${lastHeartbeat}; it held ${locks}`,
    );
  }
  return lines;
}

function summarizeScenario(result: TortureResult, fails: number): string[] {
  const lines = [
    `  Episodes:  Total: ${group(result.acquisitions)}  Fail: ${group(fails)}${fails > 0 ? ' !!!' : ''}`,
    `  ${group(result.perSecond)} episodes/s over ${result.seconds.toFixed(1)} s in ${group(result.rounds)} rounds`,
  ];
  if (result.outcomes) {
    lines.push(...outcomeTable(result.outcomes));
    for (const failure of result.outcomes.failures)
      lines.push(`  !!! ${failure.split('\n').join('\n      ')}`);
    if (result.outcomes.undecided > 0)
      lines.push(
        `  Note:  what was recorded in ${group(result.outcomes.undecided)} episodes is UNKNOWN to be linearizable: too many operations at once, or in all`,
      );
  }
  lines.push(...evidence(result, fails));
  lines.push(`${heading(result)} ${verdictWord(result)}`);
  return lines;
}

/** Operations by name: how often, and how often in vain. */
function operationTable(operations: readonly OperationCount[]): string[] {
  const wide = Math.max(9, ...operations.map(({ name }) => name.length));
  const row = (name: string, weight: string, done: string, vain: string): string =>
    `  ${name.padEnd(wide)}  ${weight.padStart(6)}  ${done.padStart(12)}  ${vain.padStart(12)}`;
  return [
    row('OPERATION', 'WEIGHT', 'DONE', 'IN VAIN'),
    ...operations.map(({ name, weight, done, vain }) =>
      row(name, String(weight), group(done), vain === 0 ? '-' : group(vain)),
    ),
  ];
}

function summarizeWorkload(result: TortureResult, fails: number): string[] {
  const { operations, outcomes } = result;
  const lines = [
    `  Operations:  Total: ${group(result.acquisitions)}  Fail: ${group(fails)}${fails > 0 ? ' !!!' : ''}`,
    `  ${group(result.perSecond)} operations/s over ${result.seconds.toFixed(1)} s, checked ${group(result.rounds)} times`,
    ...(operations ? operationTable(operations) : []),
  ];
  for (const failure of outcomes?.failures ?? []) lines.push(`  !!! ${failure.split('\n').join('\n      ')}`);
  lines.push(...evidence(result, fails));
  for (const note of result.notes) lines.push(`  Note:  ${note}`);
  lines.push(`${heading(result)} ${verdictWord(result)}`);
  return lines;
}

/** What CPUs do with each kind of lock: what is counted as writes, and as reads. */
const ROLES: Readonly<Record<string, readonly [writes: string, reads?: string]>> = {
  rwlock: ['Writes', 'Reads'],
  rwsem: ['Writes', 'Reads'],
  seq: ['Writes', 'Reads'],
  condition: ['Puts', 'Takes'],
  completion: ['Completes', 'Waits'],
  queue: ['Puts', 'Takes'],
  rcu: ['Updates', 'Reads'],
  hazard: ['Updates', 'Reads'],
  barrier: ['Phases'],
};

/** The whole summary, without the heading. */
export function summarize(result: TortureResult): string[] {
  const { cpus, kind } = result;
  const fails = Object.values(result.violationCounts).reduce((total, count) => total + count, 0);
  const [writes, reads] = ROLES[kind] ?? ['Writes', undefined];
  // Of the CPUs of these some do the one and some the other, and no option says which.
  const mixed = kind === 'condition' || kind === 'completion' || kind === 'queue';
  if (kind === 'scenario') return summarizeScenario(result, fails);
  if (kind === 'workload') return summarizeWorkload(result, fails);
  const lines: string[] = [];
  // Only CPUs that have the role: with --readers and --writers the others do not, and half of a bounded buffer's CPUs only put.
  const { readers, writers } = result.params;
  const withRole = (other: number, from: number): readonly CpuCounts[] =>
    mixed ? cpus : cpus.filter(({ cpu }) => cpu < from || cpu >= from + other);
  const writing = (reads ? withRole(readers, 0) : cpus).map((cpu) => cpu.writes);
  const reading = withRole(writers, readers).map((cpu) => cpu.reads);
  const busy = (values: readonly number[]): readonly number[] =>
    mixed ? values.filter((value) => value > 0) : values;
  lines.push(role(writes, busy(writing), fails));
  if (reads) lines.push(role(reads, busy(reading), 0));
  lines.push(
    `  ${group(result.perSecond)} acquisitions/s over ${result.seconds.toFixed(1)} s in ${group(result.rounds)} rounds`,
  );
  if (kind === 'rcu' || kind === 'hazard') lines.push(readerPipe(cpus));
  lines.push(nearMisses(result));
  lines.push(...evidence(result, fails));
  for (const note of result.notes) lines.push(`  Note:  ${note}`);
  lines.push(`${heading(result)} ${verdictWord(result)}`);
  return lines;
}

/** SUCCESS or FAILURE, or why there is neither. */
export function verdictWord(result: TortureResult): string {
  switch (result.verdict) {
    case 'success':
      return 'SUCCESS';
    case 'failure':
      return `FAILURE (${result.oracle})`;
    case 'stall':
      return `FAILURE (${result.oracle}: ${result.stall?.kind})`;
    case 'died':
      return 'FAILURE (a CPU died)';
    case 'interrupted':
      return 'INTERRUPTED, no violation so far';
  }
}
