/**
 * What went wrong in an execution: the oracle that says so, a sentence, and a key by which two executions have failed in the same way.
 */
import type { OracleName } from '../../src/locking/define.ts';
import { OP } from '../engines/trace.ts';
import { namer } from '../torture/result.ts';
import type { Execution, Exploration } from './exploration.ts';
import { STUCK_AT_REST, THREW_AT_REST } from './explorer.ts';

/** A failure in words. */
export interface Failure {
  readonly oracle: OracleName;
  /** What broke and where: equal for executions that failed in the same way. */
  readonly key: string;
  readonly text: string;
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

function blocked(exploration: Exploration, execution: Execution): { oracle: OracleName; text: string } {
  const { machine, setup, subject } = exploration;
  const name = namer(machine, setup, subject.layout);
  const stuck = stuckCpus(execution, exploration.cpus);
  const each = stuck.map(
    ({ cpu, addr, value, asleep }) =>
      `CPU ${cpu} ${asleep ? 'sleeps until it is woken on' : 'waits for'} ${name(addr)}${asleep ? '' : ` to differ from ${value}`}`,
  );
  const oracle = stuck.some(({ asleep }) => asleep) ? 'wakeup' : 'progress';
  return { oracle, text: `deadlock: nobody can go on: ${each.join(', ')}` };
}

/** Says how an execution failed; undefined when it did not. */
export function failureOf(exploration: Exploration, execution: Execution): Failure | undefined {
  const { failed, violations, said } = execution;
  if (!failed) return undefined;
  // The order of the trace, not of virtual time, which several may share.
  const [first] = violations;
  if (first) {
    const saying = first.oracle === 'check' || first.oracle === 'linearizability';
    const text = saying && said.texts[0] ? said.texts[0] : first.text;
    // Of an explanation the operations differ between executions that failed in the same way.
    const [line = ''] = text.split('\n');
    return { oracle: first.oracle, text, key: `${first.oracle}: ${line.replace(/-?\d+/g, '#')}` };
  }
  const thrown = said.thrown[0]?.message ?? '';
  if (failed.detail === STUCK_AT_REST)
    return { oracle: 'at-rest', text: `at rest: ${thrown}`, key: 'at-rest' };
  switch (failed.reason) {
    case 'deadlock': {
      const { oracle, text } = blocked(exploration, execution);
      return { oracle, text, key: `deadlock: ${text.replace(/CPU \d+|-?\d+/g, '#')}` };
    }
    case 'livelock':
      return {
        oracle: 'progress',
        text: 'livelock: every CPU only yields, and nothing changes any more',
        key: 'livelock',
      };
    case 'bound':
      return {
        oracle: 'progress',
        text: `livelock: no end after ${failed.steps} accesses`,
        key: 'bound',
      };
    case 'exception':
      return {
        oracle: 'exception',
        text: `${failed.detail === THREW_AT_REST ? 'the check' : 'an actor'} threw: ${thrown}`,
        key: `exception: ${thrown.replace(/\d+/g, '#')}`,
      };
    default:
      return { oracle: 'check', text: 'it failed', key: 'unknown' };
  }
}
