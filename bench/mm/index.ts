/**
 * The mm model: what its operations cost, and the figures that the threads of 2004 and 2010 argued with.
 *
 *   fault                one anonymous write fault that nobody is in the way of: accesses, and time an access
 *   faults, 2 CPUs       in separate address spaces; and against a mapper in one
 *   page_lock_anon_vma   read-modify-writes and time of each form
 *   rmap                 time of fork and exit that is reverse mapping's: what is left of it without what a kernel takes whose reverse mapping records nothing
 *   mlock                what it takes to reclaim a page while others are mlocked, by design
 *   truncate             how long i_mmap_lock is held while a file becomes empty that many vmas map, by design
 *   isolation            pages of drivers that scanners isolate a second, alone and two at a time
 *   high order           high-order allocations that succeed: before compaction, without drivers' pages, and with them
 *   regimes              operations of a mix a second, by who takes what and how many CPUs
 */
import { MLOCK_DESIGNS, type MlockName } from '../../src/mm/mlock/index.ts';
import { TRUNCATE_DESIGNS, type TruncateName } from '../../src/mm/truncate/rules.ts';
import { ANON_VMA_FORMS, type AnonVmaFormName } from '../../src/mm/variants/page-lock-anon-vma/forms.ts';
import type { Printed } from '../extras.ts';
import type { Surroundings } from '../section.ts';
import { exactly, type Figure, figureOf, ratioOf } from '../stats.ts';
import { columns, rate } from '../table.ts';
import { HIGH_ORDER } from './compaction.ts';
import { highOrders, isolation, SCANNERS } from './moving.ts';
import { type Figures, fixed, row } from './rows.ts';
import { RMAP_DESIGNS, type RmapName, type TaskOf } from './tasks.ts';
import { firstOfTurn, ratesOfTurn, takeTogether } from './together.ts';
import { type Holds, truncateHolds } from './truncation.ts';
import { type Taken, takeTasks } from './turns.ts';

/** Regimes whose throughput is compared: sound ones, one of each way to lock. */
export const BENCHED_REGIMES = ['L', 'N03', 'A4', 'HU', 'AM', 'vma-ptl'] as const;
/** Of truncation. */
const DESIGNS = Object.keys(TRUNCATE_DESIGNS) as TruncateName[];
/** The same loops by system calls of the machine, two cores of a Xeon at 2.5 GHz: printed beside, and not measured here. */
const NATIVE = { scale: '2.07 ×', alone: '2,176 ns', mapper: '4,118 ns' } as const;

/** The names of all rows. */
export const MM_ROWS: readonly string[] = [
  'fault',
  'faults apart',
  'faults against a mapper',
  ...Object.keys(ANON_VMA_FORMS).map((form) => `page_lock_anon_vma: ${form}`),
  ...Object.keys(RMAP_DESIGNS).map((design) => `rmap: ${design}`),
  ...Object.keys(MLOCK_DESIGNS).map((design) => `mlock: ${design}`),
  ...DESIGNS.map((design) => `truncate: ${design}`),
  ...Object.keys(SCANNERS).map((how) => `isolation: ${how}`),
  ...HIGH_ORDER.map((name) => `high order: ${name}`),
  ...BENCHED_REGIMES.map((regime) => `regime: ${regime}`),
];

const counted = (taken: Taken, each: string): Figures =>
  Object.fromEntries(
    Object.entries(taken.counted[each] ?? {}).map(([name, value]) => [name, exactly(value)]),
  );
const over = (samples: readonly number[], by: number): number[] => samples.map((each) => each / by);
async function tasks(around: Surroundings, what: string, of: readonly TaskOf[]): Promise<Taken[]> {
  around.progress(`mm: ${what}`);
  const { rounds, warmup } = around.budget.mm;
  return takeTasks(of, { rounds, warmup, signal: around.signal });
}

/** Runs a task for each of a list. @returns what was taken of one */
async function byName<Name extends string>(
  around: Surroundings,
  what: string,
  names: readonly Name[],
  taskOf: (name: Name) => TaskOf,
): Promise<(name: Name) => Taken> {
  const taken = await tasks(around, what, names.map(taskOf));
  return (name) => taken[names.indexOf(name)]!;
}

