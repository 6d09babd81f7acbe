/**
 * Whether the two operations of a cell met: what makes "no failure" worth something.
 *
 * A window is the time from when a CPU asks for the first of the locks that the table is about (mmap_sem, i_mmap_lock, the lock of the anonymous reverse mapping, page_table_lock) until it has given the
 * last one back. Reader and writer have met when a window of the reader and one of the writer were open at the same time, the writer changed words of a vma in his, and the reader looked at words of the same vma
 * in his; or when the reader knocked at one of these locks, and it was the writer who had it, in a window in which he changed the vma that the reader is about. For a writer who only fills page tables
 * a table takes the place of the vma.
 *
 * It is read out of traces, by the names of words. So measuring it takes no access, and the executions that are judged are the ones that would run anyway.
 */
import { OP, OPERATIONS, type Trace } from '../engines/trace.ts';

/** Locks that the table is about, by the names of their words. */
const LOCK =
  /^(?:mm_struct#\d+\.(?:mmap_sem|page_table_lock)|vm_area_struct#\d+\.page_table_lock|address_space#\d+\.i_mmap_lock|anon_vma#\d+\.lock|anonmm#\d+\.lock)/;
const THING = { vma: /^vm_area_struct#\d+/, table: /^page_table\[\d+\]/ } as const;

interface Window {
  readonly from: number;
  to: number;
  readonly touched: Set<string>;
  readonly changed: Set<string>;
  /** Whether the other one knocked meanwhile at a lock that is held in it. */
  knocked: boolean;
}

/** What a word is of, as far as it matters. */
interface Word {
  readonly lock: boolean;
  readonly thing: string | undefined;
}

/**
 * Makes a function that says of a trace whether reader and writer have met in it.
 * @param nameOf the name of a word
 * @param reader the reader's CPU; the writer's is the other one
 * @param meets at what they have to meet
 * @param victim what the reader is about: a vma's address; left out: any that is changed will do
 */
export function meeting(
  nameOf: (addr: number) => string | undefined,
  reader: number,
  meets: 'vma' | 'table',
  victim?: number,
): (trace: Trace) => boolean {
  const words = new Map<number, Word>();
  const wordAt = (addr: number): Word => {
    let word = words.get(addr);
    if (word === undefined) {
      const name = nameOf(addr) ?? '';
      const lock = LOCK.test(name);
      word = { lock, thing: lock ? undefined : THING[meets].exec(name)?.[0] };
      words.set(addr, word);
    }
    return word;
  };

  const about = victim === undefined ? undefined : THING[meets].exec(nameOf(victim) ?? '')?.[0];

  return (trace) => {
    const windows: [Window[], Window[]] = [[], []];
    const open: [Window | undefined, Window | undefined] = [undefined, undefined];
    const holds: [Set<number>, Set<number>] = [new Set(), new Set()];
    const openAt = (cpu: 0 | 1, at: number): Window => {
      const now = open[cpu] ?? {
        from: at,
        to: trace.length,
        touched: new Set<string>(),
        changed: new Set<string>(),
        knocked: false,
      };
      if (!open[cpu]) windows[cpu].push(now);
      open[cpu] = now;
      return now;
    };
    for (let at = 0; at < trace.length; at += 1) {
      const cpu = trace.cpu(at) as 0 | 1;
      const addr = trace.addr(at);
      const op = trace.op(at);
      if (addr === 0) continue;
      const { lock, thing } = wordAt(addr);
      if (lock) {
        if (op === OP.acquiring) openAt(cpu, at);
        else if (op === OP.acquired) {
          openAt(cpu, at);
          holds[cpu].add(addr);
        } else if (op === OP.released) {
          holds[cpu].delete(addr);
          const now = open[cpu];
          if (holds[cpu].size === 0 && now) {
            now.to = at;
            open[cpu] = undefined;
          }
        } else if (cpu === reader && holds[(1 - cpu) as 0 | 1].has(addr)) {
          const other = open[(1 - cpu) as 0 | 1];
          if (other) other.knocked = true;
        }
        continue;
      }
      const now = open[cpu];
      if (!now || thing === undefined) continue;
      const { reads, writes } = OPERATIONS[op]!;
      if (reads || writes) now.touched.add(thing);
      if (writes) now.changed.add(thing);
    }
    const [reading, writing] = reader === 0 ? windows : [windows[1], windows[0]];
    for (const change of writing) {
      if (change.changed.size === 0) continue;
      if (change.knocked && (about === undefined || change.changed.has(about))) return true;
      for (const look of reading) {
        if (look.from > change.to || change.from > look.to) continue;
        for (const each of change.changed) if (look.touched.has(each)) return true;
      }
    }
    return false;
  };
}
