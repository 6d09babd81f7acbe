/**
 * One run, recorded: all that is needed to walk through it without its CPUs.
 *
 * A run is a function of its token, so it is made once, to its end, and looked at afterwards; nobody has to stop a CPU. The trace says what each access
 * did to memory, and the undo log what memory was before the first of them, so what it held at any place can be worked out (report/moment.ts).
 *
 * Words go by the names that the columns print. The first word of a lock is printed as the lock; it answers to its field's name as well. The name of a
 * field will do where no two structs have one of that name, and `lock.` stands for the subject's own name.
 */

import { CpuArea } from '../../src/memory/index.ts';
import { infoOf } from '../../src/memory/struct.ts';
import type { MemoryModel } from '../../src/scenario.ts';
import { Head } from '../engines/gated/layout.ts';
import { OPERATIONS, type Trace } from '../engines/trace.ts';
import { namer } from '../torture/result.ts';
import type { Execution, Exploration } from './exploration.ts';
import { type Failure, failureOf } from './failure.ts';
import type { Stacks } from './stacks.ts';

/** A word that a run knows. */
export interface NamedWord {
  readonly addr: number;
  /** As the columns print it. */
  readonly name: string;
  /** Struct and field apart; the field may be empty. */
  readonly struct: string;
  readonly field: string;
  /** Its CPU writes it without the trace seeing that (who it is, what it holds): its value is known where somebody reads it, nowhere else. */
  readonly unseen: boolean;
  /** A CPU accesses it in this run. */
  readonly accessed: boolean;
}

/** A run. */
export interface Recording {
  readonly subject: string;
  readonly cpus: number;
  readonly model: MemoryModel;
  readonly trace: Trace;
  readonly stacks: Stacks;
  /** Memory before the run. */
  readonly memory: Int32Array;
  /** How it failed, and the place before which that was seen: the end of the trace if only there. */
  readonly failure: Failure | undefined;
  readonly failedAt: number;
  readonly name: (addr: number) => string;
  /** The words of the subject, and all others that a CPU accesses, by address. */
  readonly words: ReadonlyMap<number, NamedWord>;
}

/** Whether a record is an access, by the CPU itself. */
export function isAccess(trace: Trace, at: number): boolean {
  const { reads, writes } = OPERATIONS[trace.op(at)]!;
  return reads || writes;
}

/** Memory before the execution that ended last, which was traced and so has not been restored. */
function memoryBefore({ machine, gate: { words, area } }: Exploration): Int32Array {
  const memory = Int32Array.from(machine.words);
  const log = area.undo >>> 2;
  for (let at = words[(area.head + Head.undo) >>> 2]! - 1; at >= 0; at -= 1)
    memory[words[log + 2 * at]!] = words[log + 2 * at + 1]!;
  return memory;
}

function split(name: string): { struct: string; field: string } {
  const [, struct = name, field = ''] = /^(.*?)(?:\.|(?=\+))([+\w[\]]+)$/.exec(name) ?? [];
  return { struct, field };
}

function namedWords(exploration: Exploration, trace: Trace, name: (addr: number) => string): NamedWord[] {
  const { machine, setup, subject, cpus } = exploration;
  const words = new Map<number, NamedWord>();
  const unseen = (addr: number): boolean =>
    Array.from({ length: cpus }, (_, cpu) => addr - machine.areaOf(cpu)).some(
      (inside) => inside >= 0 && inside < CpuArea.nodes,
    );
  for (let at = 0; at < trace.length; at += 1) {
    const addr = trace.addr(at);
    if (isAccess(trace, at))
      words.set(addr, {
        addr,
        name: name(addr),
        ...split(name(addr)),
        unseen: unseen(addr),
        accessed: true,
      });
  }
  for (const lock of subject.layout ? [setup.lock, ...setup.nested] : [])
    for (const { name: field, offset, field: type } of infoOf(subject.layout!).fields)
      for (let at = 0; at < type.count; at += 1) {
        const addr = lock + offset + 4 * at;
        words.set(addr, {
          addr,
          name: name(addr),
          // A scenario's first word is called by its field, a lock's by the lock.
          struct: lock === setup.lock ? subject.name : name(lock),
          field: type.count > 1 ? `${field}[${at}]` : field,
          unseen: false,
          accessed: words.has(addr),
        });
      }
  return [...words.values()].sort((one, other) => one.addr - other.addr);
}

