/**
 * The native peers of a sweep: locks in C (native/sweep.c), compiled here: ours, the C library's, those of Concurrency Kit and of liburcu where their headers are.
 *
 * One source, built once for each library that is there: whether it is, is found out by building.
 */
import type { Setting } from '../../harness/measure/schema.ts';
import type { PeerBudget, SweepPeer } from '../locks/peer.ts';
import type { Counted } from '../locks/times.ts';
import {
  buildNative,
  compilerCommand,
  compilerVersion,
  type NativeBuild,
  type NativeProgram,
  type NativeSource,
} from '../native-build.ts';
import {
  type Found,
  figuresOf,
  millisecondsOf,
  type Protected,
  runPeerProgram,
  verify,
  type Wants,
} from './run.ts';
import { libcVersion, libraryVersion } from './versions.ts';

/** What `--list` answers. */
type Listed = readonly { readonly name: string; readonly readers: boolean }[];

/** What sweep.c prints. */
interface Swept extends Protected {
  /** Nanoseconds of a turn of work; turns of a section. */
  readonly turn: number;
  readonly section: number;
  readonly rates: readonly number[];
  readonly shares: readonly number[];
  readonly from: readonly (readonly number[])[];
  readonly wait: Counted;
}

interface Library {
  /** Of the peers' names. */
  readonly prefix: string;
  /** Of the names in C. */
  readonly inC: RegExp;
  readonly flags: readonly string[];
  readonly libraries: readonly string[];
  /** What it is called, its Debian package, and what pkg-config calls it; of the C library none. */
  readonly from?: { readonly title: string; readonly debian: string; readonly pkgConfig: string };
}

const OWN: Library = { prefix: 'c', inC: /^(?!ck_|urcu_)/, flags: [], libraries: [] };
const LIBRARIES: readonly Library[] = [
  {
    prefix: 'ck',
    inC: /^ck_/,
    flags: ['-DWITH_CK'],
    libraries: [],
    from: { title: 'Concurrency Kit', debian: 'libck-dev', pkgConfig: 'ck' },
  },
  {
    prefix: 'urcu',
    inC: /^urcu_/,
    flags: ['-DWITH_URCU'],
    libraries: ['-lurcu-memb', '-lurcu-qsbr', '-lurcu-common'],
    from: { title: 'liburcu', debian: 'liburcu-dev', pkgConfig: 'liburcu-memb' },
  },
];

const MOST_CPUS = 256;
const MOST_LOCKS = 4096;
const HEADERS = ['sweep-locks.h', 'locks.h', 'threads.h'];

const sourceOf = ({ flags, libraries }: Library, version: string): NativeSource => ({
  main: 'sweep.c',
  headers: HEADERS,
  flags,
  libraries,
  version,
});

function argumentsOf(
  lock: string,
  setting: Setting,
  { warmup, window, rounds, every, pin }: PeerBudget,
): string[] {
  const { cpus, section, outside, reads, locks } = setting;
  const numbers = {
    threads: cpus,
    section: Math.round(section),
    outside: Math.round(outside),
    reads: Math.round(reads * 1000),
    locks,
    ms: Math.max(1, Math.ceil(window)),
    warmup: Math.ceil(warmup),
    windows: rounds,
    every,
  };
  const args = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return ['--lock', lock, ...args, ...(pin.length > 0 ? ['--pin', pin.join()] : [])];
}

function peerOf(
  { prefix, inC }: Library,
  { path }: NativeProgram<Listed>,
  { name: lock }: Listed[number],
  version: string,
): SweepPeer {
  const name = `${prefix}/${lock.replace(prefix === 'c' ? /^/ : inC, '')}`;
  return {
    name,
    kind: 'native',
    version,
    cannot({ cpus, locks, reads }) {
      if (cpus > MOST_CPUS) return `the native peers have at most ${MOST_CPUS} threads`;
      if (locks > MOST_LOCKS) return `the native peers have at most ${MOST_LOCKS} locks`;
      if (prefix === 'urcu' && reads === 0) return 'RCU is for readers, and nobody reads here';
      return undefined;
    },
    async measure(setting, budget) {
      const { every, signal } = budget;
      const args = argumentsOf(lock, setting, budget);
      const ms = millisecondsOf(budget);
      const swept = await runPeerProgram<Swept>({ name, program: path, args, ms, signal });
      verify(name, swept);
      const { rates, shares, from, wait, section, turn } = swept;
      return figuresOf({ rates, shares, from, wait, section: section * turn }, every);
    },
  };
}

/** The peers of a library. @throws Error with a sentence when it is not here */
function peersOf(library: Library, build: NativeBuild): SweepPeer[] {
  const { from, inC } = library;
  const version = from === undefined ? '' : libraryVersion(from.debian, from.pkgConfig);
  const program = buildNative<Listed>(sourceOf(library, version), build);
  const libc = libcVersion();
  return program.listed
    .filter(({ name }) => inC.test(name) && name !== 'none')
    .map((lock) => {
      const of = lock.name.startsWith('pthread_') ? libc : version;
      return peerOf(library, program, lock, [...(of === '' ? [] : [of]), program.compiler].join(', '));
    });
}

/** Why there is no compiler; undefined where there is one. */
function missingCompiler({ compiler }: NativeBuild): string | undefined {
  try {
    compilerVersion(compilerCommand(compiler));
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Finds or builds them. Blocks while the compiler works, a second or two for each library the first time. Never throws. @param wants which families are asked for: `c`, `ck`, `urcu` */
export function nativeSweepPeers(build: NativeBuild = {}, wants: Wants = () => true): Found {
  const peers: SweepPeer[] = [];
  const absent: string[] = [];
  const due = [OWN, ...LIBRARIES].filter(({ prefix }) => wants(prefix));
  const compiler = due.length > 0 ? missingCompiler(build) : undefined;
  if (compiler !== undefined)
    return { peers, absent: [`${due.map(({ prefix }) => `${prefix}/*`).join(', ')}: ${compiler}`] };
  for (const library of due)
    try {
      peers.push(...peersOf(library, build));
    } catch (error) {
      const { from, prefix } = library;
      const missing = from === undefined ? '' : `${from.title} is not here: install ${from.debian} (`;
      absent.push(`${prefix}/*: ${missing}${reasonOf(error)}${missing === '' ? '' : ')'}`);
    }
  return { peers, absent };
}
