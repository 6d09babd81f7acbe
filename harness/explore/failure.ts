/**
 * What went wrong in an execution: the oracle that says so, a sentence, and a key by which two executions have failed in the same way.
 */
import type { OracleName } from '../../src/locking/define.ts';
import { diagnose, type Finding, type Standing } from '../detect/index.ts';
import { OP, OPERATIONS, type Trace } from '../engines/trace.ts';
import { namer } from '../torture/result.ts';
import { plainly } from './evidence.ts';
import type { Execution, Exploration } from './exploration.ts';
import { DETECTED, STUCK_AT_REST, THREW_AT_REST } from './explorer.ts';
import { keyOf } from './watch.ts';

/** A failure in words. */
export interface Failure {
  readonly oracle: OracleName;
  /** What broke and where: equal for executions that failed in the same way. */
  readonly key: string;
  readonly text: string;
  /** What else there is to say, in lines. */
  readonly details: readonly string[];
  /** What a detector has found, if it was one. */
  readonly finding?: Finding;
}

/** A CPU that could not go on when the execution ended. */
export interface StuckCpu {
  readonly cpu: number;
  readonly addr: number;
  readonly value: number;
  /** Asleep in a futex wait, or in `spinWhile`. */
  readonly asleep: boolean;
}

/** CPUs that were blocked at the end of the trace. */
export function stuckCpus({ trace }: Execution, cpus: number): StuckCpu[] {
  const stuck = new Map<number, StuckCpu>();
  const asleep = new Set<number>();
  for (let at = 0; at < trace.length; at += 1) {
    const cpu = trace.cpu(at);
    const op = trace.op(at);
    if (op === OP.drain) continue;
    if (op === OP.wait) asleep.add(cpu);
    if (op === OP.blocked)
      stuck.set(cpu, { cpu, addr: trace.addr(at), value: trace.value(at), asleep: asleep.has(cpu) });
    else if (op !== OP.end) stuck.delete(cpu);
    if (op !== OP.wait && op !== OP.blocked) asleep.delete(cpu);
  }
  return Array.from({ length: cpus }, (_, cpu) => stuck.get(cpu)).filter((each) => each !== undefined);
}

const BUFFERED = new Set([OP.write, OP.writeOnce, OP.storeRelease]);

/** What a word holds at the end of a trace. @param otherwise where nobody has written it */
function lastValue(trace: Trace, addr: number, otherwise: number): number {
  let value = otherwise;
  let drained = false;
  for (let at = 0; at < trace.length && !drained; at += 1) drained = trace.op(at) === OP.drain;
  for (let at = 0; at < trace.length; at += 1) {
    const op = trace.op(at);
    if (trace.addr(at) !== addr) continue;
    if (op === OP.drain || (OPERATIONS[op]!.writes && !(drained && BUFFERED.has(op))))
      value = trace.value(at);
  }
  return value;
}

/** Where every CPU stood at the end of the trace. */
function standings({ trace }: Execution, cpus: number, stuck: readonly StuckCpu[]): Standing[] {
  const all = Array.from({ length: cpus }, (_, cpu) => {
    const at = stuck.find((each) => each.cpu === cpu);
    return {
      cpu,
      blocked: at === undefined ? ('no' as const) : at.asleep ? ('wait' as const) : ('spin' as const),
      ended: at === undefined,
      addr: at?.addr ?? 0,
      value: at?.value ?? 0,
      word: at === undefined ? 0 : lastValue(trace, at.addr, at.value),
      held: [] as { lock: number; mode: number }[],
      waitingFor: undefined as { lock: number; mode: number } | undefined,
    };
  });
  for (let at = 0; at < trace.length; at += 1) {
    const cpu = all[trace.cpu(at)]!;
    const [lock, mode] = [trace.addr(at), trace.value(at)];
    switch (trace.op(at)) {
      case OP.acquiring:
        cpu.waitingFor = { lock, mode };
        break;
      case OP.acquired:
        cpu.waitingFor = undefined;
        cpu.held.push({ lock, mode });
        break;
      case OP.gaveUp:
        cpu.waitingFor = undefined;
        break;
      case OP.released: {
        const held = cpu.held.findLastIndex((each) => each.lock === lock && each.mode === mode);
        if (held >= 0) cpu.held.splice(held, 1);
      }
    }
  }
  return all;
}

