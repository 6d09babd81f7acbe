/** An access to a guarded field is a lead unless its CPU holds what the regime declares, by the pointers as they are then. */
import * as assert from 'uvu/assert';
import { Guards } from '../../harness/detect/guards.ts';
import { traceOf } from '../../harness/engines/trace.ts';
import { afterInit, all, any, atomicAccess, guards, held, ptr, struct, u32 } from '../../src/memory/index.ts';
import { suite } from '../suite.ts';
import { c0, c1, type Step } from './events.ts';

const Mm = struct('mm', { mmap_lock: u32, page_table_lock: u32 });
const Vma = struct('vma', { vm_mm: ptr(Mm), vm_start: u32, vm_file: u32, seq: u32, other: u32 });
guards(Vma, {
  regime: 'tested',
  fields: {
    vm_start: {
      read: any(held('vm_mm.mmap_lock', 'read'), held('vm_mm.page_table_lock')),
      write: all(held('vm_mm.mmap_lock'), held('vm_mm.page_table_lock')),
    },
    vm_file: afterInit(),
    seq: atomicAccess(),
  },
});

const [VMA, MM, OTHER] = [512, 1024, 1088];
const FIELDS = Object.entries(Vma) as [string, number][];
const run = (steps: readonly Step[]): string[] =>
  new Guards({
    cpus: 2,
    regime: 'tested',
    layouts: [Vma, Mm],
    memory: (addr) => (addr === VMA + Vma.vm_mm ? MM : 0),
    resolve: (addr) => {
      const field = FIELDS.find(([, offset]) => VMA + offset === addr)?.[0];
      return field === undefined ? undefined : { layout: Vma, field, object: VMA };
    },
  })
    .run(traceOf(steps))
    .map(({ key }) => key);

const START = VMA + Vma.vm_start;
const mmap = (mode: number, mm = MM): Step => c0('acquired', mm + Mm.mmap_lock, mode);
const ptl = (mm = MM): Step => c0('acquired', mm + Mm.page_table_lock, 1);
const READ = 'guard vma.vm_start read';
const WRITE = 'guard vma.vm_start write';

const test = suite('guards of a trace');

test('either to read, both to write', () => {
  assert.equal(run([c0('read', START)]), [READ]);
  assert.equal(run([mmap(2), c0('read', START)]), []);
  assert.equal(run([ptl(), c0('read', START)]), []);
  assert.equal(run([mmap(1), c0('write', START)]), [WRITE]);
  assert.equal(run([mmap(2), ptl(), c0('write', START)]), [WRITE]);
  assert.equal(run([mmap(1), ptl(), c0('write', START)]), []);
  assert.equal(run([mmap(1), c1('read', START)]), [READ], 'held by another CPU');
  assert.equal(
    run([ptl(), c0('released', MM + Mm.page_table_lock, 1), c0('read', START)]),
    [READ],
    'released',
  );
});

test('the lock of another object does not count; pointers are followed as they are then', () => {
  assert.equal(run([ptl(OTHER), c0('read', START)]), [READ]);
  const move = c0('write', VMA + Vma.vm_mm, OTHER);
  assert.equal(run([move, ptl(OTHER), c0('read', START)]), []);
  assert.equal(run([ptl(), c0('read', START), move, c0('write', START)]), [WRITE]);
  assert.equal(
    run([move, ptl(OTHER), c0('read', START), c0('drain', VMA + Vma.vm_mm, OTHER)]),
    [READ],
    'not drained yet',
  );
  assert.equal(run([move, ptl(OTHER), c0('drain', VMA + Vma.vm_mm, OTHER), c0('read', START)]), []);
});

test('atomic access, constant after init, fields without a guard', () => {
  assert.equal(run([c0('readOnce', VMA + Vma.seq), c0('fetchAdd', VMA + Vma.seq)]), []);
  assert.equal(run([c0('read', VMA + Vma.seq)]), ['guard vma.seq read']);
  assert.equal(run([c0('read', VMA + Vma.vm_file)]), []);
  assert.equal(run([c0('write', VMA + Vma.vm_file)]), ['guard vma.vm_file write']);
  assert.equal(run([c0('write', VMA + Vma.other), c0('write', 4)]), []);
});

test('an object that nobody else knows needs no guard', () => {
  const alloc = c0('alloc', VMA, 1);
  assert.equal(run([alloc, c0('write', START), c0('write', VMA + Vma.vm_file)]), []);
  assert.equal(run([alloc, c0('published', VMA), c0('write', START)]), [WRITE]);
  assert.equal(
    run([alloc, c1('readOnce', VMA + Vma.seq), c0('write', START)]),
    [WRITE],
    'another CPU has found it',
  );
  assert.equal(run([alloc, c1('read', START)]), [READ]);
});

test('dataRace is excused, and each field is told once', () => {
  assert.equal(run([c0('raceBegin'), c0('read', START), c0('raceEnd')]), []);
  assert.equal(run([c0('raceBegin'), c1('read', START), c0('raceEnd'), c0('read', START)]), [READ]);
});

test.run();
