/**
 * Bad input of hunt, replay and verify-fix is answered in one sentence: names that are not there, tokens of something else, definitions that cannot be hunted. And
 * verify-fix on files that people change.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT, explain } from '../../harness/cli/errors.ts';
import { budget, policies } from '../../harness/cli/hunt-options.ts';
import { runProve } from '../../harness/cli/run-prove.ts';
import { readToken } from '../../harness/cli/token-file.ts';
import { OP, Trace } from '../../harness/engines/trace.ts';
import { Exploration } from '../../harness/explore/exploration.ts';
import { Hunt } from '../../harness/explore/hunt.ts';
import { matters } from '../../harness/explore/show.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { checkSpins, initSpins, spins, url } from '../fixtures/stalls.ts';
import { each, folder, lockrig, refused, said } from '../fixtures/torture/cli.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('cli: hunt usage');
const box = folder();
const at = { cwd: box.path };

const INCREMENT = '({ isa, state }) => { isa.write(state + State.a, isa.read(state + State.a) + 1); }';
const FIXED = '({ isa, state }) => { isa.fetchAdd(state + State.a, 1); }';
const HALF = `({ isa, state, cpu }) => { if (cpu.random() % 8 > 0) (${FIXED})({ isa, state }); else (${INCREMENT})({ isa, state }); }`;

/** The text of a file that defines a scenario. */
const scenario = (name: string, actors: string, more = '', fields = ''): string =>
  `import { defineScenario, struct, u32, words } from 'lockrig';
const State = struct('s', { a: u32${fields} });
export default defineScenario({
  name: '${name}', state: State, actors: ${actors},
  check: ({ isa, state, fail }) => { if (isa.read(state + State.a) !== 2) fail('an increment was lost'); },
  ${more}
});
`;

const SUBJECTS: readonly (readonly [name: string, text: string, code: number, said: RegExp])[] = [
  [
    'init-throws',
    scenario('init-throws', FIXED, `init() { throw new Error('not yet'); },`),
    EXIT.usage,
    /^lockrig: init of scenario 'init-throws' throws \(Error: not yet\) at .*init-throws\.ts:\d+:\d+\n$/,
  ],
  [
    'create-throws',
    scenario('create-throws', FIXED, `create() { throw new Error('not ever'); },`),
    EXIT.usage,
    /^lockrig: scenario 'create-throws' cannot be created on a CPU \(Error: not ever\)/,
  ],
  [
    'too-big',
    scenario('too-big', FIXED, '', ', more: words(400000000)'),
    EXIT.usage,
    /^lockrig: scenario 'too-big' does not fit: a machine has at most/,
  ],
  [
    'crowd',
    scenario('crowd', FIXED, 'cpus: 17,'),
    EXIT.usage,
    /^lockrig: a gate schedules at most 16 CPUs, not 17\n$/,
  ],
  [
    'random',
    scenario('random', '({ isa, state }) => { isa.write(state + State.a, Math.random() * 1e6 | 0); }'),
    EXIT.violation,
    /NOT DETERMINISTIC.*access \d+: CPU \d write.*Math\.random, Date\.now/,
  ],
  [
    'clock',
    scenario('clock', '({ isa, state }) => { isa.write(state + State.a, Date.now() & 0xfffff); }'),
    EXIT.violation,
    /NOT DETERMINISTIC.*access \d+: CPU \d write.*Math\.random, Date\.now/,
  ],
  [
    'reads-on',
    scenario('reads-on', FIXED, 'check({ isa, state }) { while (isa.read(state + State.a) !== 3); },'),
    EXIT.violation,
    /!!! at-rest: .*a loop that does not end/,
  ],
  [
    'asserts',
    scenario('asserts', FIXED, `check() { throw new Error('so not'); },`),
    EXIT.violation,
    /!!! exception: the check threw: so not/,
  ],
];

test('a subject that cannot be hunted is named with the reason', async () => {
  await each(SUBJECTS, async ([name, text, code, sentence]) => {
    box.write({ [`${name}.ts`]: text });
    const ended = await lockrig(['hunt', `./${name}.ts`, '--budget', '300'], at);
    assert.is(ended.code, code, said(ended));
    if (code === EXIT.usage) refused(ended, sentence);
    else assert.match(ended.stdout, sentence);
  });
});

