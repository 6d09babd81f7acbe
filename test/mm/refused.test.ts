/**
 * What the kernel refuses: bad addresses, lengths, flags and files by EINVAL, with not a word of the model changed; a copy that no memory is left for, with the page of the writer still there; and what
 * a scenario or a workload over the model states that the model does not have, where it is defined.
 */
import * as assert from 'uvu/assert';
import { hunt } from '../../harness/index.ts';
import { ParameterError } from '../../harness/torture/params.ts';
import { settled } from '../../harness/torture/workload.ts';
import { ScenarioDefinitionError } from '../../src/index.ts';
import {
  defineMmScenario,
  defineMmWorkload,
  ERRNO,
  type Kernel,
  PAGE_SIZE,
  quiescent,
  REGIMES,
  regimeByName,
  T0,
  TASK_SIZE,
  VM,
  VM_FAULT_OOM,
} from '../../src/mm/index.ts';
import { all } from '../../src/mm/workloads/index.ts';
import { forgetful } from '../fixtures/mm/forgetful.ts';
import { oneCpu } from '../fixtures/mm/workload.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('mm: what is refused');
const { EINVAL } = ERRNO;
const BASE = 0x400000;
const FORGETFUL = new URL('../fixtures/mm/forgetful.js', import.meta.url).href;
const RW = VM.READ | VM.WRITE;
const LENGTHS = [
  0,
  -1,
  0.5,
  PAGE_SIZE + 0.5,
  TASK_SIZE,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 32 + PAGE_SIZE,
  Number.POSITIVE_INFINITY,
  Number.NaN,
];
const ADDRESSES = [-PAGE_SIZE, 1, BASE + 0.5, TASK_SIZE, 2 ** 32 + BASE, Number.NaN];

/** Every system call with a range, by its name. */
const CALLS: Readonly<Record<string, (k: Kernel, mm: number, at: number, length: number) => number>> = {
  mmap: (k, mm, address, length) => k.maps.mmap(mm, { address, length, flags: RW }),
  munmap: (k, mm, at, length) => k.maps.munmap(mm, at, length),
  mprotect: (k, mm, at, length) => k.maps.mprotect(mm, at, length, VM.READ),
  mlock: (k, mm, at, length) => k.maps.mlock(mm, at, length),
  munlock: (k, mm, at, length) => k.maps.munlock(mm, at, length),
  madvise: (k, mm, at, length) => k.maps.madviseDontneed(mm, at, length),
  'mremap, its old range': (k, mm, at, length) => k.mremap.mremap(mm, at, length, PAGE_SIZE, 1),
  'mremap, its new length': (k, mm, at, length) => k.mremap.mremap(mm, at, PAGE_SIZE, length, 1),
  'mremap, where to': (k, mm, at, length) => k.mremap.mremap(mm, BASE, PAGE_SIZE, length, 1, at || 1),
};

test('bad addresses and lengths are EINVAL, and not a word has changed', () => {
  const { k, machine } = oneCpu({ frames: 32 });
  const mm = k.mms.create();
  k.tlb.load(mm);
  k.maps.mmap(mm, { address: BASE, length: 4 * PAGE_SIZE, flags: RW });
  k.user.userWrite(mm, BASE, 1, 7);
  const before = machine.words.slice();
  for (const [name, call] of Object.entries(CALLS)) {
    for (const length of LENGTHS) assert.is(call(k, mm, BASE, length), -EINVAL, `${name}, length ${length}`);
    for (const at of ADDRESSES) assert.is(call(k, mm, at, PAGE_SIZE), -EINVAL, `${name}, address ${at}`);
  }
  assert.equal(machine.words.slice(), before);
  const file = k.pageCache.create(4);
  const made = machine.words.slice();
  const bad: [string, object][] = [
    ...[-1, 0.5, Number.NaN, 1 << 30].map((flags): [string, object] => [`flags ${flags}`, { flags }]),
    ...[-1, 0.5, Number.NaN, 2 ** 31].map((pgoff): [string, object] => [`pgoff ${pgoff}`, { file, pgoff }]),
    ...[1, mm, file + 4].map((wrong): [string, object] => [`file ${wrong}`, { file: wrong }]),
    ["a file's stack", { file, flags: RW | VM.GROWSDOWN }],
  ];
  for (const [what, args] of bad)
    assert.is(k.maps.mmap(mm, { length: PAGE_SIZE, flags: RW, ...args }), -EINVAL, what);
  assert.is(k.maps.mprotect(mm, BASE, PAGE_SIZE, VM.SHARED), -EINVAL);
  assert.equal(machine.words.slice(), made);
  // brk takes mmap_sem first, and says where the heap ends.
  for (const end of [Number.NaN, 0.5, TASK_SIZE + 1, 2 ** 32])
    assert.is(k.maps.brk(mm, end), 0, `brk ${end}`);
  assert.is(k.user.userRead(mm, BASE).version, 7);
});

