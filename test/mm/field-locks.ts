/** docs/field-locks.md, as guards.ts and lock-order.ts say it. Run by itself it prints the page. */
import { fileURLToPath } from 'node:url';
import { guardsOf, guardTable, nameOf } from '../../src/memory/index.ts';
import { DISCIPLINES, type Discipline, GUARDED, NOTES } from '../../src/mm/guards.ts';
import { ERAS, type Era } from '../../src/mm/lock-order.ts';

const HOLDS: Readonly<Record<Discipline['vmas'], readonly [reader: string, writer: string]>> = {
  either: ['`mmap_sem` (read) or `page_table_lock`', '`mmap_sem` and `page_table_lock`'],
  mmap_sem: ['`mmap_sem` (read)', '`mmap_sem`'],
};

const HEAD = `# Which lock protects which field

This page is made from the guard declarations in [src/mm/guards.ts](../src/mm/guards.ts) and the lock orders in [src/mm/lock-order.ts](../src/mm/lock-order.ts); a test keeps it true. It is
for who works on the mm model, or holds a kernel's trees against it.

A _regime_ is one tree's answer to the question of March 2004: may a reader of the vmas choose between \`mmap_sem\` and \`page_table_lock\`? [src/mm/regime.ts](../src/mm/regime.ts) says what
each path of each tree takes. Here stands what its fields are meant to be protected by. A tree that does not keep to its own discipline is listed with the paths that do not.

Paths begin at the object: \`vm_mm.mmap_sem\` is the \`mmap_sem\` of the address space that \`vm_mm\` points to. \`lru_lock\`, \`zone_lock\`, \`swap_lock\`, \`swap_tree_lock\` and \`mmlist_lock\` are of no
object. A lock is held exclusively unless _(read)_ stands behind it. _Atomic access_ is by marked reads and writes and by read-modify-writes, without a lock. Of a field that is _not stated_ nothing is declared.`;

function regimes(): string[] {
  const rows = DISCIPLINES.map(({ regime, vmas, anon, against }) => {
    const [reader, writer] = HOLDS[vmas];
    return `| ${regime} | ${reader} | ${writer} | ${anon} | ${against} |`;
  });
  return [
    '## Who protects the vmas',
    '',
    '| regime | who reads vmas holds | who changes them holds | anonymous pages by | what does not keep to it |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ];
}

/** Regimes in which a struct is protected alike, in order of the first. */
function alike(layout: object): string[][] {
  const groups = new Map<string, string[]>();
  for (const { regime } of DISCIPLINES) {
    const guards = guardsOf(layout, regime);
    if (guards) groups.set(JSON.stringify(guards), [...(groups.get(JSON.stringify(guards)) ?? []), regime]);
  }
  return [...groups.values()];
}

function struct(layout: object): string[] {
  const name = nameOf(layout);
  const notes = (NOTES[name] ?? []).map((note) => `- ${note}`);
  const tables = alike(layout).flatMap((group) => {
    const title = group.length === DISCIPLINES.length ? 'all regimes' : group.join(', ');
    const [, ...lines] = guardTable([layout], group[0]).split('\n');
    return lines.every((line) => !line.startsWith('| `') || line.endsWith('| not stated | not stated |'))
      ? []
      : [`### ${name}: ${title}`, ...lines];
  });
  return [`## struct ${name}`, '', ...notes, ...(notes.length > 0 ? [''] : []), ...tables];
}

function era({ name, of, chains, tried, notes }: Era): string[] {
  return [
    `### ${name}: ${of}`,
    '',
    '```text',
    ...chains.map((chain) => chain.join(' → ')),
    '```',
    '',
    ...tried.map(({ held, wants, why }) => `- \`${wants}\` is only tried for with \`${held}\` held: ${why}.`),
    ...notes.map((note) => `- ${note}`),
    ...(tried.length + notes.length > 0 ? [''] : []),
  ];
}

/** The lines of the page. */
export function fieldLocks(): string[] {
  return [
    ...HEAD.split('\n'),
    '',
    ...regimes(),
    ...GUARDED.flatMap(struct),
    '## The order of locks',
    '',
    'Outer to inner, era by era; what follows from several chains together counts, too.',
    '',
    '`lockrig hunt` holds scenarios over the model to the order of their regime: that of 2.6.7 for AM and those with a page_table_lock a vma, that of 2.6.5 for the others. `era` of `defineMmScenario` names another, or none.',
    '',
    ...ERAS.flatMap(era),
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(fieldLocks().join('\n').trimEnd());
