/** Peers of a sweep: what is here is measured and verified, what is not is named with what would bring it, and a lock that lets two in has no figure. */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { PeerBudget, PeerFigures, SweepPeer } from '../bench/locks/peer.ts';
import { packageSources } from '../bench/native-build.ts';
import { familiesOf, findPeers } from '../bench/peers/index.ts';
import { jsPeers } from '../bench/peers/js.ts';
import { nativeSweepPeers } from '../bench/peers/native.ts';
import type { Found, PeerFailure } from '../bench/peers/run.ts';
import type { Setting } from '../harness/measure/schema.ts';
import { suite } from './suite.ts';

const scratch = mkdtempSync(join(tmpdir(), 'lockrig-peers-test-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const test = suite('peers');
const cc = process.env.CC?.trim() || 'cc';
const posix = process.platform !== 'win32';
const compiles = (source: string): boolean =>
  spawnSync(cc, ['-E', '-x', 'c', '-'], { input: source, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
const hasCompiler = posix && compiles('#include <stdatomic.h>\n');
/** A test that needs a C compiler, a shell to stand in for one, and maybe a header. */
const native = (name: string, body: () => void | Promise<void>, header = 'pthread.h'): void => {
  if (!hasCompiler) test.skip(name, 'no C compiler here');
  else if (!compiles(`#include <${header}>\n`)) test.skip(name, `${header} is not here`);
  else test(name, body);
};
/** A test in which a script stands in for Node. */
const scripted = (name: string, body: () => Promise<void>): void => {
  if (posix) test(name, body);
  else test.skip(name, 'no shell here');
};

const SETTING: Setting = {
  cpus: 2,
  section: 200,
  outside: 100,
  reads: 0,
  waiting: 'spin-then-park',
  locks: 1,
};
const BUDGET: PeerBudget = { warmup: 30, window: 20, rounds: 3, every: 16, pin: [] };

const named = ({ peers }: Found, name: string): SweepPeer => {
  const found = peers.find((peer) => peer.name === name);
  assert.ok(found, `${name} among ${peers.map((peer) => peer.name).join(', ')}`);
  return found!;
};

/** Windows, each four times the one before: a machine that others keep busy may let nobody go round in a short one. */
const WINDOWS = [1, 4, 16, 64].map((times) => times * BUDGET.window);

async function failureOf(peer: SweepPeer, setting = SETTING): Promise<PeerFailure> {
  for (const window of WINDOWS)
    try {
      await peer.measure(setting, { ...BUDGET, window });
    } catch (error) {
      return error as PeerFailure;
    }
  throw new Error(`${peer.name} was measured`);
}

/** What a peer does in the shortest windows in which it has gone round and was timed. */
async function figuresOf(peer: SweepPeer, setting: Setting): Promise<PeerFigures> {
  for (const window of WINDOWS) {
    const figures = await peer.measure(setting, { ...BUDGET, window });
    if (figures.latency && figures.shares?.some((rounds) => rounds > 0)) return figures;
  }
  throw new Error(`nobody was timed going round ${peer.name}`);
}

const total = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0);

/** What holds of every fork: all was counted. */
function whole({ throughput, shares, handoffs, latency, section }: PeerFigures, cpus: number): void {
  assert.is(throughput.length, BUDGET.rounds);
  assert.is(shares?.length, cpus);
  assert.ok(total(shares!) > 0);
  if (cpus > 1)
    assert.equal(
      handoffs?.map((row) => row.length),
      Array(cpus).fill(cpus),
    );
  else assert.is(handoffs, undefined);
  assert.ok(handoffs?.every((row, cpu) => row[cpu] === 0) ?? true);
  assert.ok(latency !== undefined && latency.samples > 0);
  const { samples, min, p50, p99, max, buckets, every } = latency!;
  assert.is(every, BUDGET.every);
  assert.ok(min <= p50 && p50 <= p99 && p99 <= max, `${min} ${p50} ${p99} ${max}`);
  assert.is(total(buckets.map(([, , count]) => count)), samples);
  // Whole turns of work come as near as half a turn.
  assert.ok(section !== undefined && Math.abs(section - SETTING.section) < SETTING.section / 2, `${section}`);
}

/** An executable file. */
function script(name: string, text: string): string {
  const file = join(scratch, name);
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
  return file;
}

native(
  'in C: locks of ours and of the C library go round, alone, in pairs, and many on several locks',
  async () => {
    const found = nativeSweepPeers({ cache: join(scratch, 'cache') });
    for (const name of ['c/tas', 'c/mcs', 'c/pthread_mutex', 'c/pthread_rwlock'])
      for (const [cpus, locks, reads] of [
        [1, 1, 0],
        [2, 1, 0],
        [3, 4, 0.5],
      ] as const) {
        const peer = named(found, name);
        assert.is(peer.kind, 'native');
        assert.match(peer.version, name.includes('pthread') ? /^.*(libc|C library).*, \S/ : /\d/);
        whole(await figuresOf(peer, { ...SETTING, cpus, locks, reads }), cpus);
      }
    assert.match(named(found, 'c/tas').cannot({ ...SETTING, cpus: 257 }) ?? '', /at most 256 threads/);
  },
);

native('in C: a lock that lets two in has no figure', async () => {
  const sources = join(scratch, 'sources');
  cpSync(packageSources(), sources, { recursive: true });
  const text = readFileSync(join(sources, 'locks.h'), 'utf8');
  const broken = text.replace('while (atomic_exchange(word(m, LOCK), 1) != 0) {', 'while (node == 0) {');
  assert.is.not(broken, text);
  writeFileSync(join(sources, 'locks.h'), broken);
  const adapters = readFileSync(join(sources, 'sweep-locks.h'), 'utf8');
  const open = adapters.replace(
    /^READERS\(pthread_rwlock, .*$/m,
    'READERS(pthread_rwlock, (void)0, (void)0)',
  );
  assert.is.not(open, adapters);
  writeFileSync(join(sources, 'sweep-locks.h'), open);
  const found = nativeSweepPeers({ sources, cache: join(scratch, 'broken') });
  // A section longer than a time slice: somebody comes in, on however few cores.
  const failure = await failureOf(named(found, 'c/tas'), { ...SETTING, section: 3_000_000 });
  assert.is(failure.code, 'ECOUNTER');
  assert.match(failure.message, /^'c\/tas' let two CPUs in: what it protects shows \d+ where \d+ was due$/);
  const long = { ...SETTING, section: 3_000_000, reads: 0.5 };
  const torn = await failureOf(named(found, 'c/pthread_rwlock'), long);
  assert.match(torn.message, /^'c\/pthread_rwlock' let a writer in with readers: \d+ reads saw it at work$/);
});

native('in C: a library whose headers are missing is absent, by the name of its package', () => {
  const fake = script(
    'cc-without',
    `case "$*" in *-DWITH_CK*) echo "sweep-locks.h:24:10: fatal error: ck_pflock.h: No such file" >&2; exit 1;; *-DWITH_URCU*) echo "error: no urcu" >&2; exit 1;; esac\nexec ${cc} "$@"`,
  );
  const { peers, absent } = nativeSweepPeers({ compiler: fake, cache: join(scratch, 'without') });
  assert.ok(peers.length > 0 && peers.every(({ name }) => name.startsWith('c/')));
  assert.is(absent.length, 2);
  assert.match(absent[0]!, /^ck\/\*: Concurrency Kit is not here: install libck-dev \(.*ck_pflock\.h/);
  assert.match(absent[1]!, /^urcu\/\*: liburcu is not here: install liburcu-dev \(/);
});

for (const [prefix, header, debian] of [
  ['ck/', 'ck_pflock.h', 'libck-dev'],
  ['urcu/', 'urcu/urcu-memb.h', 'liburcu-dev'],
] as const)
  native(
    `in C: what ${debian} brings goes the same rounds`,
    async () => {
      const { peers } = nativeSweepPeers({ cache: join(scratch, 'cache') });
      const theirs = peers.filter(({ name }) => name.startsWith(prefix));
      assert.ok(theirs.length > 1, peers.map(({ name }) => name).join(', '));
      for (const peer of theirs) {
        assert.is(peer.cannot(SETTING) !== undefined, prefix === 'urcu/', 'RCU is not for writers alone');
        whole(await figuresOf(peer, { ...SETTING, reads: 0.8, locks: 2 }), 2);
        assert.match(peer.version, /\d/);
      }
    },
    header,
  );

test('only the families are looked for that are asked for; all, where a name is of none', () => {
  const families = ['c', 'ck', 'urcu', 'npm', 'v8', 'node'];
  const askedFor = (...names: string[]): string[] => families.filter(familiesOf(names));
  assert.equal(askedFor('c/ticket', 'v8/*'), ['c', 'v8']);
  assert.equal(askedFor('*/ticket'), families);
  assert.equal(askedFor('gcc/ticket', 'c/ticket'), families);
  const { peers, absent } = findPeers(familiesOf(['npm/*']));
  assert.ok(peers.length > 0 && peers.every(({ kind }) => kind === 'npm') && absent.length === 0);
});

test('without a compiler all that is in C is absent, with one reason', () => {
  const { peers, absent } = nativeSweepPeers({
    compiler: 'lockrig-has-no-such-cc',
    cache: join(scratch, 'none'),
  });
  assert.equal(peers, []);
  assert.is(absent.length, 1);
  assert.match(absent[0]!, /^c\/\*, ck\/\*, urcu\/\*: no C compiler: 'lockrig-has-no-such-cc' was not found/);
});

test('in JavaScript: a published mutex, a published rwlock and the mutex of V8 go round', async () => {
  const found = jsPeers();
  assert.equal(
    found.absent.filter((each) => /multithreading|Atomics/.test(each)),
    [],
  );
  for (const [name, kind, reads] of [
    ['npm/multithreading-mutex', 'npm', 0],
    ['npm/multithreading-rwlock', 'npm', 0.5],
    ['v8/Atomics.Mutex', 'v8', 0.3],
  ] as const) {
    const peer = named(found, name);
    assert.is(peer.kind, kind);
    assert.match(peer.version, kind === 'v8' ? /^Node \d.*, V8 \d.*--harmony-struct$/ : /^multithreading \d/);
    whole(await figuresOf(peer, { ...SETTING, reads, locks: 2 }), 2);
  }
});

test('Web Locks of this Node go round, or are absent with the version that has them', async () => {
  const found = jsPeers({ nodes: [process.execPath] });
  if ((globalThis as { navigator?: { locks?: object } }).navigator?.locks) {
    const setting = { ...SETTING, reads: 0.5 };
    // Node 24.21 and 26.10 let two workers in a few times in a thousand, and then there is no figure.
    const measured = await figuresOf(named(found, 'node/locks'), setting).catch(
      (error: PeerFailure) => error,
    );
    if (measured instanceof Error) {
      assert.is(measured.code, 'ECOUNTER', measured.message);
      assert.match(measured.message, /^'node\/locks' let (?:two CPUs in|a writer in with readers)/);
    } else whole(measured, 2);
  } else {
    const said = found.absent.find((each) => each.startsWith('node/locks')) ?? '';
    assert.match(
      said,
      /^node\/locks: Web Locks need Node 24\.5 or later: Node \d+\.\d+\.\d+ has none; name another/,
    );
  }
});

test('a package that lets two in has no figure; one that is not installed is absent by its name', async () => {
  const packages = join(scratch, 'packages');
  const folder = join(packages, 'node_modules', 'multithreading');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'multithreading', version: '9.9.9', type: 'module', main: 'index.js' }),
  );
  const mutex = 'export class Mutex { blockingLock() { return { dispose() {} }; } }';
  // Writers exclude each other, and no reader.
  const rwlock = `export class RwLock {
    constructor(_, shared) { this.words = new Int32Array(shared); }
    blockingRead() { return { dispose() {} }; }
    blockingWrite() {
      while (Atomics.compareExchange(this.words, 0, 0, 1) !== 0);
      return { dispose: () => Atomics.store(this.words, 0, 0) };
    }
  }`;
  writeFileSync(join(folder, 'index.js'), `${mutex}\n${rwlock}\n`);
  const found = jsPeers({ packages, nodes: [process.execPath] });
  const peer = named(found, 'npm/multithreading-mutex');
  assert.is(peer.version, 'multithreading 9.9.9');
  const failure = await failureOf(peer, { ...SETTING, section: 3_000_000 });
  assert.is(failure.code, 'ECOUNTER');
  assert.match(failure.message, /^'npm\/multithreading-mutex' let two CPUs in/);
  const torn = await failureOf(named(found, 'npm/multithreading-rwlock'), {
    ...SETTING,
    section: 3_000_000,
    reads: 0.5,
  });
  assert.match(torn.message, /let a writer in with readers: \d+ reads saw it at work$/);
  assert.ok(
    found.absent.some(
      (each) => each === 'npm/web-locks: the package web-locks is not installed: npm install web-locks',
    ),
    found.absent.join('\n'),
  );
});

scripted(
  'a Node that is too old is named; what fails, what says nothing and what never ends is no figure',
  async () => {
    const old = script('node-old', `echo '{"has":false,"node":"18.1.0","v8":"10.2"}'`);
    const { absent } = jsPeers({ nodes: [old] });
    assert.ok(
      absent.some(
        (each) =>
          each.startsWith('v8/Atomics.Mutex: Atomics.Mutex needs a V8') &&
          each.includes('Node 18.1.0 has none'),
      ),
      absent.join('\n'),
    );
    const asked = `case "$*" in *" -p "*|"-p "*) echo '{"has":true,"node":"99.1.0","v8":"99.0"}'; exit 0;; esac`;
    const ending = async (rest: string): Promise<PeerFailure> => {
      const found = jsPeers({ nodes: [script('node-fake', `${asked}\n${rest}`)], patience: 300 });
      return failureOf(named(found, 'v8/Atomics.Mutex'));
    };
    assert.equal(await ending('echo "no memory" >&2; exit 4').then(({ code, message }) => [code, message]), [
      'EPEER',
      "'v8/Atomics.Mutex' could not be measured: no memory",
    ]);
    assert.is((await ending('exec sleep 60')).code, 'ESTUCK');
    const torn = await ending(`echo '{"writes":5,"counted":5,"torn":3}'`);
    assert.is(torn.message, "'v8/Atomics.Mutex' let a writer in with readers: 3 reads saw it at work");
  },
);

test.run();
