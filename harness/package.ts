/** This package on the disk: where it lies and which version it is, from its sources or from dist/, which lies one level further down. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder of lockrig's package.json, with a separator at its end. */
export const PACKAGE_ROOT: string = fileURLToPath(
  ['../', '../../']
    .map((up) => new URL(up, import.meta.url))
    .find((folder) => existsSync(new URL('package.json', folder))) ?? new URL('../', import.meta.url),
);

/** The version of lockrig; `unknown` where there is no package.json. */
export function packageVersion(): string {
  try {
    return (JSON.parse(readFileSync(`${PACKAGE_ROOT}package.json`, 'utf8')) as { version: string }).version;
  } catch {
    return 'unknown';
  }
}
