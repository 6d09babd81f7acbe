/**
 * Classes of the locks of a run: what lock_stat has a row for. A lock of the run itself has its own name. One that lies in the state of a scenario or a workload is
 * called as the word there is, without the number of the object: `mm_struct#3.mmap_sem.count` is of the class `mmap_sem`, all of them together, as a lock of the
 * kernel is of the class of the place where it is initialised.
 */
import type { Addr } from '../../src/arch/index.ts';
import type { Machine } from '../../src/memory/index.ts';
import { namer } from '../torture/result.ts';
import type { Tortured, TortureSetup } from '../torture/setup.ts';

/** Words that locks are a part of. */
const WORDS: Readonly<Record<string, string>> = { 'page.flags': 'PG_locked' };

/** Structs that are one lock. */
const WHOLE = /^(?:rcu|srcu)\./;

/**
 * The class of a lock by the name of its first word.
 * @param subject whose lock it is, for words without a name
 */
export function classFromName(name: string, subject: string): string {
  if (name.startsWith('0x')) return `${subject} (unnamed)`;
  const plain = name.split('|')[0]!.replace(/[#[]\d+\]?/g, '');
  if (WHOLE.test(plain)) return plain.split('.')[0]!;
  const [struct = '', field] = plain.split('.');
  const word = WORDS[`${struct}.${field}`];
  if (word !== undefined) return word;
  if (field === undefined) return struct;
  // A name that says nothing by itself.
  return field === 'lock' || field === 'mutex' ? `${struct}.${field}` : field;
}

/** Which class each lock of a run is of. */
export function classesOf(
  machine: Machine,
  setup: TortureSetup,
  definition: Tortured,
): (lock: Addr) => string {
  const { lock, nested, mutexAddr, subject } = setup;
  const name = namer(machine, setup, definition);
  return (addr) => {
    if (addr === mutexAddr) return `${subject.name} (its mutex)`;
    if (subject.definition !== 'lock') return classFromName(name(addr), subject.name);
    if (addr === lock) return subject.name;
    return nested.includes(addr) ? `${subject.name} (nested)` : classFromName(name(addr), subject.name);
  };
}
