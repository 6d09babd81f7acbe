/** No two writers' hot words share a cache line: in the machine's own areas, in what the allocators hand out, in every lock. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { type Addr, ENGINE_BYTES, parkersOf, WAIT_RECORD_BYTES, WaitRecord } from '../src/arch/index.ts';
import type { AnyLock } from '../src/locking/define.ts';
import {
  CPU_AREA_BYTES,
  CPU_LOCAL_BYTES,
  CpuArea,
  createFrames,
  createMachine,
  createSlab,
  frames,
  infoOf,
  LINE,
  MAX_HELD,
  nameOf,
  perCpu,
  sizeOf,
  slab,
  struct,
  u32,
  words,
} from '../src/memory/index.ts';
import { callWord, cpuArea, Header, heapStart } from '../src/memory/layout.ts';
import { suite } from './suite.ts';

/** A word or some, and who writes them. */
interface Written {
  readonly what: string;
  readonly by: string;
  readonly at: Addr;
  readonly bytes: number;
}

/** Pairs of words of different writers that share a line; of any writers that overlap. */
function clashes(all: readonly Written[]): string[] {
  const found: string[] = [];
  const sorted = [...all].sort((a, b) => a.at - b.at);
  for (const [index, one] of sorted.entries()) {
    for (const other of sorted.slice(index + 1)) {
      if (Math.floor(other.at / LINE) > Math.floor((one.at + one.bytes - 1) / LINE)) break;
      if (other.at < one.at + one.bytes) found.push(`${one.what} overlaps ${other.what}`);
      else if (one.by !== other.by) found.push(`${one.what} shares a line with ${other.what}`);
    }
  }
  return found;
}

const CPUS = 5;

/** What a CPU's area consists of; the pending word and each queue node have other writers than the rest. */
function areaOf(cpu: number): Written[] {
  const area = cpuArea(cpu);
  const own = `CPU ${cpu}`;
  const record = Object.entries(WaitRecord).map(([name, offset]) => ({
    what: `${own} wait record ${name}`,
    by: name === 'irqPending' ? 'senders' : own,
    at: area + offset,
    bytes: 4,
  }));
  const bytes: Record<string, number> = {
    waitRecord: 0,
    heldLocks: 8 * MAX_HELD,
    nodeKeys: 4 * MAX_HELD,
    nodes: 0,
    local: 0,
  };
  const fields = Object.entries(CpuArea)
    .map(([name, offset]) => ({
      what: `${own} ${name}`,
      by: own,
      at: area + offset,
      bytes: bytes[name] ?? 4,
    }))
    .filter((each) => each.bytes > 0);
  const nodes = Array.from({ length: MAX_HELD }, (_, at) => ({
    what: `${own} node ${at}`,
    by: `neighbours in queue ${cpu}.${at}`,
    at: area + CpuArea.nodes + at * LINE,
    bytes: LINE,
  }));
  return [
    ...record,
    ...fields,
    ...nodes,
    { what: `${own} local`, by: `users of ${own}`, at: area + CpuArea.local, bytes: CPU_LOCAL_BYTES },
  ];
}

const test = suite('layout');

test('the check finds a shared line and an overlap', () => {
  const word = (at: Addr, by: string): Written => ({ what: `${by}@${at}`, by, at, bytes: 4 });
  assert.equal(clashes([word(0, 'a'), word(60, 'b')]), ['a@0 shares a line with b@60']);
  assert.equal(clashes([word(0, 'a'), word(60, 'a'), word(64, 'b')]), []);
  assert.equal(clashes([{ ...word(0, 'a'), bytes: 128 }, word(124, 'a')]), ['a@0 overlaps a@124']);
  assert.equal(clashes([{ ...word(0, 'a'), bytes: 100 }, word(124, 'b')]), ['a@0 shares a line with b@124']);
});

