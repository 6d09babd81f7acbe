/**
 * Why nothing goes on: from where each CPU stands, what it is.
 *
 *   deadlock       CPUs that wait for locks of each other, in a circle; a CPU that waits for what it holds itself is a circle of one
 *   orphan         the holder has ended
 *   lost wake-up   a futex sleeper whose word has changed: whoever changed it did not notify, or notified before the sleeper slept
 *   behind         the holder is itself stuck, in one of these ways
 *   nobody left    the word is what the waiter waits to see changed, and nobody is left who could change it
 *
 * Circles hold whatever the others do. The rest is certain only when nobody can run, and is not said as long as somebody can. A lock that is held
 * shared keeps those waiting who want it exclusively, and newcomers behind one who does: any holder is taken to be in the way, but for
 * two that share where nobody wants it exclusively.
 */
import type { Addr } from '../../src/arch/index.ts';
import { type Finding, hex } from './finding.ts';
import { cycleKey, EXCLUSIVE } from './lock-graph.ts';

/** Where a CPU stands. */
export interface Standing {
  readonly cpu: number;
  /** In `spinWhile`, in a futex `wait`, or neither. */
  readonly blocked: 'spin' | 'wait' | 'no';
  /** Its actor has returned, or its thread is dead. */
  readonly ended?: boolean;
  /** The word that it waits for, what it held when it began to, and what it holds now. */
  readonly addr: Addr;
  readonly value: number;
  readonly word: number;
  readonly held: readonly { readonly lock: Addr; readonly mode: number }[];
  /** The lock that it acquires, and how; undefined: none. */
  readonly waitingFor?: { readonly lock: Addr; readonly mode: number } | undefined;
}

type Name = (addr: Addr) => string;

/** Whether a CPU stands in the way of another that acquires a lock. */
function blocks(all: readonly Standing[], { waitingFor }: Standing, holder: Standing): boolean {
  if (!waitingFor) return false;
  const { lock, mode } = waitingFor;
  const holds = holder.held.filter((each) => each.lock === lock);
  if (holds.some((each) => each.mode === EXCLUSIVE) || (holds.length > 0 && mode === EXCLUSIVE)) return true;
  const writer = all.some((each) => each.waitingFor?.lock === lock && each.waitingFor.mode === EXCLUSIVE);
  return holds.length > 0 && writer;
}

/** The circles in which CPUs wait for each other, each once, beginning with its lowest CPU. */
function circles(all: readonly Standing[]): Standing[][] {
  const found: Standing[][] = [];
  const follow = (path: readonly Standing[]): void => {
    const last = path.at(-1)!;
    if (last.blocked === 'no') return;
    for (const holder of all) {
      if (!blocks(all, last, holder)) continue;
      if (holder === path[0]) found.push([...path]);
      else if (holder.cpu > path[0]!.cpu && !path.includes(holder)) follow([...path, holder]);
    }
  };
  for (const each of all) follow([each]);
  // A circle that contains another one says nothing new.
  return found.filter(
    (circle) =>
      !found.some((other) => other.length < circle.length && other.every((each) => circle.includes(each))),
  );
}

function finding(
  kind: string,
  what: string,
  text: string,
  cpus: readonly Standing[],
  addresses: readonly Addr[],
): Finding {
  return {
    detector: 'progress',
    key: `${kind} ${what}`,
    text,
    details: [],
    at: cpus.map(({ cpu }) => ({ at: -1, cpu })),
    addresses,
  };
}

function deadlock(circle: readonly Standing[], name: Name): Finding {
  const locks = circle.map(({ waitingFor }) => waitingFor!.lock);
  const names = locks.map(name);
  const key = cycleKey(names);
  if (circle.length === 1) {
    const text = `deadlock: CPU ${circle[0]!.cpu} waits for ${names[0]}, which it holds itself`;
    return finding('deadlock', key, text, circle, locks);
  }
  const steps = circle.map(
    (_, index) => `${names[index]} held by CPU ${circle[(index + 1) % circle.length]!.cpu}`,
  );
  const text = `deadlock: CPU ${circle[0]!.cpu} waits for ${steps.join(', which waits for ')}`;
  return finding('deadlock', key, text, circle, locks);
}

/** Why a CPU in no circle is stuck, given that nobody can run. */
function stuck(all: readonly Standing[], each: Standing, name: Name): Finding {
  const { cpu, blocked, addr, value, word, waitingFor } = each;
  const how = blocked === 'wait' ? 'sleeps in wait' : 'spins';
  const place = `${name(addr)}`;
  const purpose = waitingFor ? ` to acquire ${name(waitingFor.lock)}` : '';
  if (word !== value) {
    const reason =
      blocked === 'wait'
        ? 'whoever changed it did not notify, or did so before the sleep began'
        : 'whoever changed it did not wake it';
    const text = `lost wake-up: CPU ${cpu} ${how} on ${place} for a change from ${value}${purpose}, but it is ${word} already: ${reason}`;
    return finding('lost wake-up', place, text, [each], [addr]);
  }
  const holders = all.filter((other) => other !== each && blocks(all, each, other));
  const ended = holders.find((other) => other.ended);
  if (waitingFor && ended) {
    const text = `CPU ${cpu} waits for ${name(waitingFor.lock)}, which CPU ${ended.cpu} held when it ended`;
    return finding('orphan', name(waitingFor.lock), text, [each, ended], [waitingFor.lock]);
  }
  if (waitingFor && holders[0]) {
    const text = `CPU ${cpu} waits for ${name(waitingFor.lock)}, held by CPU ${holders[0].cpu}, which is stuck itself`;
    return finding('behind', name(waitingFor.lock), text, [each, holders[0]], [waitingFor.lock]);
  }
  const text = `CPU ${cpu} ${how} on ${place} for a change from ${value}${purpose}, and nobody is left to make it`;
  return finding('nobody left', place, text, [each], [addr]);
}

/**
 * What keeps CPUs from going on, the causes first: those that are stuck behind others come last.
 * @param all the CPUs of the machine
 * @param name names words and locks
 */
export function diagnose(all: readonly Standing[], name: Name = hex): Finding[] {
  const found = circles(all);
  const told = new Set(found.flat());
  const causes = found.map((circle) => deadlock(circle, name));
  if (all.some(({ blocked, ended }) => blocked === 'no' && !ended)) return causes;
  const rest = all.filter((each) => each.blocked !== 'no' && !each.ended && !told.has(each));
  const others = rest.map((each) => stuck(all, each, name));
  const behind = (each: Finding): boolean => each.key.startsWith('behind ');
  return [...causes, ...others.filter((each) => !behind(each)), ...others.filter(behind)];
}
