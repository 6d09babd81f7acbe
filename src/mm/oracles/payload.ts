/**
 * O-TAG and O-LOST: who reads a place finds the last write to it that was acknowledged (docs/mm.md, Oracles; ledger.ts says where that is recorded).
 *
 *   O-TAG    somebody else's write stands there: the frame is another's, or two have it
 *   O-LOST   an older write stands there, or none
 *
 * What a read would find is looked up as the processor and the fault would: a present entry's frame; of a swap entry the page in the cache, else the slot of the device; of a file the page
 * in its cache, else its place on the disk. A place that no entry leads to has lost its write, if it is private memory.
 */
import type { Addr } from '../../arch/index.ts';
import { PAGE_SHIFT } from '../pte.ts';
import { Payload } from '../structs.ts';
import { FRAME_BYTES } from '../world.ts';
import type { Census, Entry } from './census.ts';
import type { Ledger, Written } from './ledger.ts';
import { type Oracle, once } from './oracle.ts';
import { lostObjects } from './zs.ts';

/** Where the content of a place lies. */
interface Content {
  /** Undefined: nowhere. */
  readonly at: Addr | undefined;
  /** In words: the place, and what has it. */
  readonly place: () => string;
  readonly by: () => string;
}

const entriesOf = once(({ entries }): ReadonlyMap<Addr, Entry> => {
  const byWord = new Map<Addr, Entry>();
  for (const entry of entries) byWord.set(entry.at, entry);
  return byWord;
});

const contentOf = ({ world }: Census, pfn: number): Addr => world.frames + FRAME_BYTES * pfn;

function ofAddressSpace(census: Census, mm: string, owner: Addr, page: number): Content {
  const { read, entryAt, world, spec, frameOf } = census;
  const address = page << PAGE_SHIFT;
  const place = (): string => `0x${address.toString(16)} of ${mm}`;
  const there = entriesOf(census).get(entryAt(owner, address));
  // A table that is reached twice is walked once, so it is the other one's.
  const entry = there?.mm.at === owner && there.address === address ? there : undefined;
  if (entry?.page) return { at: contentOf(census, entry.page.pfn), place, by: () => entry.page!.name };
  if (!entry || entry.swap === 0) return { at: undefined, place, by: () => 'nothing' };
  const slot = entry.swap;
  if (slot > spec.swapPages)
    return { at: undefined, place, by: () => `swap entry ${slot}, which the device does not have` };
  const cached = frameOf(read(world.swapCache + 4 * (slot - 1)));
  if (cached && cached.pfn !== 0)
    return { at: contentOf(census, cached.pfn), place, by: () => `${cached.name}, swap entry ${slot}` };
  return { at: world.swapDisk + FRAME_BYTES * (slot - 1), place, by: () => `swap entry ${slot}` };
}

/** Where a read would find what was written; undefined: its owner is gone. */
function locate(census: Census, { owner, page, generation }: Written): Content | undefined {
  const { mms, files, frameOf, read, world, spec } = census;
  const mm = mms.at(owner);
  if (mm) return mm.generation === generation ? ofAddressSpace(census, mm.name, owner, page) : undefined;
  const file = files.at(owner);
  if (file) {
    if (file.generation !== generation) return undefined;
    const number = file.index * spec.filePages + page;
    const frame = frameOf(read(world.pageTrees + 4 * number));
    const place = (): string => `page ${page} of ${file.name}`;
    return frame && frame.pfn !== 0
      ? { at: contentOf(census, frame.pfn), place, by: () => frame.name }
      : { at: world.fileDisk + FRAME_BYTES * number, place, by: () => 'the disk' };
  }
  const frame = frameOf(owner);
  return frame && { at: contentOf(census, frame.pfn), place: () => frame.name, by: () => 'a device' };
}

/** What is wrong with places: that another's write stands there, or no longer this one. */
interface Wrong {
  tag?: string;
  lost?: string;
}

/** Judges a place, of which nothing else is known to be wrong so far. */
function judge(census: Census, written: Written, wrong: Wrong): void {
  const content = locate(census, written);
  if (!content) return;
  const { by, version, most } = written;
  const wrote = (): string => `write ${version} of ${by} to ${content.place()}`;
  if (content.at === undefined) {
    if (version !== 0) wrong.lost ??= `${wrote()} is lost: nothing is mapped there`;
    return;
  }
  const owner = census.read(content.at + Payload.owner);
  const there = census.read(content.at + Payload.version);
  const none = owner === 0 && there === 0;
  if (owner !== by && !none)
    wrong.tag ??= `${content.place()} is ${content.by()} with write ${there} of ${owner}, not of ${by}`;
  else if (none ? version !== 0 : there < version || there > most)
    wrong.lost ??= `${wrote()} is lost: ${content.by()} has ${none ? 'none' : `write ${there}`}`;
}

const wrongIn = once(() => new Map<Ledger, Wrong>());

/** What both laws have to say, found out by whoever asks first. */
function wrongs(census: Census, ledger: Ledger | undefined): Wrong {
  if (!ledger) return {};
  const known = wrongIn(census).get(ledger);
  if (known) return known;
  const wrong: Wrong = {};
  for (const written of ledger.all()) judge(census, written, wrong);
  wrongIn(census).set(ledger, wrong);
  return wrong;
}

export const tag: Oracle = {
  name: 'O-TAG',
  says: 'a place holds nobody else’s write',
  check: (census, { ledger }) => wrongs(census, ledger).tag,
};

export const lost: Oracle = {
  name: 'O-LOST',
  says: 'a place holds the last write to it that was acknowledged',
  check: (census, { ledger }) => wrongs(census, ledger).lost ?? lostObjects(census),
};
