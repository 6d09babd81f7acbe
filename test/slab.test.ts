/** The slab gives each object to one owner at a time, keeps its kind and content for ever, and hands out what was freed last. */
import * as assert from 'uvu/assert';
import { type Isa, WaitRecord } from '../src/arch/index.ts';
import {
  type Cpu,
  createMachine,
  createObjectTable,
  createSlab,
  initSlab,
  type Machine,
  OutOfObjects,
  objects,
  SlabError,
  type SlabSpec,
  sizeOf,
  slab,
  slabBytes,
  struct,
  tagOf,
  u32,
  words,
} from '../src/memory/index.ts';
import { type ChurnResult, Thing } from './fixtures/memory/churn.ts';
import { onCpus } from './fixtures/memory/cpus.ts';
import { beforeEveryAccess, WouldBlock, watch } from './fixtures/memory/watch.ts';
import { suite } from './suite.ts';

const AnonVma = struct('anon_vma', { lock: u32, refcount: u32, list: words(2) });
const Vma = struct('vma', { vm_start: u32, vm_end: u32 });
const freedTwice = (addr: number) => (error: unknown) =>
  error instanceof SlabError && error.code === 'EDOUBLEFREE' && error.addr === addr;

function fresh(spec: Partial<SlabSpec> = {}) {
  const machine = createMachine({ cpus: 3 });
  const table = createObjectTable(machine);
  const full = { layout: AnonVma, objects: 4, ...spec };
  const at = createSlab(machine, full, { table });
  const on = (cpu?: Cpu, isa: Isa = cpu?.isa ?? machine.boot) => slab({ isa, cpu }, at, full.layout);
  return { machine, table, at, on, all: on() };
}

const test = suite('slab');

test('who watches is told which slab, and what an object is when it is freed', () => {
  const { machine, at } = fresh({ layout: [AnonVma, Vma] });
  const cpu = machine.attach(1);
  const told: unknown[] = [];
  Object.assign(cpu.tracking, {
    allocated: (...what: unknown[]) => told.push(['allocated', ...what]),
    freed: (...what: unknown[]) => told.push(['freed', ...what]),
  });
  const things = slab({ isa: cpu.isa, cpu }, at, [AnonVma, Vma]);
  for (const layout of [Vma, AnonVma]) {
    told.length = 0;
    const object = things.alloc(layout);
    things.free(object);
    assert.equal(told, [
      ['allocated', object, layout, at],
      ['freed', object, layout, at],
    ]);
  }
});

