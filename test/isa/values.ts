/**
 * What every operation does to its word and what it answers: the old value as a signed number, wrap-around at
 * 2^31 and 2^32, no other word. Each check runs until the JIT has compiled the call, since the way from
 * JavaScript into the engine is then another.
 */
import { type Job, runCrew } from '../../bench/crew.ts';
import type { Isa } from '../../src/arch/index.ts';
import { createMachine } from '../../src/memory/index.ts';
import { EDGES, engineFor, must, type Row, stream } from './rows.ts';
import type { AddressFaults, Subject } from './table.ts';

const HOT = 60;
const suffixes = ['', 'Acquire', 'Release', 'Relaxed'] as const;
type Suffix = (typeof suffixes)[number];
type Family = 'fetchAdd' | 'fetchAnd' | 'fetchOr' | 'fetchXor' | 'exchange';
const models: Readonly<Record<Family, (old: number, operand: number) => number>> = {
  fetchAdd: (old, operand) => (old + operand) | 0,
  fetchAnd: (old, operand) => old & operand,
  fetchOr: (old, operand) => old | operand,
  fetchXor: (old, operand) => old ^ operand,
  exchange: (_old, operand) => operand | 0,
};
const hex = (value: number): string =>
  value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;

function pairs(seed: number): [number, number][] {
  const random = stream(seed);
  const all = EDGES.flatMap((old) => EDGES.map((operand): [number, number] => [old | 0, operand]));
  for (let more = 0; more < 100; more += 1) all.push([random() | 0, random() | 0]);
  return all;
}

interface ValueOrders {
  readonly seed: number;
  readonly at: number;
}

/** Sets the word, surrounds it with marks, runs the operation and checks word, answer and marks. */
function checker(words: Int32Array, addr: number) {
  const at = addr >>> 2;
  return (
    what: () => string,
    old: number,
    run: () => unknown,
    answer: number | undefined,
    now: number,
  ): void => {
    words[at - 1] = 0x13579bdf;
    words[at] = old;
    words[at + 1] = 0x2468ace0;
    const got = run();
    must(Object.is(got, answer), () => `${what()} answers ${String(got)}, not ${String(answer)}`);
    must(words[at] === now, () => `${what()} leaves ${words[at]}, not ${now}`);
    must(words[at - 1] === 0x13579bdf && words[at + 1] === 0x2468ace0, () => `${what()} changes a neighbour`);
  };
}

export const rmwValues: Job<ValueOrders, void> = ({ isa, words, args: { seed, at } }) => {
  const check = checker(words, at);
  const inputs = pairs(seed);
  for (const family of Object.keys(models) as Family[]) {
    for (const suffix of suffixes) {
      const name: `${Family}${Suffix}` = `${family}${suffix}`;
      const op = isa[name];
      for (let hot = 0; hot < HOT; hot += 1) {
        for (const [old, operand] of inputs) {
          const what = () => `${name}(${hex(operand)}) on ${hex(old)}`;
          check(what, old, () => op(at, operand), old, models[family](old, operand));
        }
      }
    }
  }
  for (const suffix of suffixes) {
    const name: `compareExchange${Suffix}` = `compareExchange${suffix}`;
    const op = isa[name];
    for (let hot = 0; hot < HOT; hot += 1) {
      for (const [old, value] of inputs) {
        for (const expected of [old, old >>> 0, old ^ 1, ~old]) {
          const what = () => `${name}(${hex(expected)}, ${hex(value)}) on ${hex(old)}`;
          check(what, old, () => op(at, expected, value), old, (expected | 0) === old ? value | 0 : old);
        }
      }
    }
  }
};

export const accessValues: Job<ValueOrders, void> = ({ isa, words, args: { seed, at } }) => {
  const check = checker(words, at);
  const reads: [string, (addr: number) => number][] = [
    ['read', (addr) => isa.read(addr)],
    ['readOnce', isa.readOnce],
    ['load', isa.load],
    ['loadAcquire', isa.loadAcquire],
  ];
  const writes: [string, (addr: number, value: number) => void][] = [
    ['write', (addr, value) => isa.write(addr, value)],
    ['writeOnce', isa.writeOnce],
    ['store', isa.store],
    ['storeRelease', isa.storeRelease],
    ['storeWake', (addr, value) => isa.storeWake(addr, value)],
    ['storeWakeOne', (addr, value) => isa.storeWakeOne(addr, value)],
  ];
  for (let hot = 0; hot < HOT; hot += 1) {
    for (const [old, value] of pairs(seed)) {
      for (const [name, op] of reads)
        check(
          () => `${name} of ${hex(old)}`,
          old,
          () => op(at),
          old,
          old,
        );
      for (const [name, op] of writes) {
        check(
          () => `${name}(${hex(value)}) over ${hex(old)}`,
          old,
          () => op(at, value),
          undefined,
          value | 0,
        );
      }
      check(
        () => `spinBriefly(${hex(value)}) on ${hex(old)}`,
        old,
        () => isa.spinBriefly(at, value),
        old,
        old,
      );
      // A word that differs ends the wait at once, whatever the spelling of the value.
      const signed = value | 0;
      if (old === signed) continue;
      check(
        () => `spinWhile(${hex(value)}) on ${hex(old)}`,
        old,
        () => isa.spinWhile(at, value),
        old,
        old,
      );
      check(
        () => `spinWhileAny(${hex(value)}) on ${hex(old)}`,
        old,
        () => isa.spinWhileAny([at, value]),
        0,
        old,
      );
      check(
        () => `wait(${hex(value)}) on ${hex(old)}`,
        old,
        () => isa.wait(at, value),
        1,
        old,
      );
    }
  }
};

