/**
 * The published locks of examples/ that this machine has, for `lockrig bench packages`.
 */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { PublishedLocks } from '../../bench/section.ts';
import { mutex } from '../../src/locking/mutex.ts';
import { PACKAGE_ROOT } from '../package.ts';
import { findLocks } from './bench.ts';

/** Which example, and the package that it is about; '' where it is Node itself. */
const EXAMPLES = [
  ['multithreading.ts#multithreading/mutex', 'multithreading'],
  ['web-locks.ts', 'web-locks'],
  ['node-web-locks.ts', ''],
] as const;

function examplesFolder(): string | undefined {
  const folder = join(PACKAGE_ROOT, 'examples');
  return existsSync(folder) ? folder : undefined;
}

/** The version of an installed package. @throws Error when it is not installed */
function versionOf(name: string, from: string): string {
  if (name === '') return `Node ${process.versions.node}`;
  const require = createRequire(join(from, 'x.js'));
  let folder = dirname(require.resolve(name));
  while (
    !existsSync(join(folder, 'package.json')) ||
    !/"version"/.test(readFileSync(join(folder, 'package.json'), 'utf8'))
  )
    folder = dirname(folder);
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return `${name} ${version}`;
}

/** Finds them. */
export async function publishedLocks(): Promise<PublishedLocks> {
  const folder = examplesFolder();
  const published: PublishedLocks['published'][number][] = [];
  const absent: string[] = [];
  for (const [file, name] of EXAMPLES) {
    const label = name === '' ? 'navigator.locks' : `npm ${name}`;
    try {
      if (folder === undefined) throw new Error('examples/ is not there');
      const version = versionOf(name, folder);
      const [found] = await findLocks([join(folder, file)]);
      if (found) published.push({ ...found, version });
    } catch (error) {
      absent.push(`${label}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  absent.push(atomicsMutex());
  return { mutex: { lock: mutex }, published, absent };
}

/** V8's own mutex, behind a flag of its own: held while a callback runs, which the loop that all are measured in cannot say. */
function atomicsMutex(): string {
  return 'Mutex' in Atomics
    ? 'Atomics.Mutex: it is held while a callback runs, and has no acquire and release to measure here: lockrig bench locks --against v8/Atomics.Mutex does'
    : 'Atomics.Mutex: this V8 offers it, if at all, behind a flag: lockrig bench locks --against v8/Atomics.Mutex';
}