test('a subject that cannot be hunted keeps nobody from the others, and the exit code says that there was one', async () => {
  const one = (name: string, more = ''): string =>
    `{ name: '${name}', state: 4, actors: [() => {}], check() {}, ${more} }`;
  const list = [one('first'), one('thrower', "init() { throw new Error('not yet'); }"), one('last')];
  box.write({
    'mixed.ts': `import { defineScenario } from 'lockrig';\nexport const all = [${list.join(', ')}].map((each) => defineScenario(each));\n`,
  });
  const sentence = /^lockrig: init of scenario 'thrower' throws \(Error: not yet\) at .*\n$/;
  const out = ['hunt', './mixed.ts', '--budget', '20', '--out', 'mixed'];
  const hunted = await lockrig(out, at);
  assert.is(hunted.code, EXIT.usage, said(hunted));
  assert.match(hunted.stderr, sentence);
  assert.match(hunted.stdout, /^hunt:first .*SUCCESS.*^hunt:thrower NOT HUNTED\n.*^hunt:last .*SUCCESS/ms);
  const again = await lockrig([...out, '--resume'], at);
  assert.is(again.code, EXIT.usage, said(again));
  assert.match(again.stdout, /^hunt:thrower NOT HUNTED, before: init of .* throws \(Error: not yet\)/m);
  const proved = await lockrig(['hunt', './mixed.ts', '--prove', '0'], at);
  assert.is(proved.code, EXIT.usage, said(proved));
  assert.match(proved.stderr, sentence);
  assert.match(proved.stdout, /^hunt:thrower NOT HUNTED\n.*^hunt:last .*PROVED/ms);
});

test('a loop without accesses is ended, and said of init, check or an actor', async () => {
  const expected: [unknown, number, RegExp][] = [
    [initSpins, EXIT.usage, /init of scenario 'init-spins' does not return/],
    [checkSpins, EXIT.usage, /check of scenario 'check-spins' does not return/],
    [spins, EXIT.stall, /'spins': CPU \d has the turn and has made no access/],
  ];
  await Promise.all(
    expected.map(async ([subject, code, sentence]) => {
      const exploration = await Exploration.open(subject as Tortured, { url, stallAfter: 2 });
      const error = await exploration
        .session({ executions: 10, portfolio: [{ policy: 'random', parameter: 4 }] })
        .then(
          () => undefined,
          (thrown: unknown) => thrown as Error,
        )
        .finally(() => exploration.close());
      assert.match(error?.message ?? '', sentence);
      const write = process.stderr.write;
      process.stderr.write = () => true;
      try {
        assert.is(explain(error, false), code);
      } finally {
        process.stderr.write = write;
      }
    }),
  );
});

/** What a call throws, in one line. */
async function sentence(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    const { message, code } = error as { message: string; code?: string };
    assert.is(code, 'EUSAGE', message);
    assert.not.match(message, /\n/);
    return message;
  }
  return 'nothing';
}

test('a file of a token is named when it holds none, and what it says besides is believed only if it makes sense', async () => {
  const rate = { failures: 3, executions: 7, policies: [{ policy: 'pct', parameter: 2 }] };
  const write = (name: string, content: unknown): string => {
    box.write({ [name]: typeof content === 'string' ? content : JSON.stringify(content) });
    return join(box.path, name);
  };
  for (const text of ['', '\u0000\u001b[31m', '[]', 'null', '{"token":5}'])
    assert.match(
      await sentence(() => readToken(write('none.json', text))),
      /none\.json holds no token/,
      text,
    );
  assert.match(await sentence(() => readToken('there/is-none')), /no file there\/is-none/);
  assert.is(readToken('lr1:a/b').token, 'lr1:a/b');
  assert.is(readToken(write('bare', ' lr1:x\n')).token.trim(), 'lr1:x');
  const known = (given: object): unknown =>
    readToken(write('r.json', { token: 'lr1:x', rate: given })).known.rate;
  assert.equal(known(rate), rate);
  for (const wrong of [
    { ...rate, failures: -1 },
    { ...rate, policies: [1] },
    { ...rate, policies: [{ policy: 'none', parameter: 1 }] },
    { ...rate, policies: [{ policy: 'pct' }] },
    { ...rate, policies: [{ policy: 'recorded', parameter: 1 }] },
  ])
    assert.is(known(wrong), undefined, JSON.stringify(wrong));
});

test('policies, budgets and proofs that make no sense are refused', async () => {
  assert.match(await sentence(() => policies('random:4:5')), /--policy random:4:5 is not right/);
  for (const wrong of ['-5', 'NaN', 'soon', true])
    assert.match(await sentence(() => budget(wrong)), /20000, or a time such as 30s/, String(wrong));
  assert.equal([budget('300'), budget('2m')], [{ executions: 300 }, { milliseconds: 120_000 }]);
  for (const option of ['resume', 'suppress', 'policy', 'all'])
    assert.match(
      await sentence(() => runProve(['tas'], { prove: true, [option]: true })),
      new RegExp(`--prove and --${option} do not go together`),
    );
});

test('columns are never empty: where no word is shared, the last accesses are shown', () => {
  const record = (cpu: number, op: string, addr: number): number[] => [OP[op]! | (cpu << 8), addr, 0, 0];
  const trace = (records: number[][]): { trace: Trace } => ({
    trace: new Trace(Int32Array.from(records.flat()), records.length),
  });
  const alone = Array.from({ length: 40 }, (_, at) => record(0, 'read', 4 * at));
  assert.equal(matters(trace(alone), 3), [37, 38, 39]);
  assert.equal(matters(trace([...alone, record(1, 'write', 0)]), 3), [0, 40]);
});

