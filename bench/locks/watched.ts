/**
 * Lock statistics of a lock that a sweep measures, for whoever watches it meanwhile: `lockrig top` of the folder. A file a lock, written about once a second between
 * two windows; it has the setting that is measured now, and time is that in which this lock ran.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readStatDocument } from '../../harness/measure/documents.ts';
import { Published, statFileOf } from '../../harness/measure/publish.ts';
import type { Setting } from '../../harness/measure/schema.ts';
import { writeWhole } from '../../harness/report/files.ts';
import { duration } from './settings.ts';
import type { SweepTeam } from './team.ts';

const COMMAND = 'bench locks';

/** Says of the statistics of these locks that the sweep is over. */
export function endWatched(folder: string, locks: readonly string[], complete: boolean): void {
  for (const lock of locks) {
    const file = join(folder, statFileOf(lock));
    if (existsSync(file)) writeWhole(file, `${JSON.stringify({ ...readStatDocument(file), complete })}\n`);
  }
}

/** A lock in a setting, as it is watched. */
export class Watched {
  private readonly published: Published;
  private readonly subject: string;
  private readonly cpus: number;
  private readonly team: SweepTeam;

  constructor(file: string, lock: string, { cpus, section }: Setting, team: SweepTeam) {
    this.published = new Published(COMMAND, [file]);
    this.published.start(() => team.stat());
    this.subject = `${lock}, sections of ${duration(section)}`;
    this.cpus = cpus;
    this.team = team;
  }

  /** Between two windows. */
  look(): void {
    const { subject, cpus, team } = this;
    this.published.tick({ subject, cpus, seconds: team.seconds });
  }
}
