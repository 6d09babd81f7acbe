/** Bad input is answered in one sentence, help shows an example first, and the commands that run nothing say what they should. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { lockByName, locks, mutants } from '../../src/index.ts';
import { classics } from '../../src/scenarios/index.ts';
import { mmControls, mmRaces } from '../../src/scenarios/mm/index.ts';
import { BAD } from '../fixtures/cli/bad-lines.ts';
import { OPTIONS } from '../fixtures/cli/options.ts';
import { each, folder, lockFile, lockrig, refused, said } from '../fixtures/torture/cli.ts';
import { read } from '../project.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('cli: usage');
const box = folder();

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
