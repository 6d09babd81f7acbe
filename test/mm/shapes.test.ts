/** Shapes of will-it-scale: each loop counts what it does and leaves the model whole, as threads and as processes; a kernel that does something else is noticed; the CSV is theirs. */
import * as assert from 'uvu/assert';
import { runCrew } from '../../bench/crew.ts';
import { futexBytes } from '../../bench/mm/futex.ts';
import { type ScalePoint, scale } from '../../bench/mm/scale.ts';
import { scaledCsv, scaledRows, scaledText } from '../../bench/mm/scaled.ts';
import { SHAPE_HEAP, SHAPE_PAGES, SHAPES } from '../../bench/mm/shapes.ts';
import { createMachine } from '../../src/memory/index.ts';
import type { KernelEnv } from '../../src/mm/create.ts';
import { modelBytes, placeModel, useModel } from '../../src/mm/model.ts';
import { quiescent } from '../../src/mm/oracles/index.ts';
import { PAGE_SIZE } from '../../src/mm/pte.ts';
import { mmSpec } from '../../src/mm/spec.ts';
import { Mm } from '../../src/mm/structs.ts';
import type { FutexAnswer, FutexOrders } from '../fixtures/mm/futex-cpu.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('mm shapes');

const SPEC = mmSpec({
  frames: 512,
  pteChains: 512,
  files: 1,
  filePages: SHAPE_PAGES,
  swapPages: 8,
  chains: 64,
  anonVmas: 32,
  vmas: 32,
});

/** A task on a CPU of its own. */
function taskOf(name: string, modules: KernelEnv['modules'] = {}) {
  const machine = createMachine({ cpus: 1, bytes: modelBytes(SPEC, 1) + futexBytes(1) + 2 ** 18 });
  const placed = placeModel(machine, SPEC);
  const futexes = machine.alloc(futexBytes(1));
  const cpu = machine.attach(0, { seed: 1 });
  const { isa } = cpu;
  const k = useModel({ isa, cpu }, placed, { modules });
  const mm = k.mms.create();
  isa.write(mm + Mm.start_brk, SHAPE_HEAP);
  isa.write(mm + Mm.brk, SHAPE_HEAP);
  const turn = SHAPES[name]!.task({ k, mm, file: k.pageCache.create(SHAPE_PAGES), futexes });
  /** One turn, ended after so many iterations. @returns how many there were */
  const run = (most = Number.POSITIVE_INFINITY): number => {
    let count = 0;
    turn(() => {
      count += 1;
      return count < most;
    });
    return count;
  };
  return { k, mm, run };
}

const ITERATIONS: Readonly<Record<string, number>> = { pages: SHAPE_PAGES, mappings: 1 };

// Most of the time goes into starting CPUs, so they take turns.
const some = inTurn(test, 3);
for (const [name, { unit }] of Object.entries(SHAPES))
  some(`${name}: counts what it does, and gives back what it took`, () => {
    const { k, mm, run } = taskOf(name);
    const each = ITERATIONS[unit] ?? (name.startsWith('brk') ? 2 : 1);
    assert.is(run(), each);
    const { isa, pageAlloc } = k;
    const [total, brk, rss] = [Mm.total_vm, Mm.brk, Mm.rss].map((at) => isa.read(mm + at));
    k.lru.drain();
    const free = pageAlloc.freePages();
    for (let left = 3; left > 0; left -= 1) assert.is(run(), each);
    // Told to stop, it clears up first.
    assert.is(run(1), each === SHAPE_PAGES ? 1 : each);
    k.lru.drain();
    assert.equal(
      [Mm.total_vm, Mm.brk, Mm.rss].map((at) => isa.read(mm + at)),
      [total, brk, rss],
    );
    assert.is(pageAlloc.freePages(), free);
    assert.equal(quiescent(k), []);
  });

test('a kernel that drops no page, or maps where nothing may be, is noticed by what reads see', () => {
  const keeps: KernelEnv['modules'] = {
    maps: (k, original) => ({ ...(original(k) as ReturnType<typeof original>), madviseDontneed: () => 0 }),
  };
  assert.throws(() => taskOf('tlb_flush2', keeps).run(), /a read saw 1 where 0 was due/);
  assert.is(taskOf('tlb_flush3', keeps).run(), SHAPE_PAGES);
  const refuses: KernelEnv['modules'] = {
    maps: (k, original) => ({ ...(original(k) as ReturnType<typeof original>), munmap: () => -22 }),
  };
  assert.throws(() => taskOf('mmap1', refuses).run(), /a system call failed: -22/);
});