async function fault(around: Surroundings): Promise<Printed> {
  const [taken] = await tasks(around, 'fault', [{ task: 'fault' }]);
  const figures = counted(taken!, 'fault');
  const ns = taken!.ns.fault ?? [];
  const mean = figures['accesses, mean']?.value ?? Number.NaN;
  const all: Figures = { ...figures, ns: figureOf(ns), 'ns an access': figureOf(over(ns, mean)) };
  const text = [
    'One anonymous write fault, nobody in the way: lookup, walk, allocation, 16 words of zeroes, reverse mapping, LRU, counters. What is done in batches',
    '(a table, a pageset, a pagevec) falls on every fourth to sixteenth fault: most have the median of accesses, time is by the mean.',
    columns(
      ['', 'accesses', 'mean', 'most', 'ns', 'ns an access'],
      [
        [
          'fault',
          fixed(all.accesses),
          fixed(all['accesses, mean'], 1),
          fixed(all['accesses, most']),
          fixed(all.ns),
          fixed(all['ns an access'], 1),
        ],
      ],
    ),
  ];
  return { rows: [row('fault', all, taken!.problem)], text: text.join('\n') };
}

async function two(around: Surroundings): Promise<Printed> {
  const { rounds, warmup, window } = around.budget.mm;
  const how = { regime: 'A4', turns: [1, 2], rounds, warmup, window, signal: around.signal };
  around.progress('mm: faults, 2 CPUs');
  const [one, both] = (await takeTogether({ what: 'apart', ...how })).map(ratesOfTurn);
  const [alone, against] = (await takeTogether({ what: 'mapper', ...how })).map(firstOfTurn);
  const apart = {
    '1 CPU, faults/s': figureOf(one!),
    '2 CPUs, faults/s': figureOf(both!),
    scale: ratioOf(both!, one!),
  };
  const mapper = {
    'alone, ns': figureOf(alone!),
    'against a mapper, ns': figureOf(against!),
    slower: ratioOf(against!, alone!),
  };
  const text = [
    'Faults of two CPUs (regime A4). Native, for scale: such loops by system calls, two cores of a Xeon at 2.5 GHz.',
    columns(
      ['', '1 CPU', '2 CPUs', 'ratio', 'native'],
      [
        [
          'separate address spaces, faults/s',
          rate(apart['1 CPU, faults/s'].value),
          rate(apart['2 CPUs, faults/s'].value),
          `${fixed(apart.scale, 2)} ×`,
          NATIVE.scale,
        ],
        [
          'one, against mmap and munmap, ns a fault',
          fixed(mapper['alone, ns']),
          fixed(mapper['against a mapper, ns']),
          `${fixed(mapper.slower, 2)} ×`,
          `${NATIVE.alone} → ${NATIVE.mapper}`,
        ],
      ],
    ),
  ];
  return {
    rows: [row('faults apart', apart), row('faults against a mapper', mapper)],
    text: text.join('\n'),
  };
}

async function pageLock(around: Surroundings): Promise<Printed> {
  const forms = Object.keys(ANON_VMA_FORMS) as AnonVmaFormName[];
  const each = 'enter and leave';
  const of = await byName(around, 'page_lock_anon_vma', forms, (form) => ({ task: 'page-lock', form }));
  const nsOf = (form: AnonVmaFormName): readonly number[] => of(form).ns[each] ?? [];
  const rows = forms.map((form) => {
    // The fast path is held against the form that it came from: before 13/13, and with the second look at the page.
    const before = form === 'page-mapped' ? 'get-recheck-and-lock' : 'get-and-lock';
    const figures: Figures = { ...counted(of(form), each), ns: figureOf(nsOf(form)) };
    if (form !== before && form !== 'get-recheck-and-lock')
      figures['by get+lock'] = ratioOf(nsOf(form), nsOf(before));
    return row(`page_lock_anon_vma: ${form}`, figures, of(form).problem);
  });
  const lines = rows.map(({ name, figures }) => [
    name.split(': ')[1]!,
    fixed(figures['RMWs to enter']),
    fixed(figures['RMWs to leave']),
    fixed(figures.accesses),
    fixed(figures.ns, 1),
    figures['by get+lock'] ? `${fixed(figures['by get+lock'], 2)} ×` : '',
  ]);
  const head =
    'page_lock_anon_vma and its unlock, of a page that is mapped. get+lock is the series before 13/13; of page-mapped, the same with its second look.';
  return {
    rows,
    text: `${head}\n${columns(['form', 'RMWs to enter', 'to leave', 'accesses', 'ns', 'by get+lock'], lines)}`,
  };
}