for (const cache of [0, 2]) {
  test(`all objects once, then none (cache ${cache})`, () => {
    const { all, on, machine } = fresh({ objects: 9, cache });
    for (const things of [all, on(machine.attach(1))]) {
      const got = Array.from({ length: 9 }, () => things.alloc());
      assert.is(new Set(got).size, 9);
      assert.equal(got.map(things.indexOf).sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
      assert.is(things.freeObjects(), 0);
      assert.is(things.tryAlloc(), 0);
      assert.throws(
        () => things.alloc(),
        (error: unknown) =>
          error instanceof OutOfObjects &&
          error.objects === 9 &&
          /^all 9 objects of the slab 'anon_vma' are in use/.test(error.message),
      );
      for (const object of got) things.free(object);
      assert.is(things.freeObjects(), 9);
    }
  });
}

test('objects are reused last freed first, by whichever CPU asks', () => {
  const { machine, on } = fresh();
  const [a, b] = [on(machine.attach(0)), on(machine.attach(1))];
  const [first, second, third] = [a.alloc(), a.alloc(), a.alloc()];
  a.free(second!);
  a.free(first!);
  b.free(third!);
  assert.equal([b.alloc(), b.alloc(), a.alloc()], [third, first, second]);
});

test('with a cache a CPU gets back what it freed itself, and the others get the rest', () => {
  const { machine, on } = fresh({ cache: 1, objects: 3 });
  const [a, b] = [on(machine.attach(0)), on(machine.attach(1))];
  const [first, second, third] = [a.alloc(), a.alloc(), a.alloc()];
  a.free(first!);
  a.free(second!);
  assert.is(a.alloc(), first, 'one is kept');
  a.free(first!);
  assert.is(b.alloc(), second, 'the next goes to everybody');
  b.free(third!);
  assert.is(a.alloc(), first, 'its own first');
  assert.is(a.alloc(), third, 'what another CPU keeps is taken before there is none');
  assert.is(a.tryAlloc(), 0);
});

test('a freed object keeps its content, and its constructor ran once', () => {
  const machine = createMachine({ cpus: 1 });
  let constructed = 0;
  const at = createSlab(
    machine,
    { layout: AnonVma, objects: 3 },
    {
      construct: (isa, object) => {
        constructed += 1;
        isa.write(object + AnonVma.lock, 77);
      },
    },
  );
  const all = slab({ isa: machine.boot }, at, AnonVma);
  const object = all.alloc();
  assert.is(machine.boot.read(object + AnonVma.lock), 77);
  for (let word = 0; word < sizeOf(AnonVma); word += 4) machine.boot.write(object + word, 100 + word);
  all.free(object);
  const content = () => Array.from({ length: 4 }, (_, word) => machine.boot.read(object + 4 * word));
  assert.equal(content(), [100, 104, 108, 112]);
  assert.is(all.alloc(), object);
  assert.equal(content(), [100, 104, 108, 112]);
  assert.is(constructed, 3);
});

test('the generation changes with each owner and is odd while there is one', () => {
  const { all } = fresh();
  const object = all.alloc();
  const seen = [all.generation(object)];
  for (let round = 0; round < 3; round += 1) {
    all.free(object);
    seen.push(all.generation(object));
    all.alloc();
    seen.push(all.generation(object));
  }
  assert.equal(seen, [1, 2, 3, 4, 5, 6, 7]);
});

test('an object that is freed twice is refused, and it says who freed it', () => {
  const { machine, on, all } = fresh();
  const object = all.alloc();
  on(machine.attach(2)).free(object);
  assert.throws(() => all.free(object), freedTwice(object));
  assert.throws(
    () => all.free(object),
    /^anon_vma#0 is freed twice: it is free since generation 2, by CPU 2$/,
  );
  assert.throws(() => all.free(all.objectAt(3)), freedTwice(all.objectAt(3)));
  assert.is(all.freeObjects(), 4);
  assert.is(new Set(Array.from({ length: 4 }, () => all.alloc())).size, 4);
});

test('what is none of the objects is refused', () => {
  const { machine, all, at } = fresh();
  const other = slab({ isa: machine.boot }, createSlab(machine, { layout: AnonVma, objects: 4 }), AnonVma);
  const mine = all.alloc();
  const foreign = (error: unknown): boolean => error instanceof SlabError && error.code === 'EFOREIGNFREE';
  for (const wrong of [0, at, other.alloc(), all.objectAt(3) + 64, all.objectAt(0) - 64, -64, Number.NaN]) {
    assert.throws(() => all.free(wrong), foreign, `${wrong}`);
    assert.throws(() => all.generation(wrong), foreign, `${wrong}`);
  }
  assert.throws(() => all.free(mine + 4), /0x[0-9a-f]+ is not the start of the object 'anon_vma' #0$/);
  assert.throws(() => all.objectAt(4), /the slab 'anon_vma' has no object 4: it has 0 to 3/);
  assert.is(all.freeObjects(), 3);
});

test('a thread that declares another struct does not get at the slab', () => {
  const { machine, at } = fresh();
  const Renamed = struct('anon_vma', { lock: u32, ref: u32, list: words(2) });
  const Longer = struct('anon_vma', { lock: u32, refcount: u32, list: words(3) });
  const Same = struct('anon_vma', { lock: u32, refcount: u32, list: words(2) });
  assert.is(tagOf(Same), tagOf(AnonVma));
  for (const layout of [Vma, Renamed, Longer])
    assert.throws(
      () => slab({ isa: machine.boot }, at, layout),
      /there is no slab of struct '\w+' at 0x[0-9a-f]+, or its declaration differs/,
    );
  slab({ isa: machine.boot }, at, Same).alloc();
});

test('what cannot be is refused with the numbers in it', () => {
  for (const count of [0, -1, 2.5, Number.NaN])
    assert.throws(
      () => slabBytes({ layout: Vma, objects: count }, 1),
      new RegExp(`the slab 'vma' has a whole number of objects from 1, not ${count}`),
    );
  for (const cache of [-1, 0.5, Number.NaN])
    assert.throws(
      () => slabBytes({ layout: Vma, objects: 1, cache }, 1),
      new RegExp(`free objects for each CPU, not ${cache}`),
    );
  assert.throws(() => slabBytes({ layout: Vma, objects: 2 ** 28 }, 1), /more than the 1 GiB/);
  assert.throws(
    () => slabBytes({ layout: struct('empty', {}), objects: 1 }, 1),
    /struct 'empty' has no fields/,
  );
  assert.throws(() => slabBytes({ layout: [], objects: 1 }, 1), /1 to 4 layouts, not 0/);
});

test('a slab fits where slabBytes says, at any line', () => {
  for (const skew of [0, 64, 4032]) {
    for (const cache of [0, 1]) {
      const machine = createMachine({ cpus: 3 });
      const spec = { layout: AnonVma, objects: 70, cache };
      machine.alloc(skew);
      const at = machine.alloc(slabBytes(spec, 3));
      const end = at + slabBytes(spec, 3);
      initSlab(machine.boot, at, spec, { cpus: 3 });
      const all = slab({ isa: machine.boot }, at, AnonVma);
      assert.is(all.objectAt(0) % 4096, 0, 'its objects have their pages to themselves');
      for (let count = 0; count < 70; count += 1) {
        const object = all.alloc();
        assert.ok(object > at + 64 && object + sizeOf(AnonVma) <= end);
        machine.words.fill(-1, object / 4, (object + sizeOf(AnonVma)) / 4);
      }
      assert.is(all.tryAlloc(), 0);
      assert.ok(
        machine.words.subarray(end / 4).every((word) => word === 0),
        'nothing is written behind it',
      );
    }
  }
});

test.run();

const mixed = suite('slab of several kinds');

mixed('an object becomes what it is allocated as', () => {
  const { machine, table, on, all } = fresh({ layout: [AnonVma, Vma], objects: 1 });
  const { whatIs } = objects({ isa: machine.boot }, table, [AnonVma, Vma]);
  const object = all.alloc();
  assert.is(whatIs(object + 4), 'anon_vma#0.refcount (generation 1)');
  all.free(object);
  assert.is(on(machine.attach(0)).alloc(Vma), object);
  assert.is(whatIs(object + 4), 'vma#0.vm_end (generation 3)');
  all.free(object);
  all.alloc();
  assert.is(whatIs(object), 'anon_vma#0.lock (generation 5)', 'the first kind unless told');
  assert.throws(() => all.tryAlloc(Thing), /the slab 'anon_vma\/vma' is not made for struct 'thing'/);
});

mixed.run();

const between = suite('slab, interrupted before any access');

/** An interrupt handler does all of this between two accesses of the CPU it interrupts, if interrupts are on. */
function interrupted(machine: Machine, cpu: Cpu, handler: () => void): () => void {
  let inside = false;
  return () => {
    const off = machine.boot.read(cpu.area + WaitRecord.irqOff) !== 0;
    if (off || inside) return;
    inside = true;
    handler();
    inside = false;
  };
}

for (const cache of [0, 2]) {
  for (const operation of ['allocates', 'frees'] as const) {
    between(`a handler allocates and frees while its own CPU ${operation} (cache ${cache})`, () => {
      let handled = 0;
      const accesses = beforeEveryAccess(() => {
        const { machine, on } = fresh({ cache, objects: 5 });
        const cpu = machine.attach(0);
        const plain = on(cpu);
        const mine = [plain.alloc(), plain.alloc()];
        const theirs = [plain.alloc()];
        plain.free(plain.alloc());
        return {
          isa: cpu.isa,
          operation: (watched) => {
            const things = on(cpu, watched);
            if (operation === 'allocates') mine.push(things.tryAlloc());
            else things.free(mine.pop()!);
          },
          intruder: interrupted(machine, cpu, () => {
            handled += 1;
            plain.free(theirs.pop()!);
            theirs.push(plain.tryAlloc(), plain.tryAlloc());
          }),
          after: (access) => {
            const owned = [...mine, ...theirs].filter((object) => object !== 0);
            assert.is(new Set(owned).size, owned.length, `an object has two owners, access ${access}`);
            assert.is(plain.freeObjects(), 5 - owned.length, `count, access ${access}`);
            for (const object of owned) plain.free(object);
            assert.is(new Set(Array.from({ length: 5 }, () => plain.alloc())).size, 5);
          },
        };
      });
      assert.ok(accesses >= 15 && handled >= 5, `${accesses} accesses, ${handled} of them with the handler`);
    });
  }
}

between('another CPU comes in between and gets an object of its own, or has to wait for the list', () => {
  const seen = { waited: 0, served: 0 };
  beforeEveryAccess(() => {
    const { machine, on } = fresh({ objects: 3 });
    const got: number[] = [];
    const other = on(
      undefined,
      watch(machine.boot, () => {}),
    );
    return {
      isa: machine.boot,
      operation: (watched) => got.push(on(undefined, watched).tryAlloc()),
      intruder: () => {
        try {
          got.push(other.tryAlloc());
          other.free(got.pop()!);
          got.push(other.tryAlloc());
          seen.served += 1;
        } catch (error) {
          if (!(error instanceof WouldBlock)) throw error;
          seen.waited += 1;
        }
      },
      after: (access) => {
        assert.is(new Set(got).size, got.length, `an object has two owners, access ${access}`);
        assert.is(other.freeObjects(), 3 - got.length);
      },
    };
  });
  assert.ok(seen.waited > 0 && seen.served > 0, JSON.stringify(seen));
});

between('of two that free the same object one is told', () => {
  beforeEveryAccess(() => {
    const { machine, on, all } = fresh();
    const object = all.alloc();
    let told = 0;
    const free = (things: typeof all): void => {
      try {
        things.free(object);
      } catch (error) {
        if (error instanceof WouldBlock) return;
        if (!(error instanceof SlabError)) throw error;
        told += 1;
      }
    };
    return {
      isa: machine.boot,
      operation: (watched) => free(on(undefined, watched)),
      intruder: () =>
        free(
          on(
            undefined,
            watch(machine.boot, () => {}),
          ),
        ),
      after: (access) => {
        assert.is(all.freeObjects(), 4, `count, access ${access}`);
        if (told === 0) free(all);
        assert.is(told, 1, `access ${access}`);
      },
    };
  });
});

between.run();

const parallel = suite('slab on several CPUs');

for (const [cache, engine] of [
  [0, 'wasm'],
  [3, 'wasm'],
  [0, 'atomics'],
] as const) {
  parallel(`no object has two owners, none is lost (cache ${cache}, ${engine})`, async () => {
    const machine = createMachine({ cpus: 3 });
    const at = createSlab(machine, { layout: Thing, objects: 40, cache });
    const starts = [0, 1, 2].map((cpu) => ({
      cpu,
      job: 'churnSlab',
      args: { at, rounds: 30_000, most: 16 },
      attach: { engine },
    }));
    const results = await onCpus<ChurnResult>(machine, 'churn', starts);
    const all = slab({ isa: machine.boot }, at, Thing);
    for (const { allocated, refused, foreign } of results) {
      assert.is(foreign, 0);
      assert.is(allocated + refused, 30_000);
    }
    assert.is(all.freeObjects(), 40);
    let generations = 0;
    for (let index = 0; index < 40; index += 1) generations += all.generation(all.objectAt(index));
    assert.is(generations, 2 * results.reduce((sum, { allocated }) => sum + allocated, 0));
    assert.is(new Set(Array.from({ length: 40 }, () => all.alloc())).size, 40);
    assert.is(all.tryAlloc(), 0);
  });
}

parallel('of CPUs that free the same object all but one are told', async () => {
  const machine = createMachine({ cpus: 3 });
  const at = createSlab(machine, { layout: Thing, objects: 2000 });
  const all = slab({ isa: machine.boot }, at, Thing);
  const freed = Array.from({ length: 2000 }, () => all.alloc());
  const args = { at, objects: freed, step: machine.alloc(64), slab: true };
  const late = await onCpus<number>(
    machine,
    'churn',
    [0, 1, 2].map((cpu) => ({ cpu, job: 'doubleFree', args })),
  );
  assert.is(
    late.reduce((sum, each) => sum + each, 0),
    4000,
  );
  assert.is(all.freeObjects(), 2000);
});

parallel.run();