test('a futex: who sleeps is woken by the page of the file, wherever it is mapped, and by nobody else', async () => {
  const rounds = 200;
  const machine = createMachine({ cpus: 2, bytes: modelBytes(SPEC, 2) + futexBytes(2) + 2 ** 18 });
  const answers = await runCrew<FutexOrders, FutexAnswer>({
    machine,
    args: {
      spec: SPEC,
      model: machine.alloc(modelBytes(SPEC, 2)),
      futexes: machine.alloc(futexBytes(2)),
      board: machine.alloc(256),
      rounds,
    },
    job: {
      module: new URL(
        `../fixtures/mm/futex-cpu${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
        import.meta.url,
      ).href,
      name: 'futexCpu',
    },
    engine: 'wasm',
  });
  for (const { slept, woke, apart, late, left, wrong } of answers)
    assert.equal(
      { slept, woke, apart, late, left, wrong },
      { slept: rounds / 2, woke: rounds / 2, apart: 0, late: -11, left: 0, wrong: [] },
    );
});

inTurn(test, 2)(
  'as threads and as processes, under several regimes: no oracle has anything to say',
  async () => {
    const quick = { cpus: [2], rounds: 1, warmup: 4, window: 4 };
    for (const [shape, regime] of [
      ['page_fault1', 'A4'],
      ['tlb_flush1', 'vma-ptl'],
    ] as const) {
      const [point] = await scale({ shape, regime, ...quick });
      for (const tasks of ['threads', 'processes'] as const) {
        const result = point![tasks];
        assert.ok('found' in result, `${shape}, ${tasks}, ${regime}: ${JSON.stringify(result)}`);
        if ('found' in result) {
          assert.is(result.found.rates.length, 1);
          assert.is(result.found.shares.length, 2);
          assert.ok(result.found.idle >= 0 && result.found.idle <= 100);
        }
      }
    }
  },
);

const PLANTED = {
  module: new URL(
    `../fixtures/mm/scale-cpu${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
    import.meta.url,
  ).href,
  name: 'plantedCpu',
};

test('a task that damages the model, that fails or never ends is a problem, and of no figure; threads share an address space', async () => {
  const resultsOf = async (shape: string, patience = 60_000) => {
    const how = { regime: 'A4', cpus: [2], rounds: 1, warmup: 1, window: 1, job: PLANTED, patience };
    const [point] = await scale({ shape, ...how });
    return [point!.threads, point!.processes];
  };
  for (const result of await resultsOf('damages'))
    assert.match('problem' in result ? result.problem : 'none', /^O-RSS: /);
  for (const result of await resultsOf('fails')) assert.equal(result, { problem: 'as planted' });
  for (const result of await resultsOf('never ends', 1500))
    assert.equal(result, { problem: 'tasks did not come to rest within 1.5 s', stalled: true });
  assert.equal(await resultsOf('spaces'), [{ problem: '1 address spaces' }, { problem: '2 address spaces' }]);
});

test('what a shape came to: a row for each number of tasks, a table, and the CSV of will-it-scale', () => {
  const found = (...rates: number[]) => ({ found: { rates, shares: [3, 1], idle: 12.345 } });
  const points: ScalePoint[] = [
    { tasks: 1, processes: found(100, 110, 90), threads: found(120, 130, 110) },
    { tasks: 2, processes: found(210, 200, 190), threads: { problem: 'O-RSS: 3 where 4 are' } },
  ];
  assert.is(
    scaledCsv(points),
    'tasks,processes,processes_idle,threads,threads_idle,linear\n0,0,100,0,100,0\n1,100,12.35,120,12.35,120\n2,200,12.35,-1,0.00,240\n',
  );
  const [one, two] = scaledRows('brk1', points);
  assert.is(one!.figures['threads by processes']!.value, 1.2);
  assert.is(one!.problem, undefined);
  assert.is(two!.figures['processes by one']!.value, 2.1);
  assert.is(two!.problem, 'threads: O-RSS: 3 where 4 are');
  assert.is(two!.parties.processes!.jain, 0.8);
  const text = scaledText('brk1', [one!, two!]);
  assert.match(text, /^brk1: brk increase\/decrease of one page; calls a second\n/);
  assert.match(text, /\nbrk1, 2 tasks: threads: O-RSS: 3 where 4 are$/);
  assert.is(text.includes('Infinity') || text.includes('NaN'), false);
});

test('pages of a mapping fit beside each other as often as there may be CPUs', () => {
  assert.ok(32 * SHAPE_PAGES * PAGE_SIZE < 0xc00000 && 33 * PAGE_SIZE + SHAPE_HEAP < 0x400000);
});

test.run();