async function rmap(around: Surroundings): Promise<Printed> {
  const designs = Object.keys(RMAP_DESIGNS) as RmapName[];
  const each = 'fork and exit';
  const of = await byName(around, 'fork and exit', designs, (design) => ({ task: 'fork', design }));
  const nsOf = (design: RmapName): readonly number[] => of(design).ns[each] ?? [];
  const accessesOf = (design: RmapName): number => of(design).counted[each]?.accesses ?? Number.NaN;
  const share = (design: RmapName): number[] =>
    nsOf(design).map((ns, round) => ns - (nsOf('none')[round] ?? Number.NaN));
  const rows = designs.map((design) => {
    const figures: Figures = {
      ns: figureOf(nsOf(design)),
      accesses: exactly(accessesOf(design)),
      'ns in rmap': figureOf(share(design)),
      'accesses in rmap': exactly(accessesOf(design) - accessesOf('none')),
    };
    if (design !== 'pte_chain' && design !== 'none') {
      const chain = figureOf(share('pte_chain')).value;
      figures['time in rmap by pte_chain'] = {
        value: figureOf(share(design)).value / chain,
        low: figureOf(share(design)).low / chain,
        high: figureOf(share(design)).high / chain,
      };
      figures['accesses in rmap by pte_chain'] = exactly(
        (accessesOf(design) - accessesOf('none')) / (accessesOf('pte_chain') - accessesOf('none')),
      );
    }
    return row(`rmap: ${design}`, figures, of(design).problem);
  });
  const lines = rows.map(({ name, figures }) => [
    name.slice('rmap: '.length),
    fixed(figures.ns),
    fixed(figures.accesses),
    fixed(figures['ns in rmap']),
    fixed(figures['accesses in rmap']),
    fixed(figures['time in rmap by pte_chain'], 2),
    fixed(figures['accesses in rmap by pte_chain'], 2),
  ]);
  const text = [
    'fork and exit of six vmas of 24 pages, two anonymous and four of a file. In rmap: more than a kernel takes whose reverse mapping counts entries and records nothing.',
    columns(
      ['design', 'ns', 'accesses', 'ns in rmap', 'accesses in rmap', 'time by pte_chain', 'accesses by it'],
      lines,
    ),
  ];
  return { rows, text: text.join('\n') };
}

async function mlock(around: Surroundings): Promise<Printed> {
  const designs = Object.keys(MLOCK_DESIGNS) as MlockName[];
  const { shares } = around.budget.mm;
  const of = await byName(around, 'mlock', designs, (design) => ({ task: 'scan', design, shares }));
  const rows = designs.map((design) => {
    const figures: Figures = {};
    for (const share of shares) {
      figures[`ns at ${share} %`] = figureOf(of(design).ns[share] ?? []);
      figures[`accesses at ${share} %`] = exactly(of(design).counted[share]?.accesses ?? Number.NaN);
    }
    return row(`mlock: ${design}`, figures, of(design).problem);
  });
  const lines = rows.map(({ name, figures, problem }) => [
    name.slice('mlock: '.length),
    ...shares.map((share) => fixed(figures[`accesses at ${share} %`])),
    ...shares.map((share) => (problem === undefined ? fixed(figures[`ns at ${share} %`]) : '-')),
  ]);
  const text = [
    'Reclaim, per page that it frees, as the share of pages grows that are mlocked: accesses, and ns.',
    columns(
      ['design', ...shares.map((share) => `${share} %`), ...shares.map((share) => `ns at ${share} %`)],
      lines,
    ),
    ...rows.flatMap(({ name, problem }) => (problem === undefined ? [] : [`${name}: ${problem}`])),
  ];
  return { rows, text: text.join('\n') };
}

