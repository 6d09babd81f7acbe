/**
 * The reader of source maps, loaded when the first stack has to be mapped: most runs never show one, and those who map are not
 * asynchronous.
 */
import { createRequire } from 'node:module';

type Mapping = typeof import('@jridgewell/trace-mapping');

let loaded: Mapping | undefined;

/** The library. */
export function mapping(): Mapping {
  loaded ??= createRequire(import.meta.url)('@jridgewell/trace-mapping') as Mapping;
  return loaded;
}