test('the areas of CPUs: nobody writes to a line of another but the words that are there for it', () => {
  const areas = Array.from({ length: CPUS }, (_, cpu) => areaOf(cpu)).flat();
  assert.equal(clashes(areas), []);
  for (const { what, at, bytes } of areas) {
    const cpu = Number(/\d+/.exec(what)![0]);
    assert.ok(
      at >= cpuArea(cpu) && at + bytes <= cpuArea(cpu) + CPU_AREA_BYTES,
      `${what} lies outside its area`,
    );
  }
  assert.ok(Math.max(...Object.values(WaitRecord)) < WAIT_RECORD_BYTES);
});

test('header, parked counters, CPU areas, call rows and heap lie apart', () => {
  const header = Object.entries(Header).map(([name, at]) => ({
    what: `header ${name}`,
    by: name === 'heapTop' ? 'allocators' : name === 'bootRecord' ? 'the main thread' : 'nobody',
    at,
    bytes: name === 'bootRecord' ? WAIT_RECORD_BYTES : 4,
  }));
  const counters = [...new Set(Array.from({ length: 65536 }, (_, at) => parkersOf(4 * at)))].map((at) => ({
    what: `counter ${at}`,
    by: `parkers on ${at}`,
    at,
    bytes: 4,
  }));
  assert.is(counters.length, 256, 'each counter is used');
  for (const { at } of counters) assert.ok(at + LINE <= ENGINE_BYTES, `counter at ${at}`);
  const areas = Array.from({ length: CPUS }, (_, cpu) => areaOf(cpu)).flat();
  const rows = Array.from({ length: CPUS * CPUS }, (_, at) => {
    const sender = Math.floor(at / CPUS);
    return {
      what: `call word ${sender} to ${at % CPUS}`,
      by: `calls of ${sender}`,
      at: callWord(CPUS, sender, at % CPUS),
      bytes: 4,
    };
  });
  const heap = { what: 'heap', by: 'users', at: heapStart(CPUS), bytes: LINE };
  assert.equal(clashes([...header, ...counters, ...areas, ...rows, heap]), []);
  for (const each of rows) assert.ok(each.at + 4 <= heap.at && each.at >= cpuArea(CPUS), each.what);
});

test('neighbouring words, and the words of a lock, are parked on under different counters', () => {
  const line = new Set(Array.from({ length: 16 }, (_, at) => parkersOf(0x10000 + 4 * at)));
  assert.is(line.size, 16);
  const lines = new Set(Array.from({ length: 64 }, (_, at) => parkersOf(0x10000 + LINE * at)));
  assert.is(lines.size, 64);
});

test('blocks of the heap share no line', () => {
  const machine = createMachine({ cpus: 2 });
  const blocks = [4, 60, 64, 68, 4].map((bytes, at) => ({
    what: `block ${at}`,
    by: `user ${at}`,
    at: machine.alloc(bytes),
    bytes,
  }));
  assert.equal(clashes(blocks), []);
});

test('per-CPU copies share no line', () => {
  const machine = createMachine({ cpus: CPUS });
  for (const layout of [
    struct('small', { count: u32 }),
    struct('odd', { counts: words(17) }),
    struct('lines', { a: u32, b: u32.ownLine() }),
  ]) {
    const copies = perCpu(machine, layout);
    const all = Array.from({ length: CPUS }, (_, cpu) => ({
      what: `copy ${cpu}`,
      by: `CPU ${cpu}`,
      at: copies.at(cpu),
      bytes: sizeOf(layout),
    }));
    assert.equal(
      clashes([...all, { what: 'next block', by: 'another', at: machine.alloc(4), bytes: 4 }]),
      [],
      nameOf(layout),
    );
  }
});

