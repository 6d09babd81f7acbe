/**
 * Objects that are used after they were given back, or never are given back.
 *
 * A pointer is worth something only while something keeps its object: a reference that was taken under the lock that protects the lookup, or a read section that
 * the other side waits for. The slab hands an object that was just freed out first, so a pointer that is too old finds an object of the
 * same kind with other content (that is SLAB_TYPESAFE_BY_RCU's bargain).
 *
 * The last one is the opposite: an object that nobody uses any more and nobody gives back.
 *
 * The annotation `consumed` says where a pointer was obtained; lifetimes are judged from there.
 */
import type { Addr, Isa } from '../arch/index.ts';
import type { MutexOps } from '../locking/kinds.ts';
import { type Cpu, initSlab, ptr, type Slab, slab, slabBytes, struct, u32, words } from '../memory/index.ts';
import type { Actor, ScenarioContext } from '../scenario.ts';
import { classic } from './classic.ts';
import { mutexOps } from './parts.ts';

const Obj = struct('object', { refs: u32, key: u32 });
const SLAB = { layout: Obj, objects: 2 };
const CPUS = 2;
const OLD = 7;
const NEW = 8;
const REUSED = 9;

/** A slab of two objects, at the start of a state. */
const slabField = words(slabBytes(SLAB, CPUS) / 4);
const slabOf = (isa: Isa, cpu: Cpu, at: Addr): Slab => slab({ isa, cpu }, at, Obj);

function create(isa: Isa, objects: Slab, key: number): Addr {
  const object = objects.alloc();
  isa.writeOnce(object + Obj.refs, 1);
  isa.writeOnce(object + Obj.key, key);
  return object;
}

function firstObject({ isa, cpu, state }: Pick<ScenarioContext, 'isa' | 'cpu' | 'state'>): Addr {
  initSlab(isa, state, SLAB, { cpus: CPUS });
  return create(isa, slabOf(isa, cpu, state), OLD);
}

const Registry = struct('registry', { slab: slabField, lock: u32, entry: ptr(Obj), seen: u32 });

const remove: Actor<MutexOps> = ({ isa, cpu, state, tools }) => {
  const objects = slabOf(isa, cpu, state);
  tools.acquire(state + Registry.lock);
  const object = isa.read(state + Registry.entry);
  isa.write(state + Registry.entry, 0);
  tools.release(state + Registry.lock);
  if (isa.fetchAdd(object + Obj.refs, -1) !== 1) return;
  objects.free(object);
  create(isa, objects, REUSED);
};

/** A reference that is taken after the lookup's lock was released. */
export const lookupThenGet = classic({
  name: 'lookup-then-get',
  wrong:
    'an object is looked up under a lock and its reference taken after the release: its last reference is dropped in between',
  source: 'Linux Documentation/core-api/kref.rst, rule 3; CWE-416',
  caughtBy: 'lifetime',
  stride: 16,
  state: Registry,
  create: mutexOps,
  init: (context) => context.isa.write(context.state + Registry.entry, firstObject(context)),
  check: ({ isa, state, fail }) => {
    const seen = isa.read(state + Registry.seen);
    if (seen !== 0 && seen !== OLD) fail(`the object looked up had become ${seen}`);
  },
  broken: {
    actors: [
      remove,
      ({ isa, state, tools }) => {
        tools.acquire(state + Registry.lock);
        const object = isa.read(state + Registry.entry);
        tools.release(state + Registry.lock);
        if (object === 0) return;
        isa.consumed(object);
        isa.fetchAdd(object + Obj.refs, 1);
        isa.write(state + Registry.seen, isa.readOnce(object + Obj.key));
      },
    ],
  },
  fixed: {
    actors: [
      remove,
      ({ isa, state, tools }) => {
        tools.acquire(state + Registry.lock);
        const object = isa.read(state + Registry.entry);
        if (object !== 0) {
          isa.consumed(object);
          isa.fetchAdd(object + Obj.refs, 1);
        }
        tools.release(state + Registry.lock);
        if (object !== 0) isa.write(state + Registry.seen, isa.readOnce(object + Obj.key));
      },
    ],
  },
});

const Published = struct('published', { slab: slabField, current: ptr(Obj), reading: u32, seen: u32 });

const replace =
  (waitForReader: (isa: Isa, reading: Addr) => void): Actor =>
  ({ isa, cpu, state }) => {
    const objects = slabOf(isa, cpu, state);
    const old = isa.load(state + Published.current);
    isa.store(state + Published.current, create(isa, objects, NEW));
    waitForReader(isa, state + Published.reading);
    objects.free(old);
    create(isa, objects, REUSED);
  };
const readCurrent: Actor = ({ isa, state }) => {
  isa.store(state + Published.reading, 1);
  const object = isa.load(state + Published.current);
  isa.consumed(object);
  isa.write(state + Published.seen, isa.readOnce(object + Obj.key));
  isa.storeWake(state + Published.reading, 0);
};

