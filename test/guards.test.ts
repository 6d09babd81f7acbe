/** A guard says which locks an access needs: it is met by exactly those sets of held locks that it describes. */
import * as assert from 'uvu/assert';
import {
  afterInit,
  all,
  allows,
  any,
  atomicAccess,
  createMachine,
  describeGuard,
  excludes,
  type Guard,
  GuardError,
  guards,
  guardsOf,
  guardTable,
  held,
  heldIfAny,
  MODE_READ,
  MODE_WRITE,
  pathResolver,
  ptr,
  regimesOf,
  sizeOf,
  struct,
  u32,
  union,
  words,
} from '../src/memory/index.ts';
import { suite } from './suite.ts';

const Mm = struct('mm', { mmap_lock: words(2), page_table_lock: u32, map_count: u32 });
const Vma = struct('vma', {
  vm_mm: ptr(Mm),
  vm_start: u32,
  vm_end: u32,
  vm_next: ptr('vma'),
  vm_flags: u32,
  seq: u32,
});

// The writers hold both locks, so that a reader may choose one.
const either = any(held('vm_mm.mmap_lock', 'read'), held('vm_mm.page_table_lock'));
const both = all(held('vm_mm.mmap_lock'), held('vm_mm.page_table_lock'));

guards(Vma, {
  regime: 'both locks to write',
  fields: {
    vm_mm: afterInit(),
    vm_start: { read: either, write: both },
    vm_next: { read: either, write: both },
    vm_flags: { read: all(), write: held('vm_mm.mmap_lock') },
    seq: atomicAccess(),
  },
});
// A writer that holds one of them only: a reader with the other sees it at work.
guards(Vma, {
  regime: 'one lock to write',
  fields: { vm_start: { read: either, write: held('vm_mm.mmap_lock') } },
});

const locks: Record<string, number> = { 'vm_mm.mmap_lock': 0x1000, 'vm_mm.page_table_lock': 0x2000 };
const resolve = (path: string): number => locks[path] ?? 0;
const MMAP_R = { lock: 0x1000, mode: MODE_READ };
const MMAP_W = { lock: 0x1000, mode: MODE_WRITE };
const PTL = { lock: 0x2000, mode: MODE_WRITE };
const OTHER = { lock: 0x3000, mode: MODE_WRITE };

const test = suite('guards');

test('any of two locks, all of two locks: every combination', () => {
  const cases: [(typeof MMAP_R)[], boolean, boolean][] = [
    [[], false, false],
    [[OTHER], false, false],
    [[MMAP_R], true, false],
    [[MMAP_W], true, false],
    [[PTL], true, false],
    [[MMAP_R, PTL], true, false],
    [[MMAP_W, PTL], true, true],
    [[PTL, OTHER, MMAP_W], true, true],
  ];
  const { read, write } = guardsOf(Vma, 'both locks to write')!.vm_start!;
  for (const [holds, reads, writes] of cases) {
    assert.is(allows(read, holds, resolve), reads, `read with ${JSON.stringify(holds)}`);
    assert.is(allows(write, holds, resolve), writes, `write with ${JSON.stringify(holds)}`);
  }
});

test('held exclusively is held for reading, not the other way round', () => {
  assert.is(allows(held('vm_mm.mmap_lock', 'read'), [MMAP_W], resolve), true);
  assert.is(allows(held('vm_mm.mmap_lock', 'write'), [MMAP_R], resolve), false);
  assert.is(allows(held('vm_mm.mmap_lock'), [MMAP_R], resolve), false, 'exclusively unless said otherwise');
});

test('the same lock of another object does not count', () => {
  const elsewhere = (path: string): number => resolve(path) + 64;
  assert.is(allows(held('vm_mm.page_table_lock'), [PTL], elsewhere), false);
});

test('a lock that is not there is not held', () => {
  assert.is(
    allows(held('vm_mm.mmap_lock'), [{ lock: 0, mode: MODE_WRITE }], () => 0),
    false,
  );
});

test('a lock that is held if there is one: met where there is none, and by nothing else than it where there is one', () => {
  const guard = heldIfAny('vm_mm.page_table_lock');
  assert.is(
    allows(guard, [], () => 0),
    true,
  );
  assert.is(allows(guard, [], resolve), false);
  assert.is(allows(guard, [PTL], resolve), true);
  assert.is(allows(all(held('vm_mm.mmap_lock'), guard), [MMAP_W], resolve), false);
  assert.is(excludes(guard, held('vm_mm.page_table_lock')), true);
  assert.is(
    describeGuard(all(held('vm_mm.mmap_lock'), guard)),
    'vm_mm.mmap_lock and vm_mm.page_table_lock, if there is one',
  );
});

