/**
 * The peers that `lockrig bench locks --against` can name.
 */
import { familiesOf, findPeers } from '../peers/index.ts';
import type { FoundPeers } from './peer.ts';

/** Finds those that this machine has, of the families that names and globs are of. */
export async function allPeers(names: readonly string[]): Promise<FoundPeers> {
  return findPeers(familiesOf(names));
}