for (const { name } of REGIMES)
  test(`a copy that no memory is left for leaves the page of the writer (${name})`, () => {
    let refused = 0;
    for (let left = 1; left <= 8; left += 1) {
      const { k } = oneCpu({ frames: 64, pteChains: left, anonVmas: 2, chains: 2 }, () => ({
        regime: regimeByName(name)!,
      }));
      const mm = k.mms.create();
      k.tlb.load(mm);
      k.maps.mmap(mm, { address: BASE, length: 4 * PAGE_SIZE, flags: RW });
      const pages = [0, 1, 2, 3].map((page) => BASE + page * PAGE_SIZE);
      for (const [index, at] of pages.entries()) k.user.userWrite(mm, at, 1, 10 + index);
      k.mms.fork(mm);
      const were = pages.map((at) => k.user.userRead(mm, at).version);
      for (const [index, at] of pages.entries()) {
        const fault = k.user.userWrite(mm, at, 1, 20 + index);
        if (fault !== 0) refused += 1;
        assert.is(k.user.userRead(mm, at).version, fault === 0 ? 20 + index : were[index]);
      }
      k.lru.drain();
      assert.equal(quiescent(k), []);
    }
    if (regimeByName(name)!.anonRmap === 'pte_chain') assert.ok(refused > 0, `${VM_FAULT_OOM} is never met`);
  });

test('an actor that ends inside a section is told so, at once', async () => {
  const { failures } = await hunt(forgetful as never, { executions: 50, seed, url: FORGETFUL });
  assert.match(failures[0]?.text ?? 'nothing', /O-LOCKBAL: a section was entered and not left/);
});

test('a workload that names what the model does not have is refused where it is defined', () => {
  const wrong: [object, RegExp][] = [
    [{ regimes: ['X'] }, /names the regime 'X': there are V24, L/],
    [{ regimes: [] }, /no regimes/],
    [{ designs: {} }, /no designs to choose from/],
    [{ spaces: 0 }, /has 0 address spaces: a whole number from 1 to 4/],
    [{ spaces: 5 }, /has 5 address spaces/],
    [{ operations: { idle: { weight: 1 } } }, /no run in the operation 'idle'/],
    [{ except: ['O-NOPE'] }, /no oracle 'O-NOPE'/],
  ];
  for (const [part, sentence] of wrong)
    assert.throws(
      () => defineMmWorkload({ name: 'mine', operations: T0, ...part } as never),
      sentence,
      String(sentence),
    );
});

test('a scenario that states too little to be made is refused in the words of defineScenario', () => {
  const wrong: [unknown, RegExp][] = [
    [undefined, /a scenario needs a name: defineMmScenario\(/],
    [null, /a scenario needs a name/],
    [{ actors() {} }, /a scenario needs a name/],
    [{ name: 'mine' }, /scenario 'mine' has no actors/],
    [{ name: 'mine', actors: [] }, /scenario 'mine' has no actors/],
    [{ name: 'mine', actors: 5 }, /scenario 'mine' has no actors/],
    [{ name: 'mine', actors() {}, cpus: 0.5 }, /scenario 'mine' has 0.5 CPUs/],
    [{ name: 'mine', actors() {}, regime: 'L' }, /scenario 'mine' has "L" for a regime/],
  ];
  for (const [given, sentence] of wrong)
    assert.throws(
      () => defineMmScenario(given as never),
      (error: unknown) => error instanceof ScenarioDefinitionError && sentence.test(error.message),
      String(sentence),
    );
});

test('more CPUs than cpu_vm_mask has bits are refused before any is started', () => {
  assert.throws(
    () => settled(all as never, { cpus: 33 }),
    (error: unknown) =>
      error instanceof ParameterError && /'mm\/all' runs on up to 32 CPUs, not 33/.test(error.message),
  );
});

test.run();