test('no lock, atomic access, constant after init', () => {
  assert.is(allows(all(), [], resolve), true);
  assert.is(allows(atomicAccess(), [], resolve, { atomic: true }), true);
  assert.is(allows(atomicAccess(), [MMAP_W, PTL], resolve, { atomic: false }), false);
  assert.is(allows(atomicAccess(), [], resolve), false);
  for (const write of [false, true]) {
    for (const published of [false, true]) {
      assert.is(
        allows(afterInit(), [], resolve, { write, published }),
        !(write && published),
        `write ${write}, published ${published}`,
      );
    }
  }
  assert.is(allows(any(atomicAccess(), held('vm_mm.page_table_lock')), [PTL], resolve), true);
});

test('guards are data: they survive JSON', () => {
  const copy = JSON.parse(JSON.stringify(guardsOf(Vma, 'both locks to write'))) as Record<
    string,
    { read: Guard; write: Guard }
  >;
  assert.is(allows(copy.vm_start!.write, [MMAP_W, PTL], resolve), true);
  assert.is(allows(copy.vm_start!.write, [MMAP_W], resolve), false);
});

test('one guard stands for reading and writing', () => {
  const { seq, vm_mm } = guardsOf(Vma, 'both locks to write')!;
  assert.equal(seq, { read: atomicAccess(), write: atomicAccess() });
  assert.equal(vm_mm, { read: afterInit(), write: afterInit() });
});

test('regimes of a struct are kept apart', () => {
  assert.equal(regimesOf(Vma), ['both locks to write', 'one lock to write']);
  assert.equal(guardsOf(Vma, 'one lock to write')!.vm_start!.write, held('vm_mm.mmap_lock'));
  assert.is(guardsOf(Vma, 'none such'), undefined);
  assert.is(guardsOf(Mm, 'both locks to write'), undefined);
  assert.equal(regimesOf(Mm), []);
});

test('a writer under both locks excludes readers under either; under one of them it does not', () => {
  assert.is(excludes(both, either), true);
  assert.is(excludes(both, both), true);
  assert.is(excludes(held('vm_mm.mmap_lock'), either), false);
  assert.is(excludes(either, either), false, 'two readers');
  assert.is(excludes(held('a', 'read'), held('a', 'read')), false);
  assert.is(excludes(held('a'), held('a', 'read')), true);
  for (const twice of [all(held('a', 'read'), held('a')), all(held('a'), held('a', 'read'))]) {
    assert.is(excludes(twice, held('a', 'read')), true, 'the stronger mode counts');
  }
  assert.is(excludes(all(), held('a')), false);
  assert.is(excludes(atomicAccess(), atomicAccess()), true);
  assert.is(excludes(atomicAccess(), held('a')), false);
});

test('mistakes are named', () => {
  const says = (make: () => unknown, message: RegExp): void => {
    assert.throws(make, (error: unknown) => error instanceof GuardError && message.test(error.message));
  };
  says(
    () => guards(Vma, { regime: 'new', fields: { vm_stat: all() } as never }),
    /^struct 'vma' has no field 'vm_stat' to guard: it has vm_mm, vm_start/,
  );
  says(
    () => guards(Vma, { regime: 'one lock to write', fields: {} }),
    /^the regime 'one lock to write' is already declared for struct 'vma'$/,
  );
  says(() => held('vm_mm..lock'), /^'vm_mm\.\.lock' is no path/);
  says(() => held(''), /^'' is no path/);
  says(() => any(), /^any\(\) of nothing can never be met/);
  assert.equal(
    regimesOf(Vma),
    ['both locks to write', 'one lock to write'],
    'nothing of a refused declaration stays',
  );
});

test.run();

const table = suite('guard table');

