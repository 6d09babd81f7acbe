/** Users' files: what is wrong with them is said in one sentence before anything runs; what they do wrong while they run is a verdict. */
import * as assert from 'uvu/assert';
import { each, folder, lockFile, lockrig, refused, said } from '../fixtures/torture/cli.ts';
import { haveTurn, longOnly, suite } from '../suite.ts';

const test = suite('cli: plugins');
const long = longOnly(test);
const box = folder();
const ROUNDS = ['--rounds', '40'];

const torture = (...line: readonly string[]) => lockrig(['torture', ...line], { cwd: box.path });

const operations = (fields: string, before = ''): string => `(isa, cpu) => {
    ${before}
    return {
      acquire(lock) { while (isa.compareExchange(lock, 0, 1) !== 0) isa.spinWhile(lock, 1); },
      release(lock) { isa.storeWake(lock, 0); },
      ${fields}
    };
  }`;

/** Files that cannot be run: their text, what is said, further options. */
const UNUSABLE: Readonly<
  Record<string, readonly [text: string, sentence: RegExp, options?: readonly string[]]>
> = {
  'throws.ts': [
    lockFile('x', {}, `throw new Error('boom');`),
    /throws\.ts:2:7 throws while it is imported \(Error: boom\)/,
  ],
  'syntax.ts': ['export default {{{', /syntax\.ts:1:17 is not valid TypeScript/],
  'empty.ts': ['', /empty\.ts exports no lock and no scenario/],
  'other.ts': [
    'export const answer = 42;',
    /other\.ts exports no lock and no scenario \(it exports only 'answer'\)/,
  ],
  'never.ts': [lockFile('x', {}, 'await new Promise(() => {});'), /never\.ts is still loading after \d+ s/],
  'leaves.ts': [lockFile('x', {}, 'process.exit(0);'), /leaves\.ts ends the process while it is imported/],
  'kind.ts': [lockFile('x', { kind: `'mutexx'` }), /unknown kind 'mutexx': one of mutex,/],
  'unnamed.ts': [
    `import { defineLock } from 'lockrig';\nexport default defineLock();`,
    /unnamed\.ts:2:\d+ defines a lock that cannot be used: a lock needs a name/,
  ],
  'no-actors.ts': [
    `import { defineScenario } from 'lockrig';\nexport default defineScenario({ name: 'x', state: 4 });`,
    /no-actors\.ts:2:\d+ defines a scenario that cannot be used: scenario 'x' has no actors/,
  ],
  'no-operations.ts': [
    `import { defineWorkload } from 'lockrig';\nexport default defineWorkload({ name: 'x', state: 4, rest() {} });`,
    /no-operations\.ts:2:\d+ defines a workload that cannot be used: workload 'x' has no operations/,
  ],
  'zero.ts': [lockFile('x', { size: '0' }), /'x' takes 0 bytes: its size must be at least 4/],
  'nan.ts': [lockFile('x', { size: '() => NaN' }), /'x' takes NaN bytes/],
  'nan5.ts': [
    lockFile('x', { size: '(cpus) => cpus === 5 ? NaN : 64' }),
    /'x' takes NaN bytes/,
    ['--cpus', '5'],
  ],
  'size5.ts': [
    lockFile('x', { size: `(cpus) => { if (cpus === 5) throw new Error('five'); return 64; }` }),
    /size of lock 'x' throws \(Error: five\) at size5\.ts:\d/,
    ['--cpus', '5'],
  ],
  'huge.ts': [
    lockFile('x', { size: '2 ** 40' }),
    /'x' takes 1099511627776 bytes: a machine has 1073741824 in all/,
  ],
  'large.ts': [lockFile('x', { size: '9e8' }), /'x' does not fit: a machine has at most/, ['--nested', '8']],
  'many.ts': [lockFile('x', { size: '(cpus) => cpus * 2 ** 20' }), /do(es)? not fit/, ['--cpus', '1024']],
  'percpu.ts': [lockFile('x', { perCpu: 'NaN' }), /'x' has NaN for perCpu/],
  'percpu-large.ts': [lockFile('x', { perCpu: '2 ** 29' }), /'x' does not fit/, ['--cpus', '8']],
  'promise.ts': [
    lockFile('x', { promises: '{ fifp: true }' }),
    /'x' promises fifp, which nobody judges: one of fifo,/,
  ],
  'bound.ts': [lockFile('x', { promises: '{ bypass: () => NaN }' }), /'x' promises bypass NaN at 2 CPUs/],
  'init.ts': [
    lockFile('x', { init: `() => { throw new Error('no') }` }),
    /init of lock 'x' throws \(Error: no\) at init\.ts:\d/,
  ],
  'share.ts': [
    lockFile('x', { share: `() => { throw new Error('no') }` }),
    /share of lock 'x' throws \(Error: no\) at share\.ts/,
  ],
  'later.ts': [lockFile('x', { share: `() => new Promise(() => {})` }), /share of lock 'x' does not settle/],
  'clone.ts': [
    lockFile('x', { share: '() => () => 1' }),
    /share of lock 'x' returns what cannot be sent to other threads/,
  ],
  'create.ts': [
    lockFile('x', { create: `() => { throw new Error('no') }` }),
    /'x' cannot be created on a CPU \(Error: no\) at create\.ts:\d/,
  ],
  'nothing.ts': [lockFile('x', { create: '() => undefined' }), /'x' of kind mutex has no operation acquire/],
  'async.ts': [
    lockFile('x', { create: 'async () => ({ acquire() {}, release() {} })' }),
    /'x' of kind mutex has no operation/,
  ],
  'half.ts': [
    lockFile('x', { create: '() => ({ acquire() {} })' }),
    /'x' of kind mutex has no operation release/,
  ],
  'twins.ts': [
    `${lockFile('x')}export const other = defineLock({ name: 'x', kind: 'mutex', size: 64, create: () => ({ acquire() {}, release() {} }) });`,
    /defines two locks named 'x'/,
  ],
  'three.ts': [
    `import { defineScenario } from 'lockrig';\nexport default defineScenario({ name: 'x', state: 64, actors: [() => {}, () => {}, () => {}], check() {} });`,
    /'x' has an actor for each of 3 CPUs: it cannot run on 2/,
    ['--cpus', '2'],
  ],
};

