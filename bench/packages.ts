/**
 * Published JavaScript locks beside one of lockrig's own: two CPUs that want the lock all the time, in turns, in the same loop. And liburcu, whose
 * figures stand beside those of `rcu` and `qsbr` in the sections before.
 *
 * They are the locks of examples/, as published. What this machine does not have is named with the reason.
 */
import { contended } from './contended.ts';
import { liburcuText, measureLiburcu } from './liburcu.ts';
import type { Row, Surroundings } from './section.ts';
import { contendedTable } from './table.ts';
import type { BenchSubject } from './team.ts';

/** What came out: rows, and why there is none of some lock. */
export interface Published {
  readonly rows: readonly Row[];
  readonly text: string;
}

/** Measures the published locks, each for itself: one that lets two CPUs in has no figure, and the others have theirs. */
export async function packages(around: Surroundings): Promise<Published> {
  const { mutex, published, absent } = around.packages;
  // Without the native peers: what C does stands in the section before.
  const peers = { available: false as const, reason: 'they are measured in the section contended' };
  const rows: Row[] = [];
  const said: string[] = [];
  for (const each of mutex === undefined ? [] : published) {
    const { name } = each.lock;
    const measured = await contended([mutex as BenchSubject], { ...around, peers, against: [each] });
    for (const row of measured) {
      if (row.problem === undefined) rows.push({ ...row, name: `${row.name} by ${name}` });
      else said.push(`not measured: ${row.problem}`);
    }
    said.push(`${name} is that of ${each.version}`);
  }
  around.progress('packages: liburcu');
  said.push(liburcuText(measureLiburcu()));
  const table = rows.length > 0 ? [contendedTable(rows)] : [];
  return { rows, text: [...table, ...said, ...absent.map((each) => `skipped: ${each}`)].join('\n') };
}
