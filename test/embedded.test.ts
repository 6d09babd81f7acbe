/**
 * The examples of docs/testing.md: a hunt in node:test and one in uvu. They pass for what holds; for its broken twin they fail, and the message of the assertion
 * has the interleaving in columns and the token.
 */
import { spawn } from 'node:child_process';
import * as assert from 'uvu/assert';
import { describeHunt, hunt, loadSubject, prove, replay, SubjectChoiceError } from '../harness/index.ts';
import { read, root } from './project.ts';
import { suite } from './suite.ts';

const test = suite('embedded hunts');
const DEADLINE = 180_000;

/** Runs a test file of the examples. */
function run(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number | null; said: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1', ...env },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        said += chunk;
      });
    child.on('close', (code) => resolve({ code, said }));
  });
}

const NODE_TEST = ['--test', '--test-reporter=tap', 'examples/testing/hunt.test.mjs'];
const UVU = ['examples/testing/hunt.uvu.mjs'];

test(
  'node:test and uvu pass for a lock and a scenario that hold',
  async () => {
    for (const args of [NODE_TEST, UVU]) {
      const { code, said } = await run(args, {});
      assert.is(code, 0, said);
    }
  },
  { deadline: DEADLINE },
);

test(
  'they fail for broken twins, with columns and token in the message',
  async () => {
    const broken = { LOCK: 'hasty', STACK: 'hurried' };
    const tap = await run(NODE_TEST, broken);
    assert.is(tap.code, 1, tap.said);
    assert.match(tap.said, /!!! exclusion: [\s\S]*CPU 0 +CPU 1[\s\S]*lockrig replay '+lr1:hasty:/);
    assert.match(tap.said, /!!! linearizability: not linearizable[\s\S]*lockrig replay '+lr1:hurried:/);
    const uvu = await run(UVU, broken);
    assert.is(uvu.code, 1, uvu.said);
    assert.match(uvu.said, /!!! exclusion: [\s\S]*CPU 0 +CPU 1[\s\S]*lockrig replay 'lr1:hasty:/);
  },
  { deadline: DEADLINE },
);

test('what is shown in docs/testing.md is what is run', () => {
  const page = read('docs/testing.md');
  for (const file of [
    'examples/testing/hunt.test.mjs',
    'examples/testing/hunt.uvu.mjs',
    'examples/testing/my-stack.ts',
  ])
    assert.ok(page.includes(read(file).split('\n').slice(1).join('\n').trim().split('\n\n').at(-1)!), file);
});

test(
  'a subject of a file is hunted, its token replayed, and a small one proved or refuted',
  async () => {
    const hasty = await loadSubject('examples/testing/my-lock.ts', 'hasty');
    const result = await hunt(hasty, { executions: 2000 });
    assert.is(result.verdict, 'found', describeHunt(result));
    if (result.verdict !== 'found') return;
    const [{ token, key }] = result.failures;
    const again = await replay(hasty, token, { times: 5 });
    assert.equal([again.same, again.failure?.key], [5, key]);
    const refuted = await prove(hasty);
    assert.equal([refuted.verdict, refuted.failures[0]?.oracle], ['found', 'exclusion']);
    assert.is((await replay(hasty, refuted.failures[0]!.token)).same, 1);
    const spin = await prove(await loadSubject('examples/testing/my-lock.ts', 'spin'), {
      bound: 1,
    });
    assert.equal([spin.verdict, spin.bound, spin.failures], ['proved', 1, []]);
  },
  { deadline: DEADLINE },
);

test('a file with several subjects asks for a name', async () => {
  for (const [name, why] of [
    [undefined, /say which/],
    ['none', /defines no 'none': it has (hasty|spin), (hasty|spin)$/],
  ] as const) {
    const error = await loadSubject('examples/testing/my-lock.ts', name).catch((thrown: unknown) => thrown);
    assert.instance(error, SubjectChoiceError);
    assert.match((error as Error).message, why);
  }
});

test.run();