test(
  'files that cannot be used are refused in one sentence',
  async () => {
    box.write(Object.fromEntries(Object.entries(UNUSABLE).map(([file, [text]]) => [file, text])));
    await each(haveTurn(Object.entries(UNUSABLE), 3), async ([file, [, sentence, options = []]]) =>
      refused(await torture(`./${file}`, ...ROUNDS, ...options), sentence),
    );
  },
  { deadline: 240_000 },
);

test('--verbose shows where in the file it was', async () => {
  const { code, stderr } = await torture('./create.ts', ...ROUNDS, '--verbose');
  assert.is(code, 2);
  assert.match(stderr, /Error: no\n +at .*[\\/]create\.ts:\d+:\d+/);
});

test('more CPUs than memory has room for are refused', async () => {
  const node = ['--import', `data:text/javascript,process.availableMemory = () => 2 ** 30;`];
  refused(
    await lockrig(['torture', 'ticket', '--cpus', '1024'], { node }),
    /1024 CPUs do not fit: .* 12\.0 GiB .* 1\.0 GiB are free, enough for 85/,
  );
  assert.is((await lockrig(['torture', 'ticket', '--cpus', '2', '--rounds', '1'], { node })).code, 0);
});

test('an operation that throws is a failure, with the stack in the file that was written', async () => {
  const before = 'let times = 0;';
  const release = `release(lock) {
        times += 1;
        if (times > 1000)
          throw new RangeError('a thousand times');
        isa.storeWake(lock, 0);
      },`;
  box.write({ 'release.ts': lockFile('release', { create: operations(release, before) }) });
  const ended = await torture('./release.ts', '--duration', '30s');
  assert.is(ended.code, 1, said(ended));
  assert.match(ended.stdout, /!!! exception: CPU \d threw RangeError: a thousand times/);
  assert.match(ended.stdout, /at \S*release \(.*release\.ts:15:\d+\)/);
  assert.match(ended.stdout, /FAILURE \(exception\)\n$/);
});

test('an operation that throws what is no error is a failure, too', async () => {
  const release = `release(lock) { if (isa.fetchAdd(lock + 4, 1) > 100) throw null; isa.storeWake(lock, 0); },`;
  box.write({ 'null.ts': lockFile('null', { create: operations(release) }) });
  const ended = await torture('./null.ts', '--duration', '30s');
  assert.is(ended.code, 1, said(ended));
  assert.match(ended.stdout, /FAILURE \(exception\)\n$/);
});

/** Takes the inner lock, with the one under torture held, and ends the thread in one way or another. */
const dying = (how: string): string => {
  const acquire = `acquire(lock) {
        while (isa.compareExchange(lock, 0, 1) !== 0) isa.spinWhile(lock, 1);
        outer ??= lock;
        times += 1;
        if (lock !== outer && times > 100) { ${how} }
      },`;
  return operations(acquire, 'let outer, times = 0; const kept = [];');
};

