/** All peers of a sweep that this machine has. */
import picomatch from 'picomatch';
import type { NativeBuild } from '../native-build.ts';
import { type JsSearch, jsPeers } from './js.ts';
import { nativeSweepPeers } from './native.ts';
import type { Found, Wants } from './run.ts';

/** What peers' names begin with. */
export const FAMILIES = ['c', 'ck', 'urcu', 'npm', 'v8', 'node'] as const;

/** The families of names and globs; all where one of them is nobody's, so that it can be said what there is. */
export function familiesOf(names: readonly string[]): Wants {
  const asked = names.map((name) => picomatch(name.split('/')[0] ?? ''));
  const known = asked.every((matches) => FAMILIES.some((family) => matches(family)));
  return (family) => !known || asked.some((matches) => matches(family));
}

/** Finds them: compiles what is in C, asks for packages, asks Node. Blocks for some seconds the first time. Never throws. */
export function findPeers(
  wants: Wants = () => true,
  { native, js }: { native?: NativeBuild; js?: JsSearch } = {},
): Found {
  const [c, others] = [nativeSweepPeers(native, wants), jsPeers(js, wants)];
  return { peers: [...c.peers, ...others.peers], absent: [...c.absent, ...others.absent] };
}
