/**
 * The peers that `lockrig bench locks --against` can name.
 */
import { findPeers } from '../peers/index.ts';
import type { FoundPeers } from './peer.ts';

/** Finds all that this machine has. */
export async function allPeers(): Promise<FoundPeers> {
  return findPeers();
}
