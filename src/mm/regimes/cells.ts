/**
 * Cells of the table of regimes: one reader of vmas against one writer, under one regime.
 *
 * The table is Hugh Dickins's, of 26 March 2004 ("230-objrmap fixes for 2.6.3-mjb2"): in whose tree is it safe that swapout and swapoff look at vmas while somebody changes them? Each cell is a
 * scenario of two CPUs in one address space. What the reader and the writer do comes from readers.ts and writers.ts, the locks from the regime; nothing here knows what should come out.
 *
 *   pages  2        mapped by vma_link: the first vma of all, whose insertion turns the tree
 *          3, 4     a vma that takes over what is mapped next to it
 *          5 - 7    free: mapped in between, or what the stack grows into
 *          8, 9     the vma that both work on; the reader is about page 9
 *          10       a neighbour below the same page table
 *          20       one that begins behind them
 *
 * What is judged, besides the detectors and the oracles of the model: a look-up of the reader returns the vma that it would before the writer or after it (O-LIN). The look-ups of the CPU that reads are
 * noted where they differ from the first, in words that nobody else writes, so noting them orders nothing.
 */
import type { Addr } from '../../arch/index.ts';
import type { ScenarioDefinition } from '../../scenario.ts';
import type { KernelEnv } from '../create.ts';
import { refile } from '../mlock/refile.ts';
import { PAGE_SHIFT } from '../pte.ts';
import { REGIMES, type Regime, regimeByName } from '../regime.ts';
import { defineMmScenario, type MmContext } from '../scenario.ts';
import type { MmSpec } from '../spec.ts';
import { Mm } from '../structs.ts';
import { uncheckedStack } from '../variants/stack/unchecked.ts';
import { Cell, firstBehind, TARGET } from './place.ts';
import { READERS, type Reader, readerByName } from './readers.ts';
import { WRITERS, type Writer, writerByName } from './writers.ts';

export { READERS, type Reader, readerByName } from './readers.ts';
export { WRITERS, type Writer, writerByName } from './writers.ts';

/** As small as the operations allow: an execution is judged by a count of all of it. */
export const CELL_SPEC: Partial<MmSpec> = {
  frames: 12,
  mms: 1,
  vmas: 6,
  anonVmas: 3,
  chains: 6,
  pteChains: 4,
  files: 1,
  filePages: 7,
  swapPages: 2,
};

/** The CPU that reads, and the one that writes. */
export const READING = 0;
export const WRITING = 1;

const PREFIX = 'mm/regimes/';

/**
 * Pages that are locked in memory are those of their time, no different from others, and a tree that there was grows stacks as it did. And what the reader's look-ups of its page return is noted where it is not what they returned before the
 * writer began.
 */
const modules = (note: Addr, { proposed }: Regime): KernelEnv['modules'] => ({
  mlock: (k) => refile(k),
  ...(proposed ? {} : { stack: (k) => uncheckedStack(k) }),
  vmaTree(k, original) {
    const tree = original(k);
    if (k.cpu.id !== READING) return tree;
    return {
      ...tree,
      findVma(mm, address) {
        const { isa } = k;
        const vma = tree.findVma(mm, address);
        if (address >>> PAGE_SHIFT !== TARGET || vma === isa.read(note + Cell.before)) return vma;
        isa.write(note + Cell.looked, 1);
        if (isa.read(note + Cell.other) === 0) isa.write(note + Cell.other, vma);
        else if (isa.read(note + Cell.other) !== vma) isa.write(note + Cell.another, vma);
        return vma;
      },
    };
  },
});

/** What is wrong with the reader's look-ups, if anything. */
function lookups({ k, note, mm }: MmContext): string | undefined {
  const { isa, slabs } = k;
  if (isa.read(note + Cell.looked) === 0) return undefined;
  const name = (vma: Addr): string => (vma === 0 ? 'none' : `vm_area_struct#${slabs.vmas.indexOf(vma)}`);
  const [before, after] = [isa.read(note + Cell.before), firstBehind(k, mm, TARGET)];
  for (const word of [Cell.other, Cell.another]) {
    const found = isa.read(note + word);
    if (word === Cell.another && found === 0) continue;
    if (found !== before && found !== after)
      return `O-LIN: find_vma of page ${TARGET} returned ${name(found)}; before the change it is ${name(before)}, after it ${name(after)}`;
  }
  return undefined;
}

/** The scenario of a cell. */
export function cell(regime: Regime, reader: Reader, writer: Writer): ScenarioDefinition {
  return defineMmScenario({
    name: `${PREFIX}${regime.name}/${reader.name}/${writer.name}`,
    regime,
    spec: CELL_SPEC,
    modules: (note) => modules(note, regime),
    init({ k, note }) {
      const { isa } = k;
      const mm = k.mms.create();
      const context = { k, note, mm };
      const victim = reader.target(context, writer.target);
      isa.write(note + Cell.flags, victim.flags);
      isa.write(note + Cell.file, victim.file);
      writer.map(context, victim);
      reader.prepare(context);
      k.lru.drain();
      isa.writeOnce(mm + Mm.mmap_cache, 0);
      isa.write(note + Cell.before, firstBehind(k, mm, TARGET));
      for (const word of [Cell.looked, Cell.other, Cell.another]) isa.write(note + word, 0);
      return mm;
    },
    actors: [
      (context) => context.k.isa.write(context.note + Cell.read, reader.act(context)),
      (context) => context.k.isa.write(context.note + Cell.wrote, writer.act(context)),
    ],
    check(context) {
      const { k, note } = context;
      return (
        lookups(context) ??
        reader.check(context, k.isa.read(note + Cell.read), writer) ??
        writer.check(context, k.isa.read(note + Cell.wrote))
      );
    },
  }) as ScenarioDefinition;
}

/** The parts of a cell's name; undefined: it is none. */
export function cellParts(
  name: string,
): { readonly regime: Regime; readonly reader: Reader; readonly writer: Writer } | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const [regime = '', reader = '', writer = '', ...more] = name.slice(PREFIX.length).split('/');
  const parts = { regime: regimeByName(regime), reader: readerByName(reader), writer: writerByName(writer) };
  if (more.length > 0 || !parts.regime || !parts.reader || !parts.writer) return undefined;
  return parts as ReturnType<typeof cellParts>;
}

/** The scenario of a name such as `mm/regimes/J1/unuse/vma_merge`; undefined: there is none. */
export function cellByName(name: string): ScenarioDefinition | undefined {
  const parts = cellParts(name);
  return parts && cell(parts.regime, parts.reader, parts.writer);
}

/** The names of all cells. */
export function cellNames(): string[] {
  return REGIMES.flatMap((regime) =>
    READERS.flatMap((reader) =>
      WRITERS.map((writer) => `${PREFIX}${regime.name}/${reader.name}/${writer.name}`),
    ),
  );
}
