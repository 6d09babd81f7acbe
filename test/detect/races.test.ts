/** Two conflicting accesses, one of them plain, race unless an edge orders them; each kind of edge does, and half of one does not. */
import * as assert from 'uvu/assert';
import { MAX_RACES, Races } from '../../harness/detect/races.ts';
import { traceOf } from '../../harness/engines/trace.ts';
import { suite } from '../suite.ts';
import { c0, c1, c2, type Step } from './events.ts';

const [X, FLAG, PTR, RCU, OBJECT] = [64, 128, 192, 256, 512];
const pass = new Races({ cpus: 3, bytes: 4096, rcu: (lock) => lock === RCU });
const races = (steps: readonly Step[]): number => pass.scan(traceOf(steps));
/** CPU 0 writes data, then does `before`; CPU 1 does `after`, then reads the data. */
const passed = (before: readonly Step[], after: readonly Step[]): Step[] => [
  c0('write', X, 1),
  ...before,
  ...after,
  c1('read', X, 1),
];

const test = suite('races');

const CONFLICTS: [string, string, number][] = [
  ['read', 'read', 0],
  ['read', 'write', 1],
  ['write', 'read', 1],
  ['write', 'write', 1],
  ['read', 'readOnce', 0],
  ['readOnce', 'read', 0],
  ['write', 'readOnce', 1],
  ['readOnce', 'write', 1],
  ['write', 'writeOnce', 1],
  ['writeOnce', 'write', 1],
  ['read', 'writeOnce', 1],
  ['writeOnce', 'read', 1],
  ['read', 'fetchAddRelaxed', 1],
  ['fetchAddRelaxed', 'read', 1],
  ['write', 'exchange', 1],
  ['read', 'casFailed', 0],
  ['write', 'casFailedRelaxed', 1],
  ['write', 'wait', 1],
  ['writeOnce', 'writeOnce', 0],
  ['writeOnce', 'readOnce', 0],
  ['exchange', 'storeRelease', 0],
  ['readOnce', 'readOnce', 0],
];
for (const [first, second, expected] of CONFLICTS) {
  test(`${first} and ${second}, unordered: ${expected === 0 ? 'no race' : 'a race'}`, () => {
    assert.is(races([c0(first, X, 1), c1(second, X, 1)]), expected);
    assert.is(races([c0(first, X, 1), c0(second, X, 1)]), 0, 'on one CPU');
    assert.is(races([c0(first, X, 1), c1(second, X + 4, 1)]), 0, 'on two words');
  });
}

