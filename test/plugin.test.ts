/** A user's lock or scenario file works from anywhere as it is, and one that cannot work is answered in one sentence. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { wrap } from 'comlink';
import * as assert from 'uvu/assert';
import { bundlePlugin } from '../harness/plugin/bundle.ts';
import type { PluginError } from '../harness/plugin/errors.ts';
import { loadPlugin } from '../harness/plugin/load.ts';
import { writeTemplate } from '../harness/plugin/template.ts';
import { mapStack } from '../harness/plugin/trace.ts';
import { BAD } from './fixtures/plugin/bad.ts';
import { checkExclusion, type Episode, type Exclusive, failuresOf } from './fixtures/plugin/machines.ts';
import { lockSource, pluginSource, sandbox } from './fixtures/plugin/sandbox.ts';
import { ALIAS, COMMONJS, dependent, installed, PACKAGES, PUBLISHED } from './fixtures/plugin/trees.ts';
import { suite } from './suite.ts';

type Module = Record<string, unknown>;

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const box = sandbox();
const load = (file: string, deadline?: number) =>
  loadPlugin(file, { ...box.urls, ...(deadline === undefined ? {} : { deadline }) });
const bundle = (file: string) => bundlePlugin(file, box.urls);
const imported = async (file: string) => (await import((await bundle(file)).url)) as Module;

const names = (definitions: readonly { name: string }[]) => definitions.map(({ name }) => name);

async function refused(work: () => Promise<unknown>): Promise<PluginError> {
  const outcome = await work().then(
    () => new Error('it was accepted'),
    (error: Error) => error,
  );
  assert.is(outcome.name, 'PluginError', outcome.stack);
  return outcome as PluginError;
}

Error.stackTraceLimit = 50; // so that lockrig's own frames are in the stacks, too
const test = suite('plugins');

test('a TypeScript lock is loaded with types, enums and helpers from other files', async () => {
  const file = box.write({
    'ts/my-lock.ts': `import type { Isa } from 'lockrig';
import { defineLock } from 'lockrig';
import { FREE, type Word } from './words.js';
enum State { Held = 1 }
export default defineLock({
  name: 'my-lock' as const, kind: 'mutex', size: (cpus: number): number => 64 * cpus,
  create: (isa: Isa) => ({ words: [FREE as Word, State.Held] }),
});`,
    'ts/words.ts': `export type Word = number;\nexport const FREE: Word = 0;`,
  });
  const plugin = await load(file);
  assert.equal(names(plugin.locks), ['my-lock']);
  assert.equal(plugin.scenarios, []);
  assert.is(plugin.file, file);
  assert.equal(plugin.inputs, [file, join(dirname(file), 'words.ts')]);
  assert.match(plugin.hash, /^[0-9a-f]{16}$/);
  const { create } = plugin.locks[0] as unknown as { create(): { words: number[] } };
  assert.equal(create().words, [0, 1]);
});

test('a promise that a file leaves behind rejected is told in a sentence, and so is what it throws besides', async () => {
  const rejects = `Promise.reject(new Error('left behind'));`;
  const left = await refused(() => load(box.write({ 'left.ts': `${rejects}\n${pluginSource('left')}` })));
  assert.match(left.message, /left\.ts:1:\d+ throws while it is imported \(Error: left behind\)/);
  const both = await refused(() => load(box.write({ 'both.ts': `${rejects}\nthrow new Error('first');` })));
  assert.match(both.message, /both\.ts:2:\d+ throws while it is imported \(Error: first\)/);
});

test('every extension loads', async () => {
  for (const name of ['a.ts', 'a.mts', 'a.js', 'a.mjs']) {
    const { locks } = await load(box.write({ [`extensions/${name}`]: pluginSource(`from ${name}`) }));
    assert.is(locks[0]?.name, `from ${name}`);
  }
});

test('CommonJS in a .js file loads, with what it requires', async () => {
  const file = box.write(COMMONJS);
  const { locks } = await load(file);
  const near = join(dirname(file), 'node_modules', 'near', 'a.js');
  assert.equal(
    locks.map(({ name, kind }) => [name, kind]),
    [
      [near, 'mutex'],
      [file, 'mutex'],
    ],
  );
});

test('definitions come from the default export, named exports and lists, each once', async () => {
  const file = box.write({
    'exports.js': `import { defineLock, defineScenario } from 'lockrig';
const a = ${lockSource('a')};
export default [a, ${lockSource('b')}];
export const again = a;
export const c = ${lockSource('c')};
export const s = defineScenario({ name: 's', actors: [() => {}, () => {}], check() {} });
export const helper = { size: 3 }, sizes = [1, 2];`,
  });
  const { locks, scenarios } = await load(file);
  assert.equal(names(locks).sort(), ['a', 'b', 'c']);
  assert.equal(names(scenarios), ['s']);
});

test('lockrig and lockrig/harness are the running copy, for import and for require', async () => {
  box.write({
    'node_modules/lockrig/package.json': '{"name":"lockrig"}',
    'node_modules/lockrig/index.js': 'throw 1',
  });
  const running = (await import(box.urls.lockrigUrl)) as Module;
  const { harness } = (await import(box.urls.harnessUrl)) as Module;
  const module = await imported(
    box.write({ 'copy.mjs': `export { copy } from 'lockrig';\nexport { harness } from 'lockrig/harness';` }),
  );
  assert.is(module.copy, running.copy);
  assert.is(module.harness, harness);
  const required = await imported(box.write({ 'copy.js': `exports.copy = require('lockrig').copy;` }));
  assert.is((required.default as Module).copy, running.copy);
  assert.is((await imported(box.write(PUBLISHED))).copy, running.copy);
});

test('two files that import each other work, and know where they are before they have run', async () => {
  const file = box.write({
    'cycle/a.ts': `import { early } from './b/b.ts';
export function where() { return import.meta.url + import.meta.filename + import.meta.dirname; }
export const fromB = early, late = () => import.meta;`,
    'cycle/b/b.ts': `import { where } from '../a.ts';\nexport const early = [where(), import.meta.url];`,
  });
  const module = await imported(file);
  const other = join(dirname(file), 'b', 'b.ts');
  assert.equal(module.fromB, [pathToFileURL(file).href + file + dirname(file), pathToFileURL(other).href]);
});

test('import.meta, __filename and require see the original file, and strings stay as they are', async () => {
  const file = box.write({
    'meta/sub folder #1/é.ts': `import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const { url, dirname, filename } = import.meta;
export const self = [url, dirname, filename, import.meta.url, import.meta.dirname, import.meta.filename];
export const text = 'import.meta.url'; // import.meta.url
export const resolved = [import.meta.resolve('./x.js'), import.meta.resolve('fs'), import.meta.resolve('near')];
export const near = require('near');`,
    'meta/node_modules/near/package.json': '{"name":"near","main":"main.cjs"}',
    'meta/node_modules/near/main.cjs': 'module.exports = __filename;',
  });
  const module = await imported(file);
  const url = pathToFileURL(file).href;
  assert.equal(module.self, [url, dirname(file), file, url, dirname(file), file]);
  assert.is(module.text, 'import.meta.url');
  const near = join(box.folder, 'meta', 'node_modules', 'near', 'main.cjs');
  assert.equal(module.resolved, [new URL('./x.js', url).href, 'node:fs', pathToFileURL(near).href]);
  assert.is(module.near, near);
});

test('packages stay where they are installed, resolved as Node does for an import', async () => {
  const file = box.write(PACKAGES);
  const comlink = createRequire(import.meta.url).resolve('comlink'); // dist/umd/comlink.js
  symlinkSync(join(dirname(comlink), '..', '..'), join(box.folder, installed('comlink')), 'dir');
  symlinkSync(join(box.folder, 'linked'), join(box.folder, installed('linked')), 'dir');
  const module = await imported(file);
  const url = (name: string) => pathToFileURL(join(box.folder, installed(name))).href;
  assert.is(module.self, url('conditional/node.mjs'));
  assert.is(module.deep, url('@scope/deep/lib/part.mjs'));
  assert.is(module.typed, 1);
  assert.is((module.version as Module).version, '1.2.3');
  assert.is(module.bundled, join(dirname(file), 'inner.ts'));
  assert.is(module.wrap, wrap);
  assert.is(module.copy, ((await import(box.urls.lockrigUrl)) as Module).copy);
  const { linked } = (await import(pathToFileURL(join(box.folder, 'linked', 'x.mjs')).href)) as Module;
  assert.is(module.linked, linked);
  assert.is(await (module.answer as () => Promise<number>)(), 42);
});

test("a path alias of tsconfig.json is the user's own file, and TypeScript is read by that tsconfig", async () => {
  const file = box.write(ALIAS);
  const { field, effect } = await imported(file);
  assert.equal([field, effect], [7, 8]);
});

test('a worker imports the bundle, and its errors lead to the lines of the source', async () => {
  const file = box.write({
    'worker/throws.ts': `import { defineLock } from 'lockrig';
interface Words { readonly first: number }

export default defineLock({
  name: 'throws', kind: 'mutex', size: 4,
  create: () => ({ acquire(lock: number): Words { throw new Error(\`no lock at \${lock}\`); } }),
});`,
  });
  const { url } = await load(file);
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
import(workerData).then(({ default: lock }) => {
  try { lock.create().acquire(64); } catch (error) { parentPort.postMessage({ name: lock.name, stack: error.stack }); }
});`,
    { eval: true, workerData: url },
  );
  const { name, stack } = await new Promise<{ name: string; stack: string }>((done, failed) => {
    worker.once('message', done).once('error', failed);
  });
  await worker.terminate();
  assert.is(name, 'throws');
  const column = readFileSync(file, 'utf8').split('\n')[5]?.indexOf('new Error') ?? -1;
  assert.match(stack, url);
  assert.match(mapStack(stack), `(${file}:6:${column + 1})`);
  assert.not.match(mapStack(stack), url);
  assert.is(mapStack('at x (file:///elsewhere/x.mjs:1:2)'), 'at x (file:///elsewhere/x.mjs:1:2)');
});

test('the hash is of the content: not of the folder, the layout or the machine', async () => {
  const hash = async (tree: Record<string, string>) => (await bundle(box.write(tree))).hash;
  const first = await hash(dependent('hash/one'));
  assert.is(await hash(dependent('hash/one')), first);
  assert.is(await hash(dependent('hash/deep/er/one')), first);
  assert.is(await hash(dependent('hash/layout', '1.0.0', '\n  // say\n  return   dep;\n')), first);
  assert.is(
    await hash({ 'hash/name/a.ts': pluginSource('x') }),
    await hash({ 'hash/name/b.ts': pluginSource('x') }),
  );
  assert.is.not(await hash(dependent('hash/body', '1.0.0', 'return dep + 1;')), first);
  assert.is.not(await hash(dependent('hash/version', '1.0.1')), first);
  const elsewhere = {
    lockrigUrl: 'file:///elsewhere/lockrig.mjs',
    harnessUrl: 'file:///elsewhere/harness.mjs',
    mmUrl: 'file:///elsewhere/mm.mjs',
  };
  assert.is((await bundlePlugin(join(box.folder, 'hash/one/p/lock.ts'), elsewhere)).hash, first);
});

test('changed content is a new module, and unchanged content the same', async () => {
  const before = await bundle(box.write({ 'change.ts': 'export const value = 1;' }));
  assert.is((await bundle(before.file)).url, before.url);
  const after = await bundle(box.write({ 'change.ts': 'export const value = 2;' }));
  const values = [((await import(before.url)) as Module).value, ((await import(after.url)) as Module).value];
  assert.equal(values, [1, 2]);
});

test('bundles are gone when the process has ended', () => {
  const file = box.write({ 'short-lived.ts': pluginSource('short-lived') });
  const code = `const { bundlePlugin } = await import(${JSON.stringify(new URL(`../harness/plugin/bundle${extension}`, import.meta.url).href)});
const { existsSync } = await import('node:fs');
const { url } = await bundlePlugin(${JSON.stringify(file)}, ${JSON.stringify(box.urls)});
console.log(existsSync(new URL(url)), url);`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
  const [existed, url = ''] = output.trim().split(' ');
  assert.is(existed, 'true');
  assert.match(url, /lockrig-plugin-.*short-lived\.mjs$/);
  assert.not(existsSync(fileURLToPath(url)));
  assert.not(existsSync(dirname(dirname(fileURLToPath(url)))));
});

for (const [title, { files, path, missing, says, deadline }] of Object.entries(BAD)) {
  test(`one sentence: ${title}`, async () => {
    const first = box.write(files ?? {});
    const file = path === undefined ? first : join(box.folder, path);
    const error = await refused(() => load(file, deadline));
    assert.is(box.short(error.message), says);
    assert.is(error.missing, missing);
    assert.is(error.file, file);
    assert.is(error.code, 'EPLUGIN');
    assert.not.match(error.message, /\n/);
  });
}

test('a lock template is a correct lock', async () => {
  for (const name of ['MyFirst_lock.ts', 'MyFirst_lock.mjs']) {
    const written = await writeTemplate('lock', join(box.folder, name));
    assert.is(written.name, 'my-first-lock');
    // Where it is from here; in the file nothing of where that was.
    const where = relative(process.cwd(), box.folder).replaceAll('\\', '/');
    assert.is(written.command, `npx lockrig torture ${where}/${name}`);
    const text = readFileSync(written.file, 'utf8');
    assert.match(text, `npx lockrig torture ./${name}\n`);
    assert.not.match(text, where);
    const [lock] = (await load(written.file)).locks;
    assert.is(lock?.name, 'my-first-lock');
    checkExclusion(lock as unknown as Exclusive);
  }
});

test('a scenario template counts without a lock and says so', async () => {
  const { file, command } = await writeTemplate('scenario', join(box.folder, "it's lost.js"));
  const where = relative(process.cwd(), box.folder).replaceAll('\\', '/');
  assert.is(command, `npx lockrig torture '${where}/it'\\''s lost.js'`);
  assert.match(readFileSync(file, 'utf8'), /^\/\/ @ts-check\n/);
  const [scenario] = (await load(file)).scenarios;
  assert.is(scenario?.name, 'it-s-lost');
  const failures = failuresOf(scenario as unknown as Episode);
  assert.equal(failures, ['an increment was lost']);
});

test('a template overwrites only on demand and only where it can', async () => {
  const file = box.write({ 'kept.ts': 'mine' });
  const says = async (name: string, options = {}) => {
    const error = await refused(() => writeTemplate('lock', join(box.folder, name), options));
    return box.short(error.message);
  };
  assert.is(
    await says('kept.ts'),
    './kept.ts exists already: choose another name, or add --force to replace it',
  );
  assert.is(readFileSync(file, 'utf8'), 'mine');
  await writeTemplate('lock', file, { force: true });
  assert.match(readFileSync(file, 'utf8'), /name: 'kept'/);
  const right = 'a lock goes into a .ts, .mts, .js or .mjs file';
  assert.is(await says('lock.py'), `./lock.py has the extension .py: ${right}`);
  assert.is(await says('.ts'), `./.ts has no extension: ${right}`);
  assert.is(await says('none/lock.ts'), './none is not a folder: create it before lock.ts');
  assert.not(existsSync(join(box.folder, 'none')));
});

test.run();