export const quietOperations: Job<ValueOrders, void> = ({ isa, words, args: { at } }) => {
  const check = checker(words, at);
  const quiet: [string, () => unknown][] = [
    ['mb', isa.mb],
    ['rmb', isa.rmb],
    ['wmb', isa.wmb],
    ['pause', () => isa.pause()],
    ['wake', () => isa.wake(at, -1)],
    ['queued', () => isa.queued(at)],
    ['published', () => isa.published(at)],
    ['consumed', () => isa.consumed(at)],
    ['gracePeriod', () => isa.gracePeriod(1)],
  ];
  for (let hot = 0; hot < 1000; hot += 1) {
    for (const [name, op] of quiet) check(() => name, 7, op, undefined, 7);
    check(
      () => 'dataRace',
      7,
      () => isa.dataRace(() => 5),
      5,
      7,
    );
    check(
      () => 'notify where nobody waits',
      7,
      () => isa.notify(at, -1),
      0,
      7,
    );
  }
  const thrown = new Error('from inside');
  let caught: unknown;
  try {
    isa.dataRace(() => {
      throw thrown;
    });
  } catch (error) {
    caught = error;
  }
  must(caught === thrown, () => 'dataRace swallows or changes an error');
};

/** What one operation does at one address, in the words of {@link AddressFaults}. */
function fault(words: Int32Array<SharedArrayBuffer>, addr: number, op: (addr: number) => unknown): string {
  try {
    const got = op(addr);
    if (got === undefined) return 'nothing';
    if (got === words[addr >>> 2]) return 'down';
    return got === new DataView(words.buffer).getInt32(addr, true) ? 'bytes' : `answers ${String(got)}`;
  } catch (error) {
    return (error as Error).name;
  }
}

interface AddressOrders extends ValueOrders {
  readonly addresses: NonNullable<Subject['addresses']>;
}

function readers(isa: Isa): Record<'plain' | 'once' | 'atomic', [string, (addr: number) => unknown][]> {
  return {
    plain: [['read', (addr) => isa.read(addr)]],
    once: [['readOnce', (addr) => isa.readOnce(addr)]],
    atomic: [
      ['load', (addr) => isa.load(addr)],
      ['loadAcquire', (addr) => isa.loadAcquire(addr)],
      ['fetchAdd', (addr) => isa.fetchAdd(addr, 0)],
      ['fetchOrRelaxed', (addr) => isa.fetchOrRelaxed(addr, 0)],
      ['compareExchange', (addr) => isa.compareExchange(addr, 1, 2)],
      ['spinWhile', (addr) => isa.spinWhile(addr, 0x7f7f7f7f)],
    ],
  };
}

export const addressFaults: Job<AddressOrders, void> = ({ isa, words, args: { at, addresses } }) => {
  const ops = readers(isa);
  words[at >>> 2] = 0x04030201;
  words[(at >>> 2) + 1] = 0x08070605;
  for (const kind of ['plain', 'once', 'atomic'] as const) {
    const expected: AddressFaults = addresses[kind];
    for (const [name, op] of ops[kind]) {
      for (const offset of [1, 2, 3]) {
        const got = fault(words, at + offset, op);
        must(
          got === expected.misaligned,
          () => `${name} at an address ${offset} off: ${got}, not ${expected.misaligned}`,
        );
      }
      for (const addr of [words.byteLength, words.byteLength + 4, 2 ** 30, -4]) {
        const got = fault(words, addr, op);
        must(
          got === expected.outside,
          () => `${name} at ${addr}, outside the memory: ${got}, not ${expected.outside}`,
        );
      }
    }
  }
};

function row<Name extends string>(
  name: string,
  jobName: Name,
  orders?: (subject: Subject) => object | undefined,
): Row {
  return {
    name,
    async run(subject, { seed }) {
      const more = orders ? orders(subject) : {};
      if (more === undefined) return;
      const machine = createMachine({ cpus: 1 });
      const at = machine.alloc(64) + 16;
      const job = { module: import.meta.url, name: jobName };
      await runCrew({ machine, engine: engineFor(subject), job, args: { seed, at, ...more } });
    },
  };
}

export const valueRows: readonly Row[] = [
  row('a read-modify-write answers the old value and leaves the new one, in all its forms', 'rmwValues'),
  row('an access reads and writes its word and no other', 'accessValues'),
  row('barriers, annotations and wake-ups of nobody leave memory alone', 'quietOperations'),
  row(
    'an address that cannot be does what the table says',
    'addressFaults',
    ({ addresses }) => addresses && { addresses },
  ),
];
