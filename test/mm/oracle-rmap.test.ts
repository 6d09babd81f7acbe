/** O-MAP follows the reverse mapping that a regime has, chains of entries and anonmms too, and one that a scenario brings; what is wrong with those is named, and nothing else. */
import * as assert from 'uvu/assert';
import { observer, quiescent, takeCensus } from '../../src/mm/oracles/index.ts';
import { regimeByName } from '../../src/mm/regime.ts';
import { AddressSpace, AnonMm, Mm, Page, PteChain, VM, Vma } from '../../src/mm/structs.ts';
import { oneCpu } from '../fixtures/mm/workload.ts';
import { suite } from '../suite.ts';

const test = suite('reverse mapping of the oracles');
const PAGE = 4096;
const RW = VM.READ | VM.WRITE;

/** A parent and its child that share a page, and a file that both map. */
function family(name: string) {
  const { k, placed, machine } = oneCpu({ frames: 48 }, () => ({ regime: regimeByName(name)! }));
  const file = k.pageCache.create(4);
  const parent = k.mms.create();
  k.maps.mmap(parent, { address: 0x4000, length: 2 * PAGE, flags: RW });
  k.maps.mmap(parent, { address: 0x8000, length: 2 * PAGE, flags: RW | VM.SHARED, file });
  k.user.userWrite(parent, 0x4000, 7, 1);
  k.user.userWrite(parent, 0x8000, 7, 2);
  const child = k.mms.fork(parent);
  k.user.userRead(child, 0x8000);
  const pageAt = (mm: number, address: number): number =>
    k.pages.pageAt(k.pgtable.read(k.pgtable.lookup(mm, address)) >>> 8);
  const said = (): string[] => quiescent(k);
  const chainOf = (page: number): number => k.isa.read(page + Page.chain);
  assert.equal(said(), []);
  return {
    k,
    placed,
    machine,
    parent,
    child,
    file,
    said,
    chainOf,
    shared: pageAt(parent, 0x4000),
    mapped: pageAt(parent, 0x8000),
  };
}
const only = (wrong: string[], oracle: string, sentence: RegExp): void => {
  assert.equal(
    wrong.map((each) => each.replace(/: .*$/s, '')),
    [oracle],
    wrong.join('\n'),
  );
  assert.match(wrong[0]!, sentence);
};

test('pte_chain: an entry that is missing, one that maps something else, one chain that is nobody’s', () => {
  for (const which of ['shared', 'mapped'] as const) {
    const { k, said, chainOf, parent, ...pages } = family('L');
    const place = chainOf(pages[which]) + PteChain.ptes;
    const entry = k.isa.read(place);
    k.isa.write(place, 0);
    only(
      said(),
      'O-MAP',
      /is mapped at 0x[48]000 of mm_struct#[01], and reverse mapping does not find it there/,
    );
    k.isa.write(place, entry);
    k.isa.write(place + 8, k.pgtable.lookup(parent, 0x5000));
    only(
      said(),
      'O-MAP',
      /reverse mapping of page\[\d+\] leads to page_table\[\d+\]\.entry\[5\], which does not map it/,
    );
    k.isa.write(place + 8, 0);
    assert.equal(said(), []);
  }
  const { k, said } = family('L');
  k.slabs.pteChains.alloc();
  only(said(), 'O-LEAK', /pte_chain#\d+ is live, and no page has it/);
});

test('pte_chain for anonymous pages, i_mmap for those of files', () => {
  const { k, said, chainOf, shared, mapped, file } = family('J1');
  assert.ok(chainOf(shared) !== 0);
  assert.is(chainOf(mapped), 0);
  k.isa.write(mapped + Page.index, 1);
  k.isa.write(k.pageCache.slotOf(file, 1), mapped);
  k.isa.write(k.pageCache.slotOf(file, 0), 0);
  only(said(), 'O-MAP', /is mapped at 0x8000 of mm_struct#0, and reverse mapping does not find it there/);
});

test('anonmm: a page that was moved without its index, a family that counts wrong, one that is nobody’s', () => {
  const { k, said, shared, parent } = family('HU');
  k.isa.write(shared + Page.index, 5);
  only(said(), 'O-MAP', /is mapped at 0x4000 of mm_struct#0, and reverse mapping does not find it there/);
  k.isa.write(shared + Page.index, 4);
  const head = k.isa.read(parent + Mm.anonmm);
  k.isa.write(head + AnonMm.count, 3);
  only(said(), 'O-REF', /anonmm#0\.count is 3, and 2 is right: 1 address space, 1 member/);
  k.isa.write(head + AnonMm.count, 2);
  k.lists.del(k.isa.read(head + AnonMm.list));
  k.lists.init(head + AnonMm.list);
  assert.equal(said(), [], 'members are known by their head');
  const lone = k.slabs.anonMms.alloc();
  k.isa.write(lone + AnonMm.mm, 0);
  k.isa.write(lone + AnonMm.head, head);
  const wrong = said();
  assert.ok(
    wrong.some((each) => /^O-LEAK: anonmm#\d+ is live, and no address space has it/.test(each)),
    wrong.join('\n'),
  );
});

test('i_mmap: a vma that its file has lost', () => {
  const { k, said, file, child } = family('AM');
  const vma = k.vmaTree.findVma(child, 0x8000);
  k.iMmap.remove(vma);
  const wrong = said();
  assert.ok(
    wrong.some((each) =>
      /^O-VMA: vm_area_struct#\d+ maps address_space#0, and is not in its i_mmap$/.test(each),
    ),
  );
  assert.ok(wrong.some((each) => /^O-MAP: /.test(each)));
  k.isa.write(vma + Vma.vm_flags, k.isa.read(vma + Vma.vm_flags) | VM.NONLINEAR);
  k.iMmap.nonlinearAdd(vma);
  assert.equal(said(), [], 'in the nonlinear list any page may be anywhere');
  k.isa.write(file + AddressSpace.i_mmap_nonlinear, 0x7ead0100);
  assert.ok(
    said().some((each) =>
      /^O-LIST: address_space#0\.i_mmap_nonlinear: next of the head is poison/.test(each),
    ),
  );
});

test('a design of the asker’s own; without a regime each page is looked for by what it points to', () => {
  for (const name of ['L', 'J1', 'A4', 'HU']) {
    const { k, placed, machine, shared } = family(name);
    assert.equal(quiescent(observer({ isa: machine.boot, ...placed })), [], name);
    assert.equal(
      quiescent(k, {
        rmapOf: (page, { frameOf }) => ({ entries: frameOf(page)!.entries.map(({ at }) => at), exact: true }),
      }),
      [],
    );
    const asked: number[] = [];
    const wrong = quiescent(k, {
      only: ['O-MAP'],
      rmapOf(page) {
        asked.push(page);
        return { entries: [], exact: true };
      },
    });
    assert.match(wrong[0]!, /^O-MAP: page\[\d+\] is mapped at/);
    assert.ok(asked.includes(shared) || asked.length > 0);
    assert.is(takeCensus(k).frames.length, placed.spec.frames + 1);
  }
});

test.run();
