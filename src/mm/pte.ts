/**
 * The format of page-table entries, and of virtual addresses.
 *
 *   present   1 | RW 2 | ACCESSED 4 | DIRTY 8 | frame number << 8      PROTNONE 16 instead of 1: mapped, but nobody may use it
 *   swap      SWAP 32 | slot << 8
 *   file      FILE 64 | page of the file << 8      of a nonlinear vma, where the page was unmapped
 *   migration MIGRATION 128 | RW 2 | frame number << 8      its page is being migrated: who meets one waits for the page lock
 *   none      0
 *
 * Addresses have 24 bits: 4 of the pgd, 4 of the pmd, 4 of the pte page, 12 in the page. With entries of two words a table has eight of them, and a pmd spans half as
 * much. The second word then repeats what is above the flags, so that an entry whose halves come from different stores shows (`torn`).
 *
 * An entry is changed under the page_table_lock. It is read without: by the one-word form in one access, by the two-word form in two.
 */
import type { Addr } from '../arch/index.ts';

/** Bits of an address in its page. */
export const PAGE_SHIFT = 12;
/** Bytes of a page, as addresses count them. */
export const PAGE_SIZE = 1 << PAGE_SHIFT;
/** The bits of an address that say which page. */
export const PAGE_MASK = -PAGE_SIZE;
/** The first address behind user space. */
export const TASK_SIZE = 1 << 24;

/** The processor may use the entry. */
export const PTE_PRESENT = 1;
/** The processor may write through it. */
export const PTE_RW = 2;
/** The processor sets it when it uses the entry. */
export const PTE_ACCESSED = 4;
/** The processor sets it when it writes through the entry. */
export const PTE_DIRTY = 8;
/** Stands for PTE_PRESENT in an entry without any right: present for the kernel, not for the processor. */
export const PTE_PROTNONE = 16;
/** Its page is on the swap device. */
export const PTE_SWAP = 32;
/** Its page, of a nonlinear vma, is in the file. */
export const PTE_FILE = 64;
/** Its page is being migrated. */
export const PTE_MIGRATION = 128;
/** Where the number begins. */
export const PTE_SHIFT = 8;

/** A present entry. @param flags PTE_RW, PTE_ACCESSED, PTE_DIRTY */
export const mkPte = (pfn: number, flags: number): number => (pfn << PTE_SHIFT) | flags | PTE_PRESENT;
/** The entry of a page that is on the swap device. */
export const swpPte = (slot: number): number => (slot << PTE_SHIFT) | PTE_SWAP;
/** The entry of a page of a nonlinear vma that is not mapped now. */
export const filePte = (index: number): number => (index << PTE_SHIFT) | PTE_FILE;

/** Whether it maps a page. */
export const ptePresent = (pte: number): boolean => (pte & (PTE_PRESENT | PTE_PROTNONE)) !== 0;
/** Whether the processor may use it to read. */
export const pteUsable = (pte: number): boolean => (pte & PTE_PRESENT) !== 0;
/** Whether it is empty. */
export const pteNone = (pte: number): boolean => pte === 0;
/** Whether it names a swap entry. */
export const pteSwap = (pte: number): boolean => (pte & (PTE_PRESENT | PTE_PROTNONE | PTE_SWAP)) === PTE_SWAP;
/** Whether it names a page of a file. */
export const pteFile = (pte: number): boolean => (pte & (PTE_PRESENT | PTE_PROTNONE | PTE_FILE)) === PTE_FILE;
/** The entry of a page that is being migrated. @param flags PTE_RW if it could be written through */
export const migrationPte = (pfn: number, flags: number): number =>
  (pfn << PTE_SHIFT) | (flags & PTE_RW) | PTE_MIGRATION;
/** Whether it stands for a page that is being migrated. */
export const pteMigration = (pte: number): boolean =>
  (pte & (PTE_PRESENT | PTE_PROTNONE | PTE_MIGRATION)) === PTE_MIGRATION;
/** Whether it may be written through. */
export const pteWrite = (pte: number): boolean => (pte & PTE_RW) !== 0;
/** Whether it was written through. */
export const pteDirty = (pte: number): boolean => (pte & PTE_DIRTY) !== 0;
/** Whether it was used since the last look. */
export const pteYoung = (pte: number): boolean => (pte & PTE_ACCESSED) !== 0;
/** Of a present entry and a migration entry the frame, of a swap entry the slot, of a file entry the page of the file. */
export const pteNumber = (pte: number): number => pte >>> PTE_SHIFT;

/** Whether a range is one that user space can have: whole pages from `start` on, not empty, not beyond TASK_SIZE. The length may end inside a page. */
export const userRange = (start: number, length: number): boolean =>
  Number.isInteger(start) &&
  start >= 0 &&
  start % PAGE_SIZE === 0 &&
  Number.isInteger(length) &&
  length > 0 &&
  start + length <= TASK_SIZE;

/** Rounds an address up to a page. */
export const pageAlign = (address: Addr): Addr => (address + PAGE_SIZE - 1) & PAGE_MASK;