/** What a diagnosis says that who waits for which word does not. */
const TELLING = ['deadlock ', 'lost wake-up ', 'orphan '];

function blocked(exploration: Exploration, execution: Execution): Failure {
  const { machine, setup, subject } = exploration;
  const name = namer(machine, setup, subject);
  const stuck = stuckCpus(execution, exploration.cpus);
  const each = stuck.map(
    ({ cpu, addr, value, asleep }) =>
      `CPU ${cpu} ${asleep ? 'sleeps until it is woken on' : 'waits for'} ${name(addr)}${asleep ? '' : ` to differ from ${value}`}`,
  );
  const oracle = stuck.some(({ asleep }) => asleep) ? 'wakeup' : 'progress';
  const text = `deadlock: nobody can go on: ${each.join(', ')}`;
  const found = diagnose(standings(execution, exploration.cpus, stuck), name);
  const telling = found.filter(({ key }) => TELLING.some((kind) => key.startsWith(kind)));
  return {
    oracle,
    text,
    key: `deadlock: ${text.replace(/CPU \d+|-?\d+/g, '#')}`,
    details: (telling.length > 0 ? telling : found).map((finding) => finding.text),
  };
}

const ORACLE_OF: Readonly<Record<string, OracleName>> = {
  races: 'race',
  lockorder: 'lock-order',
  lifetime: 'lifetime',
  starvation: 'starvation',
};

/** A finding of a detector as a failure. */
export function failureOfFinding(finding: Finding): Failure {
  const { detector, text, details } = finding;
  const oracle = ORACLE_OF[detector] ?? 'check';
  return { oracle, text: plainly(text), key: `${oracle}: ${keyOf(finding)}`, details, finding };
}

/** How an execution went wrong by itself, whatever detectors say. */
function outcomeOf(exploration: Exploration, execution: Execution): Failure | undefined {
  const { failed, violations, said } = execution;
  if (!failed) return undefined;
  // The order of the trace, not of virtual time, which several may share.
  const [first] = violations;
  const fail = (oracle: OracleName, text: string, key: string): Failure => ({
    oracle,
    text,
    key,
    details: [],
  });
  if (first) {
    const saying = first.oracle === 'check' || first.oracle === 'linearizability';
    const text = saying && said.texts[0] ? said.texts[0] : first.text;
    // Of an explanation the operations differ between executions that failed in the same way.
    const [line = ''] = text.split('\n');
    return fail(first.oracle, text, `${first.oracle}: ${line.replace(/-?\d+/g, '#')}`);
  }
  const thrown = said.thrown[0]?.message ?? '';
  if ((failed.detail & STUCK_AT_REST) !== 0) return fail('at-rest', `at rest: ${thrown}`, 'at-rest');
  switch (failed.reason) {
    case 'deadlock':
      return blocked(exploration, execution);
    case 'livelock':
      return fail('progress', 'livelock: every CPU only yields, and nothing changes any more', 'livelock');
    case 'bound':
      return fail('progress', `livelock: no end after ${failed.steps} accesses`, 'bound');
    case 'exception':
      return fail(
        'exception',
        `${(failed.detail & THREW_AT_REST) !== 0 ? 'the check' : 'an actor'} threw: ${thrown}`,
        `exception: ${thrown.replace(/\d+/g, '#')}`,
      );
    default:
      return (failed.detail & DETECTED) !== 0 ? undefined : fail('check', 'it failed', 'unknown');
  }
}

/**
 * All ways in which an execution failed, the most telling first: an object that was used after its end says why a check failed; what else detectors have
 * found comes after what really went wrong.
 */
export function failuresOf(exploration: Exploration, execution: Execution): Failure[] {
  const found = execution.said.found.map(({ finding }) => failureOfFinding(finding));
  const outcome = outcomeOf(exploration, execution);
  return [
    ...found.filter(({ oracle }) => oracle === 'lifetime'),
    ...(outcome ? [outcome] : []),
    ...found.filter(({ oracle }) => oracle !== 'lifetime'),
  ];
}

/** Says how an execution failed; undefined when it did not. */
export function failureOf(exploration: Exploration, execution: Execution): Failure | undefined {
  return failuresOf(exploration, execution)[0];
}
