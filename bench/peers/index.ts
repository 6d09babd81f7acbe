/** All peers of a sweep that this machine has. */
import type { NativeBuild } from '../native-build.ts';
import { type JsSearch, jsPeers } from './js.ts';
import { nativeSweepPeers } from './native.ts';
import type { Found } from './run.ts';

/** Finds them: compiles what is in C, asks for packages, asks Node. Blocks for some seconds the first time. Never throws. */
export function findPeers({ native, js }: { native?: NativeBuild; js?: JsSearch } = {}): Found {
  const [c, others] = [nativeSweepPeers(native), jsPeers(js)];
  return { peers: [...c.peers, ...others.peers], absent: [...c.absent, ...others.absent] };
}