/** [name, what CPU 0 does, what CPU 1 does, the same with something missing …] */
const [storeRelease, writeOnce] = [c0('storeRelease', FLAG, 1), c0('writeOnce', FLAG, 1)];
const [loadAcquire, readOnce] = [c1('loadAcquire', FLAG, 1), c1('readOnce', FLAG, 1)];
const EDGES: [string, Step[], Step[], ...[string, Step[], Step[]][]][] = [
  [
    'release and acquire',
    [storeRelease],
    [loadAcquire],
    ['a relaxed store', [writeOnce], [loadAcquire]],
    ['a plain store', [c0('write', FLAG + 4, 1), c0('write', PTR, 1)], [c1('loadAcquire', PTR + 4, 1)]],
    ['a relaxed load', [storeRelease], [readOnce]],
    ['another word', [storeRelease], [c1('loadAcquire', PTR, 1)]],
    ['an earlier value', [storeRelease], [c1('loadAcquire', FLAG, 0)]],
  ],
  ['sequentially consistent', [c0('store', FLAG, 1)], [c1('load', FLAG, 1)]],
  ['storeWake and spinWhile', [c0('storeWake', FLAG, 1)], [c1('spinWhile', FLAG, 1)]],
  [
    'read-modify-writes',
    [c0('fetchAddRelease', FLAG, 1)],
    [c1('exchangeAcquire', FLAG, 2, 1)],
    ['no release', [c0('fetchAddAcquire', FLAG, 1)], [c1('exchangeAcquire', FLAG, 2, 1)]],
    ['no acquire', [c0('fetchAddRelease', FLAG, 1)], [c1('exchangeRelease', FLAG, 2, 1)]],
    ['neither', [c0('fetchAddRelaxed', FLAG, 1)], [c1('exchangeRelaxed', FLAG, 2, 1)]],
  ],
  [
    'a failed compareExchange acquires',
    [storeRelease],
    [c1('casFailedAcquire', FLAG, 1)],
    ['its release form', [storeRelease], [c1('casFailedRelease', FLAG, 1)]],
  ],
  [
    'a release sequence',
    [storeRelease],
    [c2('fetchAddRelaxed', FLAG, 2, 1), c1('loadAcquire', FLAG, 2)],
    ['a store in between', [storeRelease], [c2('writeOnce', FLAG, 2), c1('loadAcquire', FLAG, 2)]],
    ['another store in between', [storeRelease, c0('writeOnce', FLAG, 2)], [c1('loadAcquire', FLAG, 2)]],
  ],
  [
    'fence and atomic',
    [c0('wmb'), writeOnce],
    [loadAcquire],
    ['the fence too late', [writeOnce, c0('wmb')], [loadAcquire]],
    ['a fence of loads', [c0('rmb'), writeOnce], [loadAcquire]],
    ['a fence of another', [c2('wmb'), writeOnce], [loadAcquire]],
  ],
  ['full fence and atomic', [c0('mb'), writeOnce], [loadAcquire]],
  [
    'atomic and fence',
    [storeRelease],
    [readOnce, c1('rmb')],
    ['the fence too early', [storeRelease], [c1('rmb'), readOnce]],
    ['a fence of stores', [storeRelease], [readOnce, c1('wmb')]],
  ],
  ['atomic and full fence', [storeRelease], [readOnce, c1('mb')]],
  [
    'fence and fence',
    [c0('wmb'), writeOnce],
    [readOnce, c1('rmb')],
    ['nothing read', [c0('mb')], [c1('mb')]],
  ],
  [
    'fence, relaxed read-modify-write',
    [c0('mb'), c0('fetchAddRelaxed', FLAG, 1)],
    [c1('fetchAddRelaxed', FLAG, 2, 1), c1('mb')],
  ],
  [
    'notify',
    [c0('notify', FLAG, 1)],
    [c1('waitEnd', FLAG, 1)],
    ['a time-out', [c0('notify', FLAG, 1)], [c1('waitEnd', FLAG, 0, 2)]],
    ['woken by another', [c0('notify', FLAG, 1)], [c2('notify', FLAG, 1), c1('waitEnd', FLAG, 3)]],
  ],
  [
    'published and consumed',
    [c0('published', OBJECT)],
    [c1('consumed', OBJECT)],
    ['another object', [c0('published', OBJECT)], [c1('consumed', OBJECT + 64)]],
    ['not published', [], [c1('consumed', OBJECT)]],
  ],
  [
    'a dependency on the pointer that was read',
    [c0('storeRelease', PTR, OBJECT)],
    [c1('readOnce', PTR, OBJECT), c1('consumed', OBJECT)],
    [
      'on another pointer',
      [c0('storeRelease', PTR, OBJECT)],
      [c1('readOnce', PTR, OBJECT), c1('consumed', OBJECT + 64)],
    ],
    [
      'on one read since',
      [c0('storeRelease', PTR, OBJECT)],
      [c1('readOnce', PTR, OBJECT), c1('readOnce', FLAG), c1('consumed', OBJECT)],
    ],
  ],
  [
    'a grace period',
    [c0('released', RCU, 2)],
    [c1('gracePeriod')],
    ['the section has not ended', [], [c1('gracePeriod'), c0('released', RCU, 2)]],
    ['another lock', [c0('released', RCU + 64, 2)], [c1('gracePeriod')]],
    ['a writer', [c0('released', RCU, 1)], [c1('gracePeriod')]],
  ],
  [
    'an interrupt by its sender',
    [],
    [c1('irqEnter', 0, 1)],
    ['by another', [], [c1('irqEnter', 0, 3)]],
    ['by nobody', [], [c1('irqEnter', 0, 0)]],
  ],
  ['begin, of what came before', [c0('begin')], [c1('begin')], ['begun already', [], []]],
];
for (const [name, before, after, ...broken] of EDGES) {
  test(`ordered by ${name}`, () => assert.is(races(passed(before, after)), 0));
  for (const [missing, first, second] of broken)
    test(`ordered by ${name}? ${missing}: a race`, () => assert.is(races(passed(first, second)), 1));
}

test('begin does not order what a CPU does after its own', () => {
  assert.is(races([c0('begin'), c0('write', X, 1), c1('begin'), c1('read', X, 1)]), 1);
});

