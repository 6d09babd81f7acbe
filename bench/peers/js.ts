/**
 * The peers of a sweep that are used from JavaScript: npm packages that are installed, V8's own mutex behind its flag, and the Web Locks of Node itself.
 *
 * Each is measured in a process of its own, by the Node at hand; one that this Node has not is measured by the Node that `LOCKRIG_PEER_NODE` names, or it is absent, and said to be.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Peer, Setting } from '../../harness/measure/schema.ts';
import type { PeerBudget, SweepPeer } from '../locks/peer.ts';
import type { JsResult, JsTask } from './js-child.ts';
import { type Found, figuresOf, millisecondsOf, runPeerProgram, verify, type Wants } from './run.ts';
import { packageAt } from './versions.ts';

/** Where to look; every field has its default. */
export interface JsSearch {
  /** Programs of Node to ask, in this order; the one at hand, and `$LOCKRIG_PEER_NODE`. */
  readonly nodes?: readonly string[];
  /** A folder from which npm packages are found; lockrig's own. */
  readonly packages?: string;
  /** Milliseconds beyond its windows until a process is ended; a minute unless given. */
  readonly patience?: number;
}

interface Source {
  readonly kind: Peer['kind'];
  /** The names of its locks. */
  readonly locks: readonly string[];
  /** An npm package; the file of it that is imported is the package's main one. */
  readonly npm?: string;
  /** Flags that Node needs; whether a Node has it, as an expression; and which ones do, as a clause. */
  readonly flags?: readonly string[];
  readonly asks?: string;
  readonly needs?: string;
}

const SOURCES: readonly Source[] = [
  {
    kind: 'npm',
    npm: 'multithreading',
    locks: ['npm/multithreading-mutex', 'npm/multithreading-rwlock'],
  },
  { kind: 'npm', npm: 'web-locks', locks: ['npm/web-locks'] },
  {
    kind: 'v8',
    locks: ['v8/Atomics.Mutex'],
    flags: ['--harmony-struct'],
    asks: "typeof Atomics.Mutex?.lock === 'function'",
    needs: 'Atomics.Mutex needs a V8 that offers it behind --harmony-struct',
  },
  {
    kind: 'node',
    locks: ['node/locks'],
    asks: "typeof globalThis.navigator?.locks?.request === 'function'",
    needs: 'Web Locks need Node 24.5 or later',
  },
];

const MOST_CPUS = 256;
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const CHILD = fileURLToPath(new URL(`./js-child${extension}`, import.meta.url));

interface Asked {
  readonly has: boolean;
  readonly node: string;
  readonly v8: string;
}

/** Asks a Node what it is and whether it has something; undefined: it does not run, or knows not the flags. */
function ask(node: string, flags: readonly string[], expression: string): Asked | undefined {
  const code = `JSON.stringify({ has: ${expression}, node: process.versions.node, v8: process.versions.v8 })`;
  const { status, stdout } = spawnSync(node, [...flags, '-p', code], { encoding: 'utf8', timeout: 20_000 });
  return status === 0 ? (JSON.parse(stdout) as Asked) : undefined;
}

function nodesOf(): string[] {
  const named = process.env.LOCKRIG_PEER_NODE?.trim();
  return [process.execPath, ...(named ? [named] : [])];
}

/** How the locks of a source are run, and their version. @throws Error with a clause that says what is missing */
function foundIn(
  { npm, flags = [], asks = 'true', needs = '' }: Source,
  nodes: readonly string[],
  packages: string,
): { readonly node: string; readonly version: string; readonly module?: string } {
  if (npm !== undefined) {
    const [node] = nodes as [string];
    const { version, main } = packageAt(npm, packages);
    return { node, version: `${npm} ${version}`, module: pathToFileURL(main).href };
  }
  const seen: string[] = [];
  for (const node of nodes) {
    const asked = ask(node, flags, asks);
    if (asked?.has)
      return {
        node,
        version: `Node ${asked.node}, V8 ${asked.v8}${flags.length > 0 ? `, ${flags.join(' ')}` : ''}`,
      };
    seen.push(
      asked === undefined
        ? `'${node}' does not run${flags.length > 0 ? ` with ${flags.join(' ')}` : ''}`
        : `Node ${asked.node} has none`,
    );
  }
  throw new Error(`${needs}: ${seen.join(', ')}; name another Node in LOCKRIG_PEER_NODE`);
}

function peerOf(
  name: string,
  { kind, flags = [] }: Source,
  { node, version, module }: ReturnType<typeof foundIn>,
  patience: number | undefined,
): SweepPeer {
  return {
    name,
    kind,
    version,
    cannot: ({ cpus }: Setting) => (cpus > MOST_CPUS ? `a peer has at most ${MOST_CPUS} threads` : undefined),
    async measure({ cpus, section, outside, reads, locks }: Setting, budget: PeerBudget) {
      const { signal, ...rest } = budget;
      const task: JsTask = { name, module, cpus, section, outside, reads, locks, ...rest };
      const args = [...flags, CHILD, JSON.stringify(task)];
      const ms = millisecondsOf(budget);
      const result = await runPeerProgram<JsResult>({ name, program: node, args, ms, patience, signal });
      verify(name, result);
      return figuresOf(result, budget.every);
    },
  };
}

/** Finds them. Never throws. @param wants which families are asked for: `npm`, `v8`, `node` */
export function jsPeers(
  { nodes = nodesOf(), packages = join(fileURLToPath(import.meta.url), '..'), patience }: JsSearch = {},
  wants: Wants = () => true,
): Found {
  const peers: SweepPeer[] = [];
  const absent: string[] = [];
  for (const source of SOURCES.filter(({ kind }) => wants(kind)))
    try {
      const found = foundIn(source, nodes, packages);
      peers.push(...source.locks.map((name) => peerOf(name, source, found, patience)));
    } catch (error) {
      const why = (error as Error).message.split('\n')[0];
      const install = source.npm === undefined ? '' : `: npm install ${source.npm}`;
      absent.push(
        `${source.locks.join(', ')}: ${source.npm === undefined ? why : `the package ${source.npm} is not installed`}${install}`,
      );
    }
  return { peers, absent };
}