/** The execution that ended last, with all that is known of it. */
export function recordingOf(exploration: Exploration, execution: Execution, model: MemoryModel): Recording {
  const { trace, stacks } = execution;
  const { machine, setup, subject, cpus, gate } = exploration;
  const name = namer(machine, setup, subject);
  const failure = failureOf(exploration, execution);
  const fired = gate.get(Head.firedAt);
  return {
    subject: subject.name,
    cpus,
    model,
    trace,
    stacks,
    memory: memoryBefore(exploration),
    failure,
    failedAt: fired > 0 ? Math.min(fired - 1, trace.length) : trace.length,
    name,
    words: new Map(namedWords(exploration, trace, name).map((word) => [word.addr, word])),
  };
}

/** Nobody knows a word of this name. */
export class UnknownWord extends Error {
  readonly code = 'EUSAGE';
  constructor(message: string) {
    super(message);
    this.name = 'UnknownWord';
  }
}

/** Struct and field in one piece; a word without a field has its place in the struct. */
export function fullName({ struct, field }: Pick<NamedWord, 'struct' | 'field'>): string {
  return field === '' || field.startsWith('+') ? `${struct}${field}` : `${struct}.${field}`;
}

/** All names by which a word goes. */
function namesOf(word: NamedWord): string[] {
  return [word.name, fullName(word), `0x${word.addr.toString(16)}`];
}

/**
 * The word that somebody means.
 * @param text an address (`0x1c40`), a name as the columns print it, a field
 * @throws UnknownWord with the nearest names, or with those that it may be
 */
export async function findWord({ subject, words }: Recording, text: string): Promise<NamedWord> {
  const all = [...words.values()];
  const meant = text.startsWith('lock.') ? `${subject}${text.slice(4)}` : text;
  if (/^0x[0-9a-f]+$/i.test(text)) {
    const word = words.get(Number(text) & ~3);
    if (word) return word;
    throw new UnknownWord(`no CPU accesses a word at ${text} in this run: ${await nearest(all, text)}`);
  }
  const exact = all.find((word) => namesOf(word).includes(meant));
  if (exact) return exact;
  const fields = all.filter(({ field }) => field === text);
  if (fields.length === 1) return fields[0]!;
  if (fields.length > 1)
    throw new UnknownWord(`'${text}' may be ${fields.slice(0, 6).map(fullName).join(', ')}: say which`);
  throw new UnknownWord(`there is no word '${text}' in this run: ${await nearest(all, meant)}`);
}

async function nearest(words: readonly NamedWord[], text: string): Promise<string> {
  const { distance } = await import('fastest-levenshtein');
  const bare = (name: string): string => (text.includes('.') ? name : (name.split('.').at(-1) ?? name));
  const far = (name: string): number => Math.min(distance(name, text), distance(bare(name), text));
  const ranked = words
    .filter(({ unseen }) => !unseen)
    .map((word) =>
      text.startsWith('0x')
        ? { name: `0x${word.addr.toString(16)} (${fullName(word)})`, far: Math.abs(word.addr - Number(text)) }
        : { name: fullName(word), far: far(fullName(word)) },
    )
    .sort((one, other) => one.far - other.far);
  if (ranked.length === 0) return 'it accesses none';
  return `the nearest are ${ranked
    .slice(0, 3)
    .map(({ name }) => name)
    .join(', ')}`;
}

/** Places of the accesses to a word. */
export function accessesTo({ trace }: Recording, addr: number): number[] {
  const places: number[] = [];
  for (let at = 0; at < trace.length; at += 1)
    if (trace.addr(at) === addr && isAccess(trace, at)) places.push(at);
  return places;
}
