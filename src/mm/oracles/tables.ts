/**
 * The page tables of an address space as an oracle walks them (page-table.ts has the format). The walk is the oracle's own: what it checks is not asked for the way.
 *
 * An upper entry holds the address of the next table. One that leads to no frame is damage, and is not followed; neither is a table that the walk has come through before.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import { PAGE_SHIFT, PTE_SHIFT } from '../pte.ts';
import type { MmSpec } from '../spec.ts';
import { FRAME_BYTES, type World } from '../world.ts';

/** A table that was reached. */
export interface Table {
  /** Where its entries lie. */
  readonly at: Addr;
  readonly pfn: number;
  readonly lowest: boolean;
  /** The first address that it is for. */
  readonly address: number;
}

/** A lowest entry that is not none. */
export interface RawEntry {
  readonly at: Addr;
  readonly address: number;
  readonly pte: number;
  /** Its two words come from different stores. */
  readonly torn: boolean;
}

/** What a walk finds. */
export interface TableVisit {
  table(table: Table): void;
  entry(at: Addr, address: number, pte: number, torn: boolean): void;
  /** @param where the entry that is damaged @param points what it holds */
  wild(where: Addr, points: number): void;
}

const UPPER = 16;
const UPPER_BITS = 4;

/** Bytes of a lowest entry. */
export const entryBytes = ({ pteWords }: MmSpec): number => 4 * pteWords;

/** What a lowest table spans. */
export const spanOf = (spec: MmSpec): number => (FRAME_BYTES / entryBytes(spec)) << PAGE_SHIFT;

/** Walks the tables below a top one. @param seen tables that walks have come through */
export function walkTables(
  isa: Pick<Isa, 'read'>,
  spec: MmSpec,
  world: World,
  top: Addr,
  seen: Set<Addr>,
  visit: TableVisit,
): void {
  const step = entryBytes(spec);
  const lowest = spanOf(spec);
  const isTable = (at: Addr): boolean =>
    at > world.frames &&
    at <= world.frames + FRAME_BYTES * spec.frames &&
    (at - world.frames) % FRAME_BYTES === 0;

  function entries(table: Addr, address: number): void {
    for (let at = table, page = address; at < table + FRAME_BYTES; at += step, page += 1 << PAGE_SHIFT) {
      const pte = isa.read(at);
      const torn = step === 8 && isa.read(at + 4) !== pte >>> PTE_SHIFT;
      if (pte !== 0 || torn) visit.entry(at, page, pte, torn);
    }
  }

  // What an entry of each level spans. With two words an address has a bit left over, by which a root chooses between pgds.
  const spans = [lowest << (2 * UPPER_BITS), lowest << UPPER_BITS, lowest].slice(spec.pteWords === 1 ? 1 : 0);

  function below(table: Addr, address: number, level: number): void {
    const span = spans[level];
    const pfn = (table - world.frames) / FRAME_BYTES;
    visit.table({ at: table, pfn, lowest: span === undefined, address });
    if (seen.has(table)) return;
    seen.add(table);
    if (span === undefined) entries(table, address);
    else upper(table, address, level, span);
  }

  function upper(table: Addr, address: number, level: number, span: number): void {
    for (let index = 0; index < UPPER; index += 1) {
      const next = isa.read(table + 4 * index);
      if (next === 0) continue;
      if (isTable(next)) below(next, address + index * span, level + 1);
      else visit.wild(table + 4 * index, next);
    }
  }

  if (top === 0) return;
  if (isTable(top)) below(top, 0, 0);
  else visit.wild(0, top);
}
