/**
 * How pages are migrated: mm/migrate.c of Linux 4.8 (commit bda807d44454), as reviewed and as merged, as data.
 *
 * What each race has wrong is one of these rules, put differently.
 */

/** How a page is moved, and what comes of it. */
export interface MigrateRules {
  /** Which old pages lose `mapping` when they are migrated: those without a type (merged); those with one (the negation that the review proposed); all but anonymous ones (before the series) (R4.2). */
  readonly clearsMapping: 'no type' | 'a type' | 'not anonymous';
  /** After -EAGAIN a page stays on the list for the next pass; or is put back, and stays on the list all the same (R4.12). */
  readonly again: 'stays' | 'put back';
  /** After another error a page is put back once; or stays on the list besides (R4.12). */
  readonly fails: 'put back' | 'put back and stays';
  /** How often a page is tried. */
  readonly passes: number;
}

const MERGED: MigrateRules = { clearsMapping: 'no type', again: 'stays', fails: 'put back', passes: 10 };

/** The designs, by name. */
export const MIGRATE_DESIGNS = { merged: MERGED } as const satisfies Readonly<Record<string, MigrateRules>>;