test('slab objects share no line with each other or with the lists, unless packed', () => {
  const machine = createMachine({ cpus: CPUS });
  for (const fields of [1, 12, 13, 16, 40]) {
    const Thing = struct('thing', { words: words(fields) });
    for (const packed of [false, true]) {
      const at = createSlab(machine, { layout: Thing, objects: 20, cache: 2, packed });
      const things = slab({ isa: machine.boot }, at, Thing);
      const all = Array.from({ length: 20 }, (_, index) => ({
        what: `object ${index}`,
        by: `owner ${index}`,
        at: things.objectAt(index),
        bytes: sizeOf(Thing),
      }));
      const lists = Array.from({ length: CPUS + 1 }, (_, index) => ({
        what: `list ${index}`,
        by: `list ${index}`,
        at: at + LINE * (1 + index),
        bytes: 12,
      }));
      const found = clashes([...all, ...lists]);
      assert.equal(
        found.filter((each) => each.includes('overlaps') || each.includes('list')),
        [],
      );
      assert.is(
        found.length > 0,
        packed && (4 * fields + 16) % LINE !== 0,
        `${fields} words, ${packed ? 'packed' : 'not packed'}`,
      );
    }
  }
});

test('frames share no line with each other', () => {
  const machine = createMachine({ cpus: 1 });
  const all = frames({ isa: machine.boot }, createFrames(machine, { frames: 8, frameBytes: 64 }));
  const found = clashes(
    Array.from({ length: 8 }, (_, at) => ({
      what: `frame ${at}`,
      by: `owner ${at}`,
      at: all.frameAt(at),
      bytes: 64,
    })),
  );
  assert.equal(found, []);
});

test('a field on its own line is alone there', () => {
  const Probe = struct('probe', {
    a: u32,
    b: u32.ownLine(),
    c: words(17).ownLine(),
    d: u32,
    e: u32,
    f: u32.ownLine(),
  });
  assert.equal({ ...Probe }, { a: 0, b: 64, c: 128, d: 256, e: 260, f: 320 });
  assert.is(sizeOf(Probe), 384);
});

const home = fileURLToPath(new URL('../src/locking/', import.meta.url));
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const isLayout = (value: unknown): value is object => {
  try {
    return infoOf(value as object) !== undefined;
  } catch {
    return false;
  }
};
const isLock = (value: unknown): value is AnyLock => (value as AnyLock | undefined)?.definition === 'lock';

async function exportsOfLocks(): Promise<[string, unknown][]> {
  const files = readdirSync(home, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith(extension) && !name.endsWith('.d.ts'),
  );
  const modules = await Promise.all(
    files.map(async (name) =>
      Object.entries(
        (await import(
          new URL(`../src/locking/${name.replaceAll('\\', '/')}`, import.meta.url).href
        )) as object,
      ).map(([key, value]) => [`${name}: ${key}`, value] as [string, unknown]),
    ),
  );
  return modules.flat();
}

test('in every lock, fields on their own line are alone there', async () => {
  const found = await exportsOfLocks();
  const layouts = new Map<object, string>();
  for (const [name, value] of found) {
    if (isLayout(value)) layouts.set(value, name);
    else if (isLock(value) && value.layout) layouts.set(value.layout, name);
  }
  assert.ok(layouts.size > 0, 'no lock layout was found');
  for (const [layout, name] of layouts) {
    const fields = infoOf(layout).fields.map((each) => ({
      what: `${name}.${each.name}`,
      by: each.field.alone ? each.name : 'together',
      at: each.offset,
      bytes: 4 * each.field.count,
    }));
    // A second instance right behind the first, as in an array of locks.
    const next = fields.map((each) => ({
      ...each,
      what: `next ${each.what}`,
      by: `next ${each.by}`,
      at: each.at + Math.ceil(sizeOf(layout) / LINE) * LINE,
    }));
    assert.equal(clashes([...fields, ...next]), []);
  }
});

test('every lock has room for its layout', async () => {
  const locks = (await exportsOfLocks()).filter((each): each is [string, AnyLock] => isLock(each[1]));
  assert.ok(locks.length > 0, 'no lock was found');
  for (const [name, lock] of locks) {
    for (const cpus of [1, 2, 64]) {
      const bytes = lock.size(cpus);
      if (lock.layout)
        assert.ok(
          bytes >= sizeOf(lock.layout),
          `${name}: ${bytes} bytes for ${cpus} CPUs, the layout has ${sizeOf(lock.layout)}`,
        );
    }
  }
});

test.run();