test('edges order what came before them, nothing else', () => {
  const late = [storeRelease, c0('write', X, 1), loadAcquire, c1('read', X, 1)];
  assert.is(races(late), 1, 'written after the release');
  assert.is(
    races([storeRelease, c1('read', X, 0), loadAcquire, c0('write', X, 1)]),
    1,
    'read before the acquire',
  );
  const third = [
    c0('write', X, 1),
    storeRelease,
    loadAcquire,
    c1('storeRelease', PTR, 1),
    c2('loadAcquire', PTR, 1),
  ];
  assert.is(races([...third, c2('read', X, 1)]), 0, 'by way of another CPU');
});

test('lock events order nothing; the accesses of the lock do', () => {
  const section = (cpu: typeof c0, acquire: readonly Step[], release: readonly Step[]): Step[] => [
    cpu('acquiring', FLAG, 1),
    ...acquire,
    cpu('acquired', FLAG, 1),
    cpu('write', X, 1),
    cpu('released', FLAG, 1),
    ...release,
  ];
  const lock = (take: string, leave: string): number =>
    races([
      ...section(c0, [c0(take, FLAG, 1)], [c0(leave, FLAG, 0, 1)]),
      ...section(c1, [c1(take, FLAG, 1)], [c1(leave, FLAG, 0, 1)]),
    ]);
  assert.is(lock('compareExchange', 'store'), 0);
  assert.is(lock('compareExchangeAcquire', 'storeRelease'), 0);
  assert.is(lock('compareExchangeRelaxed', 'storeRelease'), 1, 'a lock that does not acquire');
  assert.is(lock('compareExchangeAcquire', 'writeOnce'), 1, 'a lock that does not release');
  assert.is(lock('none', 'none'), 1, 'a lock of nothing');
});

test('dataRace excuses the side it is on, and keeps its edges', () => {
  const benign = [c0('raceBegin'), c0('write', X, 1), c0('raceEnd')];
  assert.is(races([...benign, c1('read', X, 1)]), 0);
  assert.is(races([c1('read', X, 0), ...benign]), 0);
  assert.is(races([...benign, c0('write', X, 2), c1('read', X, 2)]), 1, 'after its end');
  const inside = [c0('write', X, 1), c0('raceBegin'), storeRelease, c0('raceEnd')];
  assert.is(
    races([...inside, c1('raceBegin'), loadAcquire, c1('raceEnd'), c1('read', X, 1)]),
    0,
    'edges from inside',
  );
  const handler = [
    c0('raceBegin'),
    c0('irqEnter'),
    c0('write', X, 1),
    c0('irqExit'),
    c0('raceEnd'),
    c1('read', X, 1),
  ];
  assert.is(races(handler), 1, 'a handler is not inside');
  const nested = [
    c0('raceBegin'),
    c0('raceBegin'),
    c0('raceEnd'),
    c0('write', X, 1),
    c0('raceEnd'),
    c1('read', X, 1),
  ];
  assert.is(races(nested), 0, 'brackets nest');
});

test('a buffered store takes effect at its drain', () => {
  const early = [c0('write', X, 1), storeRelease, loadAcquire, c1('read', X, 1)];
  assert.is(races(early), 0);
  // It had not drained when it was read: the value was somebody else's.
  const unread = [
    c0('write', X, 1),
    storeRelease,
    c1('loadAcquire', FLAG, 1),
    c1('read', X),
    c0('drain', X, 1),
    c0('drain', FLAG, 1),
  ];
  assert.is(races(unread), 1, 'read before it drained');
  const drained = [
    c0('write', X, 1),
    storeRelease,
    c0('drain', X, 1),
    c0('drain', FLAG, 1),
    loadAcquire,
    c1('read', X, 1),
  ];
  assert.is(races(drained), 0);
  // Both store 1; what CPU 1 reads is the one that drained, which publishes nothing.
  const other = [
    c0('write', X, 1),
    storeRelease,
    c2('writeOnce', FLAG, 1),
    c2('drain', FLAG, 1),
    loadAcquire,
    c1('read', X),
  ];
  assert.is(races(other), 1, 'the drained one of two');
});

test('a CPU reads its own buffered store, which orders nothing, whatever the same value elsewhere would', () => {
  const theirs = [c0('write', X, 1), storeRelease, c0('drain', X, 1), c0('drain', FLAG, 1)];
  assert.is(races([...theirs, loadAcquire, c1('read', X, 1)]), 0);
  assert.is(races([...theirs, c1('writeOnce', FLAG, 1), loadAcquire, c1('read', X, 1)]), 1);
});

test('a pointer may carry a tag in its low bits', () => {
  const publish = [c0('storeRelease', PTR, OBJECT | 1)];
  assert.is(races(passed(publish, [c1('readOnce', PTR, OBJECT | 1), c1('consumed', OBJECT)])), 0);
});