/** Read-copy update without the wait. */
export const noGracePeriod = classic({
  name: 'no-grace-period',
  wrong:
    'an object is replaced and freed at once: a reader that still has the old one reads what it is used for next',
  source: 'McKenney and Slingwine 1998, "Read-copy update"; Linux Documentation/RCU/whatisRCU.rst',
  caughtBy: 'lifetime',
  stride: 16,
  state: Published,
  init: (context) => context.isa.write(context.state + Published.current, firstObject(context)),
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Published.seen) === REUSED)
      fail('the reader read an object that was freed and reused');
  },
  broken: { actors: [replace(() => {}), readCurrent] },
  fixed: {
    actors: [
      replace((isa, reading) => {
        if (isa.load(reading) === 1) isa.spinWhile(reading, 1);
      }),
      readCurrent,
    ],
  },
});

const Counted = struct('counted', { refs: u32, freed: u32, used_after: u32 });

/** A reference that is dropped by a load and a store. */
export const putReadThenWrite = classic({
  name: 'put-read-then-write',
  wrong: 'a reference is dropped by a load and a store: two drops become one and nobody frees, or both do',
  source:
    'CWE-911, "Improper update of reference count"; Linux Documentation/core-api/refcount-vs-atomic.rst',
  caughtBy: 'check',
  cpus: 2,
  state: Counted,
  init: ({ isa, state }) => isa.write(state + Counted.refs, 2),
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Counted.freed) !== 1) fail(`freed ${isa.read(state + Counted.freed)} times`);
  },
  broken: {
    actors: ({ isa, state }) => {
      const refs = isa.load(state + Counted.refs);
      isa.store(state + Counted.refs, refs - 1);
      if (refs === 1) isa.fetchAdd(state + Counted.freed, 1);
    },
  },
  fixed: {
    actors: ({ isa, state }) => {
      if (isa.fetchAdd(state + Counted.refs, -1) === 1) isa.fetchAdd(state + Counted.freed, 1);
    },
  },
});

const putLast: Actor = ({ isa, state }) => {
  if (isa.fetchAdd(state + Counted.refs, -1) === 1) isa.store(state + Counted.freed, 1);
};
const use: Actor = ({ isa, state }) => {
  if (isa.load(state + Counted.freed) === 1) isa.write(state + Counted.used_after, 1);
  putLast({ isa, state } as ScenarioContext);
};

/** A reference taken on an object that has none left. */
export const refcountResurrect = classic({
  name: 'refcount-resurrect',
  wrong:
    'a reference is taken without a look whether there is one left: an object that is being freed is counted from 0 to 1',
  source:
    'Linux Documentation/core-api/kref.rst, kref_get_unless_zero; Corbet 2017, "Reference-count protection in the kernel", LWN',
  caughtBy: 'check',
  state: Counted,
  init: ({ isa, state }) => isa.write(state + Counted.refs, 1),
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Counted.used_after) !== 0) fail('the object was used after it was freed');
  },
  broken: {
    actors: [
      putLast,
      (context) => {
        context.isa.fetchAdd(context.state + Counted.refs, 1);
        use(context);
      },
    ],
  },
  fixed: {
    actors: [
      putLast,
      (context) => {
        const { isa, state } = context;
        let refs = isa.load(state + Counted.refs);
        while (refs !== 0) {
          const seen = isa.compareExchange(state + Counted.refs, refs, refs + 1);
          if (seen === refs) return use(context);
          refs = seen;
        }
      },
    ],
  },
});

const Cell = struct('cell', { slab: slabField, entry: ptr(Obj) });

/** Fills the cell unless somebody has. @returns what this CPU has made in vain, or 0 */
function fill({ isa, cpu, state }: Pick<ScenarioContext, 'isa' | 'cpu' | 'state'>): Addr {
  if (isa.load(state + Cell.entry) !== 0) return 0;
  const object = create(isa, slabOf(isa, cpu, state), NEW);
  return isa.compareExchange(state + Cell.entry, 0, object) === 0 ? 0 : object;
}

/** An object that came second and is forgotten. */
export const loserLeaks = classic({
  name: 'loser-leaks',
  wrong:
    'two find no entry and make one each; only one can be put there, and the other is given back by nobody',
  source: 'CWE-401, "Missing release of memory after effective lifetime"; CWE-772',
  caughtBy: 'lifetime',
  cpus: CPUS,
  stride: 16,
  state: Cell,
  keeps: 'reachable',
  init: ({ isa, state }) => initSlab(isa, state, SLAB, { cpus: CPUS }),
  check: ({ isa, state, fail }) => {
    const entry = isa.read(state + Cell.entry);
    if (entry === 0 || isa.read(entry + Obj.key) !== NEW) fail('there is no entry');
  },
  broken: {
    actors: (context) => {
      fill(context);
    },
  },
  fixed: {
    actors: (context) => {
      const { isa, cpu, state } = context;
      const late = fill(context);
      if (late !== 0) slabOf(isa, cpu, state).free(late);
    },
  },
});
