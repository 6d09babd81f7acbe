/**
 * O-ZS: a store of small objects is whole (docs/mm.md, Oracles; drivers/zs.ts). And the part of O-LOST that is about objects.
 *
 *   zspage    its pages say that they are its, belong to its pool and are movable; `inuse` of its objects are allocated, the others are on the list of free ones, each once
 *             it is on the list of its class that `inuse` names, and on no list while the VM has a page of it, which `isolated` counts; the pool counts such zspages
 *   object    its head names a live handle, and that says where the object is, and is not pinned
 *   handle    has one object
 *
 * O-LOST: what stands in an object is the last write to it that was acknowledged, all of it.
 *
 * What of a zspage cannot be followed is said, and what lies behind it is not judged.
 */
import type { Addr } from '../../arch/index.ts';
import { SizeClass, type SizeClassShape, ZS_CLASSES, ZsHandle, ZsPool, Zspage } from '../drivers/structs.ts';
import { locationTo, objectsOf, sealOf, startOf } from '../drivers/zspage.ts';
import { MAPPING_MOVABLE, PG } from '../structs.ts';
import { FRAME_BYTES } from '../world.ts';
import type { Census, Frame } from './census.ts';
import { type Chain, walkChain } from './chains.ts';
import { first, type Oracle, once, times } from './oracle.ts';
import { readThings, type Thing, type Things } from './things.ts';

/** What a model's pools consist of. */
interface Store {
  readonly pools: Things;
  readonly classes: Things;
  readonly zspages: Things;
  readonly handles: Things;
  /** The lists of the classes that live pools have, by their heads. */
  readonly lists: ReadonlyMap<Addr, Chain>;
}

const LISTS = { empty: SizeClass.empty, partial: SizeClass.partial, full: SizeClass.full } as const;

/** Undefined: the model has none. */
const storeOf = once(({ isa, world }: Census): Store | undefined => {
  const { zsPools, sizeClasses, zspages, zsHandles } = world.driverSlabs;
  if (zsPools === undefined || zspages === undefined || zsHandles === undefined) return undefined;
  const classes = readThings(isa, sizeClasses!, world.end, SizeClass);
  const all = readThings(isa, zspages, world.end, Zspage);
  const within = (entry: Addr): boolean => all.at(entry - Zspage.list) !== undefined;
  const lists = new Map<Addr, Chain>();
  for (const { at, name } of classes.live)
    for (const [list, offset] of Object.entries(LISTS))
      lists.set(
        at + offset,
        walkChain(
          isa,
          () => `${name}.${list}`,
          at + offset,
          within,
          (entry) => all.called(entry - Zspage.list),
        ),
      );
  return {
    pools: readThings(isa, zsPools, world.end, ZsPool),
    classes,
    zspages: all,
    handles: readThings(isa, zsHandles, world.end, ZsHandle),
    lists,
  };
});

/** A zspage whose class and pages make sense. */
interface Sound {
  readonly zspage: Thing;
  readonly shape: SizeClassShape;
  readonly pages: readonly Frame[];
}

const wordOf = ({ shape, pages }: Sound, { world }: Census, index: number, word: number): Addr => {
  const at = shape.words * index + word;
  return world.frames + FRAME_BYTES * pages[Math.floor(at / 16)]!.pfn + 4 * (at % 16);
};

/** A zspage and its pages; or what keeps it from being looked at. */
function soundOf(census: Census, { pools, classes }: Store, zspage: Thing): Sound | string {
  const { read, frameOf, called } = census;
  const { at, name } = zspage;
  const sizeClass = classes.at(read(at + Zspage.class));
  const pool = pools.at(read(at + Zspage.pool));
  if (!sizeClass?.live || !pool?.live) return `${name} is live, and its pool or its class is not`;
  const shape = ZS_CLASSES[read(sizeClass.at + SizeClass.index)];
  if (shape === undefined) return `${sizeClass.name} has no size`;
  const pages: Frame[] = [];
  for (let place = 0; place < shape.pages; place += 1) {
    const page = frameOf(read(at + Zspage.pages + 4 * place));
    if (page === undefined)
      return `page ${place} of ${name} is ${called(read(at + Zspage.pages + 4 * place))}`;
    const mapping = read(pool.at + ZsPool.mapping) | MAPPING_MOVABLE;
    if (page.private !== at || page.index !== place || page.mapping !== mapping)
      return `${page.name} is page ${place} of ${name}, and does not say so`;
    pages.push(page);
  }
  return { zspage, shape, pages };
}