async function truncation(around: Surroundings): Promise<Printed> {
  const { times, ...file } = around.budget.mm.truncated;
  const taken = new Map<TruncateName, Holds[]>(DESIGNS.map((design) => [design, []]));
  for (let time = 0; time < times; time += 1)
    for (const design of DESIGNS) {
      around.progress(`mm: truncation, ${design}`);
      around.signal?.throwIfAborted();
      taken.get(design)!.push(truncateHolds(design, file));
    }
  const longest = (design: TruncateName): number[] => taken.get(design)!.map(({ holds }) => holds.at(-1)!);
  const before = longest('trunc3');
  const rows = DESIGNS.map((design) => {
    const each = taken.get(design)!;
    const [{ holds, walked, zapped }] = each as [Holds];
    return row(`truncate: ${design}`, {
      'longest hold, ns': figureOf(longest(design)),
      'hold, p99, ns': figureOf(each.map((one) => one.holds[Math.floor(one.holds.length * 0.99)]!)),
      holds: exactly(holds.length),
      'walked by zapped': exactly(walked / zapped),
      'trunc3 by this': ratioOf(before, longest(design)),
    });
  });
  const us = (figure: Figure | undefined): string =>
    fixed(figure && { ...figure, value: figure.value / 1000 }, 1);
  const lines = rows.map(({ name, figures }) => [
    name.slice('truncate: '.length),
    us(figures['longest hold, ns']),
    us(figures['hold, p99, ns']),
    fixed(figures.holds),
    fixed(figures['walked by zapped'], 2),
    fixed(figures['trunc3 by this'], 0),
  ]);
  const head = `A file becomes empty that ${file.vmas} vmas map, each of its ${file.pages} pages present in all of them, while i_mmap_lock is wanted. How long it is held, in us; pages gone over by pages that go.`;
  return {
    rows,
    text: `${head}\n${columns(['design', 'longest', 'p99', 'holds', 'walked', 'trunc3 ×'], lines)}`,
  };
}

async function regimes(around: Surroundings): Promise<Printed> {
  const { sweeps, rounds, warmup, window, cpus: turns } = around.budget.mm;
  const rates = new Map<string, number[][]>(
    BENCHED_REGIMES.map((name) => [name, turns.map((): number[] => [])]),
  );
  // Threads are new for each regime, so regimes take turns by the sweep.
  for (let sweep = 0; sweep < sweeps; sweep += 1)
    for (const regime of BENCHED_REGIMES) {
      around.progress(`mm: regime ${regime}`);
      const some = Math.max(1, Math.ceil(rounds / (4 * sweeps)));
      const how = { what: 'mix', regime, turns, rounds: some, window, signal: around.signal } as const;
      const taken = await takeTogether({ ...how, warmup: Math.ceil(warmup / 4) });
      for (const [at, samples] of taken.entries()) rates.get(regime)![at]!.push(...ratesOfTurn(samples));
    }
  const first = rates.get(BENCHED_REGIMES[0])!;
  const rows = BENCHED_REGIMES.map((name) => {
    const figures: Figures = {};
    for (const [at, cpus] of turns.entries()) {
      const mine = rates.get(name)![at]!;
      figures[`${cpus} CPUs, operations/s`] = figureOf(mine);
      figures[`${cpus} CPUs, by ${BENCHED_REGIMES[0]}`] = ratioOf(mine, first[at]!);
    }
    return row(`regime: ${name}`, figures);
  });
  const lines = rows.map(({ name, figures }) => [
    name.slice('regime: '.length),
    ...turns.flatMap((cpus) => [
      rate(figures[`${cpus} CPUs, operations/s`]!.value),
      fixed(figures[`${cpus} CPUs, by ${BENCHED_REGIMES[0]}`], 2),
    ]),
  ]);
  const head =
    'One address space: 17 of 20 operations write to a page, 2 map and unmap, 1 reclaims. Operations a second, and by the first regime.';
  const cores = `${around.cores} cores: more CPUs than that take turns on them.`;
  return {
    rows,
    text: `${head} ${cores}\n${columns(['regime', ...turns.flatMap((cpus) => [cpus === 1 ? '1 CPU' : `${cpus} CPUs`, '×'])], lines)}`,
  };
}

/** The section of the benchmark. */
export async function mm(around: Surroundings): Promise<Printed> {
  const parts: Printed[] = [];
  for (const part of [fault, two, pageLock, rmap, mlock, truncation, isolation, highOrders, regimes]) {
    around.signal?.throwIfAborted();
    parts.push(await part(around));
  }
  return { rows: parts.flatMap(({ rows }) => rows), text: parts.map(({ text }) => text).join('\n\n') };
}