test('a hunt that is interrupted before it has begun makes no execution', async () => {
  const exploration = {
    subject: { name: 'x' },
    execution: () => assert.unreachable('it made one'),
  } as unknown as Exploration;
  assert.is(await new Hunt(exploration, { signal: AbortSignal.abort() }).twice(), undefined);
});

inTurn(test, 2)(
  'verify-fix goes from a failure to its fix, in files that people change',
  async () => {
    box.write({ 'lost.ts': scenario('lost', INCREMENT), 'before.ts': scenario('lost', INCREMENT) });
    const found = await lockrig(
      ['hunt', './lost.ts', '--budget', '3000', '--model', 'sc', '--out', 'out'],
      at,
    );
    assert.is(found.code, 1, said(found));
    const file = join('out', readdirSync(join(box.path, 'out')).find((name) => name.startsWith('lost.'))!);
    const { token } = JSON.parse(readFileSync(join(box.path, file), 'utf8')) as { token: string };

    const same = await lockrig(['verify-fix', token, './lost.ts'], at);
    assert.is(same.code, EXIT.violation, said(same));
    assert.match(same.stdout, /nothing was fixed: an increment was lost/);

    box.write({ 'lost.ts': scenario('lost', HALF) });
    const half = await lockrig(['verify-fix', token, './lost.ts', '--out', 'half'], at);
    assert.is(half.code, EXIT.violation, said(half));
    assert.match(half.stdout, /NOT FIXED: the changed code fails\n$/);
    const replayed = /lockrig replay '(.*?)'/.exec(half.stdout)?.[1] ?? '';
    assert.is((await lockrig(['replay', replayed, './lost.ts'], at)).code, EXIT.violation);

    box.write({ 'lost.ts': scenario('lost', FIXED) });
    const cases: [string[], number, RegExp][] = [
      [
        [token, './lost.ts', '--old', './before.ts'],
        EXIT.clean,
        /of the old code: at least .* GONE with 99 % confidence\n$/s,
      ],
      [[file, './lost.ts'], EXIT.clean, /diverged at access \d+: .*after the hunt had found it.* GONE/s],
      [
        [token, './lost.ts', '--budget', '100'],
        EXIT.inconclusive,
        /1 in 10,000 is assumed.*proves nothing.* INCONCLUSIVE/s,
      ],
    ];
    await each(cases, async ([args, code, text]) => {
      const ended = await lockrig(['verify-fix', ...args], at);
      assert.is(ended.code, code, said(ended));
      assert.match(ended.stdout, text);
    });

    box.write({ 'other.ts': scenario('other', FIXED), 'empty.json': '{}', 'half.json': '{"token"' });
    writeFileSync(
      join(box.path, 'two.ts'),
      `${scenario('one', FIXED)}\nexport const two = defineScenario({ name: 'two', state: State, actors: () => {}, check: () => {} });\n`,
    );
    const bad: [string[], RegExp][] = [
      [['replay', token, './lost.ts'], /'lost' has changed since the token was made/],
      [['replay', token, './other.ts'], /the token is of 'lost'; .*other\.ts defines other/],
      [['replay', token], /which a file defines: lockrig replay TOKEN FILE/],
      [['replay', 'out'], /out cannot be read/],
      [['verify-fix', token], /which a file defines: lockrig verify-fix TOKEN FILE/],
      [['verify-fix', token.slice(0, -3), './lost.ts'], /was cut or altered/],
      [['verify-fix', token.replace(':sc:', ':tso:'), './lost.ts'], /was cut or altered/],
      [['verify-fix', token.replace('lr1', 'lr7'), './lost.ts'], /format lr7; this lockrig reads lr1/],
      [['verify-fix', 'empty.json', './lost.ts'], /empty\.json holds no token/],
      [['verify-fix', 'half.json', './lost.ts'], /half\.json is no JSON/],
      [['verify-fix', token, './two.ts'], /the token is of 'lost'; .*two\.ts defines .*: name one/],
      [['verify-fix', token, './lost.ts', '--old', './lost.ts'], /the token was not made of this 'lost'/],
      [['verify-fix', token, './lost.ts', '--policy', 'ptc'], /no policy 'ptc'.*'pct' is the nearest/],
      [['verify-fix', token, './lost.ts', '--out', '/proc/x'], /\/proc\/x\S* cannot be written/],
      [
        ['verify-fix', token, 'lost-updat'],
        /no scenario and no workload 'lost-updat'; the nearest are lost-update/,
      ],
    ];
    await each(bad, async ([args, sentence]) => refused(await lockrig(args, at), sentence));
    rmSync(join(box.path, 'out'), { recursive: true });
  },
  { deadline: 240_000 },
);

test.run();