table('lists every field with what it takes, in the order of the layout', () => {
  assert.is(
    guardTable([Mm, Vma], 'both locks to write'),
    `### vma (both locks to write)

| field | to read | to write |
|---|---|---|
| \`vm_mm\` | constant after init | constant after init |
| \`vm_start\` | \`vm_mm.mmap_lock\` (read) or \`vm_mm.page_table_lock\` | \`vm_mm.mmap_lock\` and \`vm_mm.page_table_lock\` |
| \`vm_end\` | not stated | not stated |
| \`vm_next\` | \`vm_mm.mmap_lock\` (read) or \`vm_mm.page_table_lock\` | \`vm_mm.mmap_lock\` and \`vm_mm.page_table_lock\` |
| \`vm_flags\` | no lock | \`vm_mm.mmap_lock\` |
| \`seq\` | atomic access | atomic access |
`,
  );
});

table('has a part for each regime', () => {
  const headings = guardTable([Vma])
    .split('\n')
    .filter((line) => line.startsWith('#'));
  assert.equal(headings, ['### vma (both locks to write)', '### vma (one lock to write)']);
});

table('a guard inside a guard is put in parentheses where its words would run together', () => {
  const nested = any(all(held('a'), any(held('b', 'read'), held('c'))), held('d'));
  assert.is(describeGuard(nested), '(a and (b (read) or c)) or d');
  assert.is(describeGuard(all(all(held('a'), held('b')), any(held('c')))), 'a and b and c');
});

table('fields that share their words are told by the state that owns them', () => {
  const Page = struct('page', {
    links: union({ 'on a list': { lru: words(2) }, mlocked: { mlock_count: u32 } }),
  });
  guards(Page, { regime: 'lru', fields: { lru: held('lru_lock'), mlock_count: held('lru_lock') } });
  const rows = guardTable([Page]).split('\n').slice(4, 6);
  assert.equal(rows, [
    '| `lru` (on a list) | `lru_lock` | `lru_lock` |',
    '| `mlock_count` (mlocked) | `lru_lock` | `lru_lock` |',
  ]);
});

table.run();

const paths = suite('guard paths');
const machine = createMachine({ cpus: 1 });
const isa = machine.boot;
const mm = machine.alloc(sizeOf(Mm));
const vma = machine.alloc(sizeOf(Vma));
const orphan = machine.alloc(sizeOf(Vma));
isa.write(vma + Vma.vm_mm, mm);
isa.write(vma + Vma.vm_next, orphan);

paths('a path leads through pointers to the lock in the object at its end', () => {
  const of = pathResolver(isa, [Mm, Vma]);
  assert.is(of(Vma, vma)('vm_mm.page_table_lock'), mm + Mm.page_table_lock);
  assert.is(of(Vma, vma)('vm_next.seq'), orphan + Vma.seq);
  assert.is(of(Mm, mm)('mmap_lock'), mm + Mm.mmap_lock);
});

paths('a NULL on the way leads to no lock', () => {
  const of = pathResolver(isa, [Mm, Vma]);
  assert.is(of(Vma, orphan)('vm_mm.page_table_lock'), 0);
  assert.is(of(Vma, vma)('vm_next.vm_mm.mmap_lock'), 0);
  assert.is(allows(held('vm_mm.page_table_lock'), [PTL], of(Vma, orphan)), false);
});

paths('tags in the low bits of a pointer are left out', () => {
  isa.write(orphan + Vma.vm_next, vma | 3);
  const of = pathResolver(isa, [Mm, Vma])(Vma, orphan);
  assert.is(of('vm_next.seq'), vma + Vma.seq);
  assert.is(of('vm_next.vm_mm.mmap_lock'), mm);
  isa.write(orphan + Vma.vm_next, 0);
});

paths('a lock that belongs to no object is found by name', () => {
  const of = pathResolver(isa, [Vma], { lru_lock: 0x7000, seq: 0x8000 });
  assert.is(of(Vma, vma)('lru_lock'), 0x7000);
  assert.is(of(Vma, vma)('seq'), vma + Vma.seq, 'a field comes first');
});

paths('a path that leads nowhere is a mistake and is named', () => {
  const says = (path: string, message: RegExp): void => {
    const of = pathResolver(isa, [Vma])(Vma, vma);
    assert.throws(
      () => of(path),
      (error: unknown) => error instanceof GuardError && message.test(error.message),
      path,
    );
  };
  says('vm_mm.mmap_lock', /goes through 'vma\.vm_mm', a pointer to struct 'mm', which was not given/);
  says('vm_start.lock', /goes through 'vm_start', which is no pointer field of struct 'vma'/);
  says('vm_next.lock', /ends in 'lock', which is no field of struct 'vma'/);
  says('lru_lock', /ends in 'lru_lock', which is no field of struct 'vma'/);
});

paths.run();
