/** Bad input is answered in one sentence, help shows an example first, and the commands that run nothing say what they should. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { lockByName, locks, mutants } from '../../src/index.ts';
import { classics } from '../../src/scenarios/index.ts';
import { mmControls, mmRaces } from '../../src/scenarios/mm/index.ts';
import { each, folder, lockFile, lockrig, refused, said } from '../fixtures/torture/cli.ts';
import { read } from '../project.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('cli: usage');
const box = folder();

const BAD: readonly (readonly [line: readonly string[], sentence: RegExp])[] = [
  [['torture', 'tiket'], /no lock, no scenario and no workload 'tiket'; the nearest are ticket,/],
  [['torture', 'mutex4'], /no lock, no scenario and no workload 'mutex4'; the nearest are mutex3,/],
  [
    ['torture', 'ticket', 'no-exlusion'],
    /no lock, no scenario and no workload 'no-exlusion'; the nearest are busted\/no-exclusion/,
  ],
  [['torture', 'zz*'], /no lock, no scenario and no workload 'zz\*'/],
  [['torture', 'mm/anon-vma/*'], /'mm\/anon-vma\/\*' stands for scenarios only, \d+ of them/],
  [['hunt', 'mm/*'], /'mm\/\*' stands for workloads only \(mm\/objrmap, .*lockrig torture runs them/],
  [['torture', ''], /argument '' is empty/],
  [['torture', './missing.ts'], /missing\.ts does not exist/],
  [['torture', './missing.ts#one'], /missing\.ts does not exist/],
  [['torture', './good.ts#one'], /defines no 'one': it has good/],
  [['torture', './good.txt'], /no lock, no scenario and no workload '\.\/good\.txt'/],
  ...['0', '-1', '1e9', 'two', '1.5', 'NaN', 'Infinity', '1025', '2,3'].map(
    (cpus) =>
      [
        ['torture', 'ticket', '--cpus', cpus],
        /--cpus .* is not right: a whole number from 1 to 1024/,
      ] as const,
  ),
  [['torture', 'ticket', '--cpus', ''], /--cpus '' is empty/],
  [['torture', 'ticket', '--try', ' '], /--try ' ' is empty/],
  [['torture', 'ticket', '--cpus'], /--cpus <n>` value is missing/],
  [['torture', 'ticket', '--cpus='], /--cpus <n>` value is missing/],
  [['torture', 'ticket', '--no-cpus'], /unknown option `--no-cpus`/],
  [['torture', 'ticket', '--cpus', '2', '--cpus', '3'], /--cpus 2,3 is not right/],
  [['torture', 'ticket', '--cpus', '2', '--oversubscribe'], /--cpus and --oversubscribe/],
  [['torture', 'ticket', '--frob-nicate'], /unknown option `--frob-nicate`.* lockrig torture --help/],
  [['torture', '--fail-fast', 'tiket'], /no lock, no scenario and no workload 'tiket'/],
  [['tortur', 'ticket'], /no command 'tortur': one of torture, /],
  [['torture', 'ticket', '--duration', 'x'], /--duration x is not right: a time such as/],
  [['torture', 'ticket', '--duration', '-5s'], /--duration -5s is not right/],
  [['torture', 'ticket', '--duration', '0'], /--duration 0 is not right/],
  [['torture', 'ticket', '--duration', '40d'], /--duration 40d is not right/],
  [['torture', 'ticket', '--duration', '1s', '--rounds', '2'], /--duration and --rounds both/],
  [['torture', 'ticket', '--rounds', '0'], /--rounds 0 is not right: a whole number from 1/],
  [['torture', 'ticket', '--seed', 'lucky'], /--seed lucky is not right/],
  [['torture', 'ticket', '--try', '1.5'], /--try 1\.5 is not right: a share from 0 to 1/],
  [['torture', 'ticket', '--nested', '9'], /--nested 9 is not right: a whole number from 0 to 8/],
  [['torture', 'ticket', '--stall-after', '1ms'], /--stall-after 1ms is not right/],
  [['torture', 'ticket', '--short-delay', '2s'], /--short-delay 2s is not right/],
  [['torture', 'ticket', '--max-memory', '1'], /--max-memory 1 is not right/],
  [['torture', 'rwlock', '--readers', '2', '--writers', '1'], /--readers 2 and --writers 1 .* 2 CPUs/],
  [['torture', 'ticket', '--jit', 'wrong'], /--jit wrong is not right: interpreter or baseline or optimised/],
  [['torture', 'tiket', '--jit', 'baseline'], /no lock, no scenario and no workload 'tiket'/],
  [['torture', 'ticket', '--isa', 'arm'], /--isa arm is not right: wasm or atomics/],
  [
    ['torture', 'ticket', '--waiting', 'sleep'],
    /--waiting sleep is not right: spin or spin-then-park or park/,
  ],
  [['hunt', 'ticket', '--model', 'tsoo'], /no memory model 'tsoo': sc, tso, weak are there; 'tso'/],
  [['hunt', 'ticket', '--policy', 'ptc'], /no policy 'ptc': random, pct, pos are there; 'pct'/],
  [['hunt', 'ticket', '--policy', 'focus:4'], /focus preempts where .* --reproduce runs it/],
  [['hunt', 'ticket', '--policy', 'pct:x'], /--policy x is not right: a whole number from 0 to 1000/],
  [['hunt', 'ticket', '--policy', 'exhaustive'], /exhaustive takes no turns .* --prove runs it/],
  [['hunt', 'ticket', '--prove', '256'], /--prove 256 is not right: a whole number from 0 to 255/],
  [['hunt', 'ticket', '--prove', '--budget', '3s'], /with --prove: a number of executions is expected/],
  [
    ['hunt', 'ticket', '--prove', '--spurious', '256'],
    /--spurious 256 is not right: a whole number from 0 to 255/,
  ],
  [['hunt', 'ticket', '--spurious', '1'], /--spurious goes with --prove/],
  [['hunt', 'ticket', '--prove', '--all'], /--prove and --all do not go together/],
  [
    ['hunt', 'ticket', '--budget', 'long'],
    /--budget long is not right: a number of executions such as 20000, or a time such as 30s, is/,
  ],
  [['hunt', 'ticket', '--cpus', '17'], /--cpus 17 is not right: a whole number from 1 to 16/],
  [['hunt', 'lost-updat'], /no scenario and no workload 'lost-updat'; the nearest are lost-update/],
  [['hunt', 'ticket', '--budget', '10', '--out', '/proc/x'], /\/proc\/x\S* cannot be written/],
  [['replay', 'nonsense'], /'nonsense' is no token/],
  [['replay', 'lr1:ticket:2x2:sc:pos,0,1:1:0:00000000:1:12345678'], /was cut or altered/],
  [['replay', 'lr0:ticket'], /format lr0; this lockrig reads lr1/],
  [['replay', 'x', '--nth', '2'], /--nth goes with --until/],
  [['replay', 'x', '--step', '--json'], /--step and --json do not go together/],
  [['torture', 'ticket', 'barrier', '--hotplug', '1s'], /hotplug does not go with barriers/],
  [['torture', '--self-test', 'ticket'], /--self-test takes no locks/],
  [['torture', '--self-test', '--out', 'x'], /--self-test writes neither/],
  [['torture', 'ticket', '--json', './good.ts/x.json'], /good\.ts\/x\.json cannot be written/],
  [['torture', 'ticket', '--junit', './good.ts/x.xml'], /good\.ts\/x\.xml cannot be written/],
  [['torture', 'ticket', '--out', './good.ts'], /good\.ts.* cannot be written/],
  [['torture', '--self-test', '--json', './good.ts/x.json'], /good\.ts\/x\.json cannot be written/],
  [['bench', 'locks', 'tiket'], /no lock, no scenario and no workload 'tiket'; the nearest are ticket,/],
  [['bench', 'locks', 'barrier'], /barrier is a barrier, which keeps nobody out of a section: bench locks/],
  [['bench', 'locks', 'lost-update'], /lost-update is a scenario: bench measures locks/],
  [['bench', 'locks', 'ticket', '--cpus', '0'], /--cpus 0 is not right: a whole number from 1 to 1024/],
  [
    ['bench', 'locks', 'ticket', '--section', '1parsec'],
    /--section 1parsec is not right: times such as 0, 100ns/,
  ],
  [['bench', 'locks', 'ticket', '--reads', '1.5'], /--reads 1.5 is not right: a share from 0 to 1/],
  [['bench', 'locks', 'ticket', '--waiting', 'sleep'], /--waiting sleep is not right: spin or/],
  [['bench', 'locks', 'ticket', '--forks', 'x'], /--forks x is not right: a whole number from 1 to 1000/],
  [['bench', 'locks', 'ticket', '--threshold', '5%'], /--threshold goes with --compare FILE/],
  [
    ['bench', 'locks', 'ticket', '--compare', 'missing.json'],
    /--compare missing.json: there is no such file/,
  ],
  [
    ['bench', 'locks', 'ticket', '--compare', 'good.ts'],
    /--compare good.ts: it is no result of bench locks, or/,
  ],
  [['bench', 'locks', 'ticket', '--strict'], /--strict is about bars, and bench locks has none/],
  [['bench', 'locks', 'ticket', '--out', './good.ts'], /good\.ts.* cannot be written/],
  [['bench', 'ticket', '--section', '0'], /--section goes with lockrig bench locks: write 'locks' before/],
  [['bench', 'mm', 'page_falt1'], /there is no shape 'page_falt1'; the nearest are page_fault1, page_fault/],
  [['bench', 'mm', 'brk1', 'ticket'], /there is no shape 'ticket'; the nearest are /],
  [['bench', 'mm', 'brk1', '--regime', 'X'], /there is no regime 'X': there are V24, L, /],
  [['bench', 'mm', 'brk1', '--regime'], /--regime <name>` value is missing/],
  [['bench', 'mm', 'brk1', '--cpus', '33'], /--cpus 33 is not right: a whole number from 1 to 32/],
  [['bench', 'mm', 'brk1', '--section', '0'], /--section goes with lockrig bench locks/],
  [['bench', 'mm', 'brk1', '--against', 'ticket'], /--against is about locks, and bench mm with shapes/],
  [['bench', 'mm', 'brk*', '--csv'], /--csv prints one shape on stdout: name a folder for several/],
  [['bench', 'mm', 'brk1', '--csv', '--json'], /--csv and --json both want stdout/],
  [['bench', 'mm', 'brk1', '--csv', './good.ts'], /good\.ts.* cannot be written/],
  [['bench', 'mm', '--csv'], /--csv goes with lockrig bench mm and names of shapes/],
  [['bench', 'locks', 'ticket', '--regime', 'L'], /--regime goes with lockrig bench mm and names of shapes/],
  [['list', 'ticket'], /no list of 'ticket': one of locks, mutants, scenarios/],
  [['list', '--jsno'], /unknown option `--jsno`/],
  [['new'], /missing required args.*lockrig new --help/],
  [['new', 'mutex', 'x.ts'], /no template 'mutex': lock or scenario/],
  [['new', 'lock', 'x.txt'], /x\.txt has the extension \.txt/],
  [['new', 'lock', 'missing/x.ts'], /missing is not a folder/],
  [['new', 'lock', 'good.ts'], /good\.ts exists already/],
];

test(
  'bad input is one sentence that names it, and nothing is run',
  async () => {
    const good = lockFile('good');
    box.write({ 'good.ts': good });
    await each(haveTurn(BAD, 3), async ([line, sentence]) => {
      const ended = await lockrig(line, { cwd: box.path });
      refused(ended, sentence);
      assert.not.match(ended.stdout, /torture:/, said(ended));
    });
    assert.is(readFileSync(join(box.path, 'good.ts'), 'utf8'), good);
  },
  { deadline: 280_000 },
);

test('--verbose adds the stack, and only that', async () => {
  const { code, stderr } = await lockrig(['torture', 'tiket', '--verbose']);
  assert.is(code, 2);
  assert.match(
    stderr,
    /^lockrig: there is no lock, no scenario and no workload 'tiket'[^\n]*\n\w*Error: there is no lock[^\n]*\n +at /,
  );
});

/** Every option that a command is documented to have. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  hunt: [
    'budget',
    'cpus',
    'steps',
    'seed',
    'model',
    'policy',
    'prove',
    'spurious',
    'detect',
    'suppress',
    'all',
    'json',
    'out',
    'resume',
    'verbose',
    'help',
  ],
  'verify-fix': ['old', 'budget', 'policy', 'seed', 'json', 'out', 'verbose', 'help'],
  replay: ['times', 'lines', 'stacks', 'until', 'nth', 'step', 'perfetto', 'json', 'verbose', 'help'],
  torture: [
    ...[
      'chaos',
      'cpus',
      'detect',
      'downgrade',
      'duration',
      'nested',
      'readers',
      'reads',
      'reproduce',
      'rounds',
      'seed',
      'stat',
      'suppress',
      'trace',
      'try',
      'upgrade',
      'writers',
    ],
    ...[
      'long-hold',
      'short-delay',
      'stutter',
      'hotplug',
      'oversubscribe',
      'waiting',
      'isa',
      'jit',
      'stall-after',
    ],
    ...['regime', 'weight', 'size', 'check-every'],
    ...['max-memory', 'fail-fast', 'self-test', 'json', 'junit', 'out', 'verbose', 'help'],
  ],
  bench: [
    ...['against', 'quick', 'json', 'strict', 'verbose', 'help'],
    ...['cpus', 'section', 'outside', 'reads', 'waiting', 'locks', 'product', 'forks'],
    ...['out', 'compare', 'threshold', 'force', 'regime', 'csv'],
  ],
  stat: [
    ...['cpus', 'duration', 'seed', 'reads', 'try', 'nested', 'long-hold', 'short-delay', 'waiting', 'isa'],
    ...['regime', 'weight', 'size', 'check-every', 'plain', 'csv', 'json', 'timeline', 'window', 'out'],
    ...['verbose', 'help'],
  ],
  top: [
    ...['cpus', 'duration', 'seed', 'reads', 'try', 'nested', 'long-hold', 'short-delay', 'waiting', 'isa'],
    ...['regime', 'weight', 'size', 'check-every', 'interval', 'verbose', 'help'],
  ],
  list: ['json', 'verbose', 'help'],
  mm: [
    'reader',
    'writer',
    'executions',
    'silent',
    'replays',
    'free',
    'page',
    'budget',
    'seed',
    'json',
    'verbose',
    'help',
  ],
  new: ['force', 'verbose', 'help'],
  report: ['out', 'perfetto', 'as-found', 'verbose', 'help'],
};

test('--help of every command shows an example first, and every option with what it is for', async () => {
  const { code, stdout: overview } = await lockrig([]);
  assert.is(code, 0);
  const commands = [...overview.matchAll(/^ {2}\$ lockrig ([\w-]+) --help$/gm)].map(([, name]) => name ?? '');
  assert.equal([...commands].sort(), Object.keys(OPTIONS).sort());
  await each(commands, async (command) => {
    const ended = await lockrig([command, '--help']);
    assert.is(ended.code, 0, said(ended));
    assert.is(ended.stderr, '');
    const example = ended.stdout.search(new RegExp(`^lockrig ${command} `, 'm'));
    const usage = ended.stdout.indexOf('Usage:');
    assert.ok(example > 0 && example < usage, ended.stdout);
    const listed = [...ended.stdout.slice(usage).matchAll(/^ {2}(?:-\w, )?--([a-z-]+).*? {2,}(\S.*)$/gm)];
    assert.equal(listed.map(([, name]) => name).sort(), [...(OPTIONS[command] ?? [])].sort());
  });
});

test('what the examples in the help name exists', async () => {
  for (const command of ['torture', 'bench']) {
    const { stdout } = await lockrig([command, '--help']);
    const words = stdout.slice(0, stdout.indexOf('Usage:')).match(/\b(ticket|mcs|tas|mutex3)\b/g) ?? [];
    assert.ok(words.length > 0 && words.every((name) => lockByName(name)), stdout);
  }
});

test('--version is that of the package', async () => {
  const { version } = JSON.parse(read('package.json')) as { version: string };
  const { code, stdout } = await lockrig(['--version']);
  assert.is(code, 0);
  assert.match(stdout, `lockrig/${version} `);
});

test('list names every lock and every mutant, as text and as JSON', async () => {
  const { code, stdout } = await lockrig(['list']);
  assert.is(code, 0);
  const first = stdout.split('\n').map((line) => line.split(' ')[0]);
  for (const { name } of [...locks, ...mutants]) assert.ok(first.includes(name), name);
  const json = await lockrig(['list', '--json']);
  const listed = JSON.parse(json.stdout) as {
    schemaVersion: number;
    locks: { name: string; kind: string }[];
    mutants: { name: string; mutant: { caughtBy: string } }[];
  };
  assert.is(listed.schemaVersion, 1);
  assert.equal(
    listed.locks.map(({ name, kind }) => [name, kind]),
    locks.map(({ name, kind }) => [name, kind]),
  );
  assert.equal(
    listed.mutants.map(({ name, mutant }) => [name, mutant.caughtBy]),
    mutants.map(({ name, mutant }) => [name, mutant?.caughtBy]),
  );
});

test('list shows the scenarios with what is wrong and their twins, and parts of what there is', async () => {
  const { code, stdout } = await lockrig(['list', 'scenarios']);
  assert.is(code, 0);
  const races = [...classics, ...mmRaces];
  for (const { fixed, broken } of races)
    assert.match(stdout, new RegExp(`^${broken.name} +${fixed.name} +[\\w-]+ +.{30}`, 'm'));
  for (const { name } of mmControls) assert.match(stdout, new RegExp(`^${name} +.{30}`, 'm'));
  assert.not.match(stdout, /^ticket /m);
  const only = await lockrig(['list', 'locks']);
  assert.match(only.stdout, /^ticket /m);
  assert.not.match(only.stdout, /busted/);
  const json = JSON.parse((await lockrig(['list', 'scenarios', '--json'])).stdout) as Record<string, unknown>;
  assert.equal(Object.keys(json), ['schemaVersion', 'scenarios', 'controls']);
  assert.equal(
    (json.scenarios as { name: string; mutant: { caughtBy: string } }[]).map(({ name, mutant }) => [
      name,
      mutant.caughtBy,
    ]),
    races.map(({ name, broken }) => [name, broken.mutant?.caughtBy]),
  );
});

test('new writes what works as it is: locks that hold, a race that is found', async () => {
  for (const name of ['my-lock.ts', 'myLock.mjs']) {
    const made = await lockrig(['new', 'lock', name], { cwd: box.path });
    assert.is(made.code, 0, said(made));
    assert.match(made.stdout, `next: npx lockrig torture ./${name}`);
    const held = await lockrig(['torture', `./${name}`, '--rounds', '20'], { cwd: box.path });
    assert.is(held.code, 0, said(held));
    assert.match(held.stdout, /^torture:my-lock cpus=2 .* SUCCESS$/m);
  }
  const made = await lockrig(['new', 'scenario', 'my-race.ts'], { cwd: box.path });
  assert.is(made.code, 0, said(made));
  const raced = await lockrig(['torture', './my-race.ts', '--duration', '30s', '--fail-fast'], {
    cwd: box.path,
  });
  assert.is(raced.code, 1, said(raced));
  assert.match(raced.stdout, /an increment was lost/);
  assert.match(raced.stdout, /FAILURE \(check\)\n$/);
});

test('new replaces a file only on demand', async () => {
  box.write({ 'mine.ts': 'export const precious = 1;\n' });
  refused(await lockrig(['new', 'lock', 'mine.ts'], { cwd: box.path }), /mine\.ts exists already.*--force/);
  assert.is(readFileSync(join(box.path, 'mine.ts'), 'utf8'), 'export const precious = 1;\n');
  assert.is((await lockrig(['new', 'lock', 'mine.ts', '--force'], { cwd: box.path })).code, 0);
  assert.match(readFileSync(join(box.path, 'mine.ts'), 'utf8'), /defineLock\(/);
});

test.run();
