/** The entry at an address, if it maps a page (page_check_address); page_table_lock is held. */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { pteNumber, ptePresent } from '../pte.ts';

export function entryFor({ pages, pgtable }: Kernel) {
  return (mm: Addr, address: number, page: Addr): Addr => {
    const at = pgtable.lookup(mm, address);
    if (at === 0) return 0;
    const pte = pgtable.read(at);
    return ptePresent(pte) && pages.pageAt(pteNumber(pte)) === page ? at : 0;
  };
}
