/**
 * How quiet a machine is: processes that wanted a core when the run began, and the share of its cores that others took while it ran, as far as /proc says so
 * (Linux). A hypervisor that takes time away is an other, too.
 */
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { cores } from '../pin.ts';

/** Ticks of the cores that this process may use: all, and those in which they did something. */
interface Ticks {
  readonly all: number;
  readonly busy: number;
  /** What this process and its children that have ended did. */
  readonly own: number;
}

/** What was taken by others: user, nice, system, idle, iowait, irq, softirq, steal are the columns of /proc/stat. */
function look(usable: readonly number[]): Ticks | undefined {
  try {
    let all = 0;
    let idle = 0;
    for (const line of readFileSync('/proc/stat', 'utf8').split('\n')) {
      const [, core, columns] = /^cpu(\d+) (.+)$/.exec(line) ?? [];
      if (columns === undefined || !usable.includes(Number(core))) continue;
      const ticks = columns.trim().split(' ').slice(0, 8).map(Number);
      all += ticks.reduce((sum, each) => sum + each, 0);
      idle += (ticks[3] ?? 0) + (ticks[4] ?? 0);
    }
    const stat = readFileSync('/proc/self/stat', 'utf8');
    // utime, stime, cutime and cstime; the name of the program, which may hold anything, ends with the last parenthesis.
    const own = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 15);
    return { all, busy: all - idle, own: own.reduce((sum, each) => sum + Number(each), 0) };
  } catch {
    return undefined;
  }
}

/** What was seen of others. */
export interface Foreign {
  /** Processes that wanted a core in the minute before; 0 where the system does not say. */
  readonly load: number;
  /** Share of the cores' time that others took; undefined where the system does not say. */
  readonly share: number | undefined;
}

/** Watches others from now on. @returns what tells of them up to then */
export function watchOthers(): () => Foreign {
  const usable = cores();
  const load = loadavg()[0] ?? 0;
  const first = look(usable);
  return () => {
    const last = look(usable);
    const all = first && last ? last.all - first.all : 0;
    if (!first || !last || all <= 0) return { load, share: undefined };
    const others = last.busy - first.busy - (last.own - first.own);
    return { load, share: Math.min(1, Math.max(0, others / all)) };
  };
}

/** A machine is busy when others take more than this share of its cores. */
export const BUSY = 0.05;

/** In a few words. @param cores that the run may use */
export function othersText({ load, share }: Foreign, cores: number): string {
  const said = [
    share === undefined
      ? 'others: not known'
      : `others took ${(100 * share).toFixed(1)} % of the cores' time`,
    ...(load > 0.5 * cores ? [`load ${load.toFixed(1)} when it began`] : []),
  ];
  return said.join(', ');
}

/** Whether others were at it. */
export function othersWere({ load, share }: Foreign, cores: number): boolean {
  return share === undefined ? load > 0.5 * cores : share > BUSY;
}
