/**
 * Keeps dist what the sources say, cheaply: no compiler is started when nothing changed.
 *
 *   node harness/build/stale.mjs           builds if dist does not stem from the sources as they are now
 *   node harness/build/stale.mjs --stamp   after a build: removes what is left of deleted sources, lets commands be run, records the sources
 *
 * The record is path, size and time of each source, so that a file that was deleted, renamed or set back to an older version
 * counts as a change too. A build that fails leaves no new record and is tried again.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const folders = ['src', 'workers', 'harness', 'bench', 'test'];
const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const record = join(root, 'dist', '.sources');

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function sources() {
  const files = [
    ...folders.flatMap((folder) => filesBelow(join(root, folder))),
    ...['package.json', 'package-lock.json', 'tsconfig.json'].map((name) => join(root, name)),
  ];
  const lines = files.map((file) => {
    const { size, mtimeMs } = statSync(file);
    return `${relative(root, file).split(sep).join('/')} ${size} ${mtimeMs}`;
  });
  return `${lines.sort().join('\n')}\n`;
}

/** tsc never deletes: a test file that is gone would go on being run from dist. */
function prune() {
  for (const file of folders.flatMap((folder) => filesBelow(join(root, 'dist', folder)))) {
    const stem = file.match(/^(.*?)(\.d\.ts|\.js|\.js\.map)$/)?.[1];
    if (stem === undefined) continue;
    const source = join(root, relative(join(root, 'dist'), stem));
    if (!existsSync(`${source}.ts`) && !existsSync(`${source}.js`)) rmSync(file);
  }
}

if (process.argv.includes('--stamp')) {
  prune();
  // npm does that when it installs; a folder that was removed and built again is a new one.
  for (const command of Object.values(bin)) chmodSync(join(root, command), 0o755);
  writeFileSync(record, sources());
} else if (!existsSync(record) || readFileSync(record, 'utf8') !== sources()) {
  console.error('dist does not match the sources: building');
  const npm = process.env.npm_execpath;
  const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []];
  const build = spawnSync(command, [...args, 'run', '--silent', 'build'], {
    cwd: root,
    stdio: ['ignore', process.stderr.fd, process.stderr.fd],
  });
  process.exitCode = build.status ?? 1;
}
