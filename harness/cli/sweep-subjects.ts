/**
 * What a sweep measures: locks by name or file, those that they are held against, and peers, which are asked for by their names among the latter.
 */

import type { FoundPeers, PeerLock, SweepPeer } from '../../bench/locks/peer.ts';
import { cannot } from '../../bench/locks/sections.ts';
import type { Swept } from '../../bench/locks/sweep.ts';
import { FAMILIES } from '../../bench/peers/index.ts';
import type { BenchSubject } from '../../bench/team.ts';
import { findLocks } from './bench.ts';
import { UsageError } from './errors.ts';

/** What is measured when nobody says what: spinning and sleeping, fair and not. */
const USUAL = ['tas', 'ticket', 'mcs', 'qspinlock', 'mutex3', 'mutex'];

/** What was found. */
export interface SweepSubjects {
  readonly locks: readonly Swept[];
  readonly peers: readonly SweepPeer[];
  readonly absent: readonly string[];
}

const isLock = (peer: SweepPeer | PeerLock): peer is PeerLock => 'subject' in peer;

/** Two locks may have one name, a built-in and a user's: the later one is told by its number. */
function named(subjects: readonly BenchSubject[]): Swept[] {
  const known = new Map<string, BenchSubject>();
  for (const subject of subjects) {
    const { name } = subject.lock;
    if ([...known.values()].some(({ lock, url }) => lock.name === name && url === subject.url)) continue;
    let label = name;
    for (let number = 2; known.has(label); number += 1) label = `${name} (${number})`;
    known.set(label, subject);
  }
  return [...known].map(([name, subject]) => ({ name, subject }));
}

/** Names that could be a peer's: two words with a slash between, and no file's. */
const PEERISH = /^[\w*-]+\/[\w.*-]+$/;

async function peersLike(
  names: readonly string[],
  find: (names: readonly string[]) => Promise<FoundPeers>,
): Promise<{ peers: (SweepPeer | PeerLock)[]; absent: readonly string[] }> {
  if (names.length === 0) return { peers: [], absent: [] };
  const { default: picomatch } = await import('picomatch');
  const found = await find(names);
  const peers = names.flatMap((name) => {
    const matches = picomatch(name);
    return found.peers.filter((peer) => peer.name === name || matches(peer.name));
  });
  const because = (name: string): boolean =>
    found.absent.some((reason) => picomatch(name)(reason.split(':')[0]!));
  const missing = names.filter((name) => {
    const matches = picomatch(name);
    return !found.peers.some((peer) => peer.name === name || matches(peer.name));
  });
  const family = (name: string): string => name.split('/')[0]!;
  for (const name of missing) {
    // Known, and not here: the reason is given.
    if (because(name)) continue;
    const relatives = found.peers.filter((peer) => family(peer.name) === family(name));
    if (relatives.length > 0)
      throw new UsageError(
        `there is no peer '${name}': of ${family(name)} there are ${relatives.map((peer) => peer.name).join(', ')}`,
      );
    if (!FAMILIES.some((each) => picomatch(family(name))(each)))
      throw new UsageError(
        `there is no lock and no peer '${name}': peers are of ${FAMILIES.join(', ')}, such as c/mutex`,
      );
  }
  const known = found.peers.map(({ name }) => name).join(', ');
  return {
    peers: [...new Map(peers.map((peer) => [peer.name, peer])).values()],
    absent: [
      ...missing
        .filter((name) => !because(name))
        .map((name) => `${name}: this machine has no such peer; it has ${known === '' ? 'none' : known}`),
      ...found.absent,
    ],
  };
}

/**
 * Finds them.
 * @param against names with commas between, of locks, files and peers
 * @throws UsageError when a name is nobody's, a peer of a family that is here included, or a lock keeps nobody out of anything
 */
export async function sweepSubjects(
  names: readonly string[],
  against: readonly string[],
  find: (names: readonly string[]) => Promise<FoundPeers>,
): Promise<SweepSubjects> {
  const { loadLock } = await import('../../src/catalog.ts');
  const peerish: string[] = [];
  const others: string[] = [];
  for (const name of against)
    (PEERISH.test(name) && !name.startsWith('busted/') && (await loadLock(name)) === undefined
      ? peerish
      : others
    ).push(name);
  const mine = names.length > 0 ? names : against.length > 0 ? [] : USUAL;
  const asked = [...mine, ...others];
  const all = named(await findLocks(asked));
  const refused = all.flatMap(({ subject }) => cannot(subject.lock, 1) ?? []);
  const locks = all.filter(({ subject }) => cannot(subject.lock, 1) === undefined);
  // A glob stands for what can be measured; a name means what it says.
  const { default: picomatch } = await import('picomatch');
  for (const reason of refused) {
    if (locks.length === 0 || !asked.some((name) => picomatch.scan(name).isGlob))
      throw new UsageError(
        `${reason}: bench locks measures mutexes, rwlocks, rwsems, seqlocks, semaphores and async mutexes`,
      );
  }
  const { peers, absent } = await peersLike(peerish, find);
  return {
    locks: [
      ...locks,
      ...peers
        .filter(isLock)
        .map(({ name, kind, version, subject }) => ({ name, subject, peer: { kind, version } })),
    ],
    peers: peers.filter((peer): peer is SweepPeer => !isLock(peer)),
    absent: [...refused, ...absent],
  };
}