/** What its objects say. */
function objects(
  census: Census,
  { handles }: Store,
  sound: Sound,
  owned: Map<Addr, string>,
): string | undefined {
  const { read } = census;
  const { zspage, shape, pages } = sound;
  const { at, name } = zspage;
  const free = new Set<number>();
  for (let next = read(at + Zspage.freeobj); next !== 0; ) {
    const index = next - 1;
    if (index < 0 || index >= objectsOf(shape) || free.has(index))
      return `the free objects of ${name} lead to number ${index}`;
    free.add(index);
    next = read(wordOf(sound, census, index, 0)) >>> 1;
  }
  for (let index = 0; index < objectsOf(shape); index += 1) {
    const head = read(wordOf(sound, census, index, 0));
    const object = `object ${index} of ${name}`;
    if (free.has(index)) {
      if ((head & 1) !== 0) return `${object} is free, and its head says that it is allocated`;
      continue;
    }
    const handle = handles.at(head & ~1);
    if ((head & 1) === 0 || !handle?.live) return `${object} is allocated, and its head names no handle`;
    const should = locationTo(pages[startOf(shape, index).page]!.pfn, index);
    const is = read(handle.at + ZsHandle.obj);
    if (is !== should)
      return `${handle.name}.obj is 0x${is.toString(16)}, and ${object} is at 0x${should.toString(16)}`;
    owned.set(handle.at, object);
  }
  const inuse = read(at + Zspage.inuse);
  return inuse === objectsOf(shape) - free.size
    ? undefined
    : `${name}.inuse is ${inuse}, and ${objectsOf(shape) - free.size} are allocated`;
}

/** Whether it is where it belongs. */
function filed(census: Census, { lists }: Store, { zspage, shape, pages }: Sound): string | undefined {
  const { read } = census;
  const { at, name } = zspage;
  const isolated = pages.filter(({ flags }) => (flags & PG.isolated.mask) !== 0).length;
  if (read(at + Zspage.isolated) !== isolated)
    return `${name}.isolated is ${read(at + Zspage.isolated)}, and ${times(isolated, 'page')} are`;
  const inuse = read(at + Zspage.inuse);
  const list = inuse === 0 ? 'empty' : inuse === objectsOf(shape) ? 'full' : 'partial';
  const head = read(at + Zspage.class) + LISTS[list];
  const on = [...lists.values()].find(({ entries }) => entries.includes(at + Zspage.list));
  if (isolated > 0) return on && `${name} is on ${on.name()}, and the VM has a page of it`;
  return on?.head === head
    ? undefined
    : `${name} is on ${on?.name() ?? 'no list'}, and belongs on ${lists.get(head)?.name()}`;
}

function whole(census: Census): string | undefined {
  const store = storeOf(census);
  if (store === undefined) return undefined;
  const { pools, zspages, handles, lists } = store;
  const { read } = census;
  const broken = [...lists.values()].find(({ wrong }) => wrong !== undefined);
  if (broken) return `${broken.name()}: ${broken.wrong}`;
  const owned = new Map<Addr, string>();
  const away = new Map<Addr, number>();
  return (
    first(zspages.live, (zspage) => {
      const sound = soundOf(census, store, zspage);
      if (typeof sound === 'string') return sound;
      const pool = read(zspage.at + Zspage.pool);
      if (read(zspage.at + Zspage.isolated) !== 0) away.set(pool, (away.get(pool) ?? 0) + 1);
      return filed(census, store, sound) ?? objects(census, store, sound, owned);
    }) ??
    first(handles.live, ({ at, name }) =>
      owned.has(at) ? undefined : `${name} is live, and has no object`,
    ) ??
    first(pools.live, ({ at, name }) => {
      const [is, should] = [read(at + ZsPool.isolated_pages), away.get(at) ?? 0];
      return is === should ? undefined : `${name}.isolated_pages is ${is}, and ${should} is right`;
    })
  );
}

export const zsWhole: Oracle = {
  name: 'O-ZS',
  says: 'zspages, their objects and their handles agree, and lie on the lists that say what is free in them',
  check: whole,
};

/** O-LOST of objects. @returns what is wrong */
export function lostObjects(census: Census): string | undefined {
  const store = storeOf(census);
  if (store === undefined || whole(census) !== undefined) return undefined;
  const { read } = census;
  return first(store.zspages.live, (zspage) => {
    const sound = soundOf(census, store, zspage) as Sound;
    for (let index = 0; index < objectsOf(sound.shape); index += 1) {
      const head = read(wordOf(sound, census, index, 0));
      if ((head & 1) === 0) continue;
      const handle = head & ~1;
      const [by, version] = [read(handle + ZsHandle.debug_by), read(handle + ZsHandle.debug_version)];
      if (by === 0) continue;
      for (let word = 0; word < sound.shape.words - 1; word += 1) {
        const should = word === 0 ? by : word === 1 ? version : sealOf(by, version, word);
        const is = read(wordOf(sound, census, index, word + 1));
        if (is !== should)
          return `word ${word} of object ${index} of ${zspage.name} is ${is}, and not of write ${version} of ${by}, which ${store.handles.called(handle)} was told of`;
      }
    }
    return undefined;
  });
}
