/**
 * liburcu beside `rcu` and `qsbr`, where its headers are: a small program (native/rcu.c), compiled on the user's machine with the user's compiler.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compilerCommand, packageSources } from './native-build.ts';

/** What liburcu does here, or why that is not known. */
export type Liburcu =
  | {
      readonly available: true;
      readonly version: string;
      /** Nanoseconds of a read section with one plain read, and grace periods a second beside a reader, by flavour. */
      readonly memb: LiburcuFigures;
      readonly qsbr: LiburcuFigures;
    }
  | { readonly available: false; readonly reason: string };

/** What one flavour does. */
export interface LiburcuFigures {
  readonly section: number;
  readonly periods: number;
}

const FLAGS = ['-std=c11', '-O2', '-pthread'];
const LIBRARIES = ['-lurcu-memb', '-lurcu-qsbr', '-lurcu-common'];
const TIMEOUT = 60_000;

const run = (program: string, args: readonly string[]): { ok: boolean; output: string } => {
  const { error, status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: TIMEOUT });
  return { ok: error === undefined && status === 0, output: stdout || stderr || error?.message || '' };
};

/** Builds and runs it; a second or two. Never throws. @param compiler `$CC`, else `cc` */
export function measureLiburcu(compiler?: string): Liburcu {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(tmpdir(), 'lockrig-liburcu-'));
    const program = join(folder, 'rcu');
    const [cc = 'cc', ...args] = compilerCommand(compiler);
    const built = run(cc, [...args, ...FLAGS, '-o', program, join(packageSources(), 'rcu.c'), ...LIBRARIES]);
    if (!built.ok) {
      const why = built.output.split('\n').find((line) => /error/.test(line)) ?? built.output.split('\n')[0];
      return { available: false, reason: `its headers are not here (${why?.trim()})` };
    }
    const { ok, output } = run(program, []);
    if (!ok) return { available: false, reason: `it does not run here (${output.trim()})` };
    const version = run('pkg-config', ['--modversion', 'liburcu-memb']);
    return {
      available: true,
      version: version.ok ? version.output.trim() : 'of unknown version',
      ...(JSON.parse(output) as { memb: LiburcuFigures; qsbr: LiburcuFigures }),
    };
  } catch (error) {
    return { available: false, reason: (error as Error).message };
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** As a line of a report. */
export function liburcuText(found: Liburcu): string {
  if (!found.available) return `skipped: liburcu: ${found.reason}`;
  const figures = ({ section, periods }: LiburcuFigures): string =>
    `${section.toFixed(1)} ns a read section, ${(periods / 1000).toFixed(0)} k grace periods/s beside a reader`;
  return `liburcu ${found.version}: memb ${figures(found.memb)}; qsbr ${figures(found.qsbr)}`;
}