test('stores drain in any order', () => {
  const stores = [c0('write', X, 1), c0('writeOnce', PTR, 1), c0('writeOnce', FLAG, 1), c0('drain', FLAG, 1)];
  const later = [
    c0('storeRelease', OBJECT, 1),
    c0('drain', X, 1),
    c0('drain', PTR, 1),
    c0('drain', OBJECT, 1),
  ];
  assert.is(races([...stores, ...later, c1('loadAcquire', OBJECT, 1), c1('read', X, 1)]), 0);
  assert.is(races([...stores, ...later, c1('loadAcquire', PTR, 1), c1('read', X, 1)]), 1);
});

test('a stale load reads from the store whose value it returns', () => {
  const steps = [
    c0('write', X, 1),
    storeRelease,
    c0('drain', X, 1),
    c0('drain', FLAG, 1),
    c2('writeOnce', FLAG, 2),
    c2('drain', FLAG, 2),
  ];
  assert.is(races([...steps, c1('readOnce', FLAG, 1), c1('rmb'), c1('read', X, 1)]), 0);
  assert.is(races([...steps, c1('readOnce', FLAG, 2), c1('rmb'), c1('read', X, 1)]), 1);
});

test('a race is reported with both accesses, the word and its values', () => {
  const named = new Races({ cpus: 2, bytes: 4096, name: (addr) => `counter+${addr - X}` });
  const [found, ...others] = named.run(
    traceOf([c0('begin'), c0('write', X, 5, 4), c1('begin'), c1('readOnce', X, 5)]),
  );
  assert.equal(others, []);
  assert.is(found?.detector, 'races');
  assert.is(found?.text, 'data race on counter+0: nothing orders write by CPU 0 and readOnce by CPU 1');
  assert.equal(found?.at, [
    { at: 1, cpu: 0 },
    { at: 3, cpu: 1 },
  ]);
  assert.equal(found?.addresses, [X]);
  assert.ok(found?.details.includes('value changed by CPU 0: 0x4 -> 0x5'));
  const [mirrored] = named.run(traceOf([c1('readOnce', X, 5), c0('write', X, 6, 5)]));
  assert.is(mirrored?.key, found?.key, 'the same mistake, the other way round');
  const both = [c0('read', X, 5), c1('write', X, 6, 5), c0('read', X, 6)];
  assert.is(races(both), 2);
  assert.is(named.run(traceOf(both)).length, 1, 'told once');
});

test('one word races in one way once, in several ways several times; executions are apart', () => {
  const often = Array.from({ length: 9 }, (_, at) => [c0('write', X, at), c1('write', X, at)]).flat();
  assert.is(races(often), 1);
  assert.is(races([...often, c1('read', X, 1)]), 2);
  assert.is(races([c0('write', X, 1)]), 0);
  assert.is(races([c1('write', X, 1)]), 0);
});

test('what does not fit is refused or cut', () => {
  assert.throws(() => new Races({ cpus: 17, bytes: 64 }), /1 to 16 CPUs, not 17/);
  assert.throws(() => races([c0('read', 4096)]), /outside the 4096 bytes/);
  const many = Array.from({ length: MAX_RACES + 9 }, (_, at) => [
    c0('write', 4 * at),
    c1('write', 4 * at),
  ]).flat();
  assert.is(races(many), MAX_RACES);
});

test('sixteen CPUs', () => {
  const all = new Races({ cpus: 16, bytes: 4096 });
  const steps: Step[] = [];
  for (let cpu = 0; cpu < 16; cpu += 1)
    steps.push(
      { op: 'fetchAdd', cpu, addr: FLAG, value: cpu + 1, before: cpu },
      { op: 'write', cpu, addr: X },
      { op: 'read', cpu, addr: PTR },
    );
  assert.is(all.scan(traceOf(steps)), 1, 'each writes after it has passed the turn on');
  const turns = steps.map((step, at) =>
    at % 3 === 0 ? steps[at + 1]! : at % 3 === 1 ? steps[at - 1]! : step,
  );
  assert.is(all.scan(traceOf(turns)), 1, 'the first has taken no turn');
  assert.is(
    all.scan(
      traceOf([
        ...turns.map((step) => ({ ...step, addr: step.op === 'write' ? X + 4 * step.cpu! : step.addr! })),
        { op: 'write', cpu: 0, addr: PTR },
      ]),
    ),
    1,
    'the last of many readers',
  );
});

test.run();