test('a CPU that runs out of memory is named, with its heartbeat and what it held', async () => {
  box.write({
    // With a call in its loop: without one V8 may never look whether the thread is to end.
    'leak.ts': lockFile('leak', {
      create: dying('for (;;) { kept.push(new Array(1000).fill({ times })); isa.pause(); }'),
    }),
  });
  const ended = await torture('./leak.ts', '--nested', '4', '--max-memory', '24', '--duration', '60s');
  assert.is(ended.code, 4, said(ended));
  assert.match(ended.stdout, /!!! CPU \d died: out of memory; last heartbeat \d+; it held leak \(write\)/);
  assert.match(ended.stdout, /FAILURE \(a CPU died\)\n$/);
});

long(
  'a CPU in a loop that V8 may not interrupt ends the run all the same, with what is known of it',
  async () => {
    box.write({
      'loop.ts': lockFile('loop', { create: dying('for (;;) kept[0] = new Array(1000).fill({ times });') }),
    });
    const ended = await torture('./loop.ts', 'ticket', '--nested', '4', '--duration', '8s');
    assert.is(ended.code, 3, said(ended));
    assert.match(ended.stdout, /!!! progress: stall: no CPU has got anything done/);
    assert.match(ended.stdout, /CPU \d: [^\n]*holds loop[^\n]*running/);
    assert.ok(
      /torture:ticket .* SUCCESS/.test(ended.stdout) || /no other lock can be/.test(ended.stdout),
      said(ended),
    );
  },
);

test('a CPU that leaves on its own is named', async () => {
  box.write({ 'exit.ts': lockFile('exit', { create: dying('process.exit(0);') }) });
  const ended = await torture('./exit.ts', '--nested', '4', '--duration', '60s');
  assert.is(ended.code, 4, said(ended));
  assert.match(ended.stdout, /!!! CPU \d died: [^;\n]*code: 0; last heartbeat \d+; it held exit \(write\)/);
  box.write({ 'at-once.ts': lockFile('at-once', { create: '() => process.exit(7)' }) });
  const early = await torture('./at-once.ts', ...ROUNDS);
  assert.is(early.code, 4, said(early));
  assert.match(early.stderr, /^lockrig: CPU \d died: [^\n]*code: 7\n$/);
});

test('a lock that is never given back: exit code 3, who waits for it, and where', async () => {
  box.write({ 'keep.ts': lockFile('keep', { create: operations('release() {},') }) });
  const ended = await torture('./keep.ts', '--duration', '1h');
  assert.is(ended.code, 3, said(ended));
  assert.match(ended.stdout, /deadlock, proven/);
  for (const cpu of [0, 1])
    assert.match(
      ended.stdout,
      new RegExp(`CPU ${cpu}: waits for keep, held by nobody; in spinWhile on keep while it is 1`),
    );
  assert.match(ended.stdout, /at acquire \(keep\.ts:10:\d+\)/);
  assert.match(ended.stdout, /lockrig torture \S*keep\.ts#keep --reproduce/);
  assert.match(ended.stdout, /FAILURE \(progress: deadlock\)\n$/);
});

test('a user may give a lock a name that is taken, and both are tortured', async () => {
  const open = lockFile('ticket', { create: '() => ({ acquire() {}, release() {} })' });
  box.write({ 'ticket.ts': open });
  const ended = await torture('./ticket.ts', 'ticket', '--duration', '1s', '--out', 'both');
  assert.is(ended.code, 1, said(ended));
  const verdicts = [...ended.stdout.matchAll(/^torture:ticket .* (SUCCESS|FAILURE).*$/gm)].map(
    ([, word]) => word,
  );
  assert.equal(verdicts, ['FAILURE', 'SUCCESS'], said(ended));
  assert.match(ended.stdout, /1 of 2 locks held, 1 did not\n$/);
});

test('a lock and a scenario of one name in one file are both run, or the one that is asked for', async () => {
  const scenario = `import { defineScenario } from 'lockrig';\nexport const race = defineScenario({ name: 'same', state: 64, actors() {}, check() {} });\n`;
  box.write({
    'same.ts': scenario + lockFile('same'),
    'two.ts': `${lockFile('one')}export { default as other } from './two-b.ts';`,
    'two-b.ts': lockFile('two'),
  });
  const both = await torture('./same.ts', ...ROUNDS);
  assert.is(both.code, 0, said(both));
  assert.match(both.stdout, /Episodes:/);
  assert.match(both.stdout, /Writes:/);
  assert.match(both.stdout, /2 of 2 held\n$/);
  const one = await torture('./two.ts#two', ...ROUNDS);
  assert.is(one.code, 0, said(one));
  assert.equal(
    [...one.stdout.matchAll(/^torture:(\w+) /gm)].map(([, name]) => name),
    ['two', 'two'],
  );
});

test('the same file twice is one subject', async () => {
  box.write({ 'good.ts': lockFile('good') });
  const ended = await torture('./good.ts', './good.ts', ...ROUNDS);
  assert.is(ended.stdout.match(/ SUCCESS$/gm)?.length, 1, said(ended));
});

test.run();
