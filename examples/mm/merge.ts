/**
 * A scanner that merges equal pages, on the model of Linux's memory management: an operation that the model lacks.
 *
 *   npx lockrig hunt examples/mm/merge.ts
 *
 * Two addresses have pages of equal content; the scanner lets both have one, and the first write of either copies it again. It has to take the right to write away before it compares: a write
 * that comes between the look and the merge is on the page that is thrown away.
 */
import {
  defineMmScenario,
  type Kernel,
  mkPte,
  PAGE_SIZE,
  PTE_RW,
  pteNumber,
  regimeByName,
  VM,
} from 'lockrig/mm';

const [FIRST, SECOND] = [0x400000, 0x400000 + PAGE_SIZE];

/** Lets the second address have the page of the first if their contents are equal; the page tables are this CPU's meanwhile. */
function merge(
  { isa, lru, pages, pgtable, rmap, tlb }: Kernel,
  mm: number,
  vma: number,
  early: boolean,
): void {
  const at = (address: number) => pgtable.lookup(mm, address);
  const [kept, gone] = [FIRST, SECOND].map((address) => pages.pageAt(pteNumber(pgtable.read(at(address)))));
  const equal = () => isa.readOnce(pages.contentOf(kept!) + 4) === isa.readOnce(pages.contentOf(gone!) + 4);
  const seen = early && equal();
  for (const address of [FIRST, SECOND]) {
    pgtable.set(at(address), pgtable.getAndClear(at(address)) & ~PTE_RW);
    tlb.flushPage(mm, address);
  }
  if (!(early ? seen : equal())) return;
  pgtable.getAndClear(at(SECOND));
  tlb.flushPage(mm, SECOND);
  rmap.remove(gone!, at(SECOND));
  pages.get(kept!);
  rmap.addAnon(kept!, vma, SECOND, at(SECOND));
  pgtable.set(at(SECOND), mkPte(pages.pfnOf(kept!), 0));
  if (pages.putTestzero(gone!)) lru.release(gone!);
}

const scanner = (name: string, early: boolean) =>
  defineMmScenario({
    name,
    spec: { frames: 16, vmas: 2, mms: 1 },
    // Its reverse mapping is a chain of entries: a page may be at any address.
    regime: regimeByName('L')!,
    init({ k }) {
      const mm = k.mms.create();
      k.maps.mmap(mm, { address: FIRST, length: 2 * PAGE_SIZE, flags: VM.READ | VM.WRITE });
      k.tlb.load(mm);
      for (const address of [FIRST, SECOND]) k.user.userWrite(mm, address, 1, 1);
      return mm;
    },
    actors: [
      ({ k, mm }) => k.vmas.withEntries(mm, SECOND, (vma) => merge(k, mm, vma, early)),
      ({ k, mm }) => {
        k.tlb.load(mm);
        k.user.userWrite(mm, SECOND, 1, 2);
      },
    ],
    check({ k, mm }) {
      const versions = [FIRST, SECOND].map((address) => k.user.userRead(mm, address).version);
      return versions.join() === '1,2' ? undefined : `the pages read ${versions.join(' and ')}, not 1 and 2`;
    },
  });

export const merges = scanner('merge', false);
export const comparesFirst = scanner('merge-compares-first', true);
