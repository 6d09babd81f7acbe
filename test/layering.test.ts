/**
 * Dependencies point one way: arch, memory, locking, rcu, mm inside src; then harness/engines, workers, harness, and bench
 * under harness/cli. The linter refuses the same imports by their spelling (biome.json); here they are resolved to the file
 * they mean. Locks and everything above them reach shared memory through isa alone, so none of them names Atomics.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import ts from 'typescript';
import * as assert from 'uvu/assert';
import { filesIn, read, root } from './project.ts';
import { suite } from './suite.ts';

interface Layer {
  readonly folder: string;
  /** Folders whose files it may import; 'src/.' are the files directly in src, without the index. */
  readonly files: readonly string[];
  /** Packages it may import; 'portable' is any but those of Node. */
  readonly packages: 'all' | 'portable' | readonly string[];
}

/** The first layer that holds a file judges it. */
const LAYERS: readonly Layer[] = [
  { folder: 'src/arch', files: ['src/arch'], packages: [] },
  { folder: 'src/memory', files: ['src/arch', 'src/memory'], packages: [] },
  {
    folder: 'src/locking',
    files: ['src/arch', 'src/memory', 'src/locking', 'src/.'],
    packages: 'portable',
  },
  {
    folder: 'src/rcu',
    files: ['src/arch', 'src/memory', 'src/locking', 'src/rcu', 'src/.'],
    packages: 'portable',
  },
  {
    folder: 'src/mm',
    files: ['src/arch', 'src/memory', 'src/locking', 'src/rcu', 'src/mm', 'src/.'],
    packages: 'portable',
  },
  {
    folder: 'src/scenarios',
    files: ['src/arch', 'src/memory', 'src/locking', 'src/rcu', 'src/mm', 'src/scenarios', 'src/.'],
    packages: 'portable',
  },
  { folder: 'src', files: ['src'], packages: 'portable' },
  { folder: 'workers', files: ['src', 'harness/engines', 'workers'], packages: 'all' },
  { folder: 'harness/cli', files: ['src', 'workers', 'harness', 'bench'], packages: 'all' },
  { folder: 'harness', files: ['src', 'workers', 'harness'], packages: 'all' },
  // A program of its own; the page beside it has no Node.
  { folder: 'examples/library', files: [], packages: ['lockrig', 'node:events', 'node:worker_threads'] },
  // Test files, and what they test.
  {
    folder: 'examples/testing',
    files: [],
    packages: ['lockrig', 'lockrig/harness', 'node:assert/strict', 'node:test', 'uvu', 'uvu/assert'],
  },
  { folder: 'examples', files: [], packages: ['lockrig', 'lockrig/mm', 'multithreading', 'web-locks'] },
];
const ONE_DOOR = ['src/memory', 'src/locking', 'src/rcu', 'src/mm', 'src/scenarios'];

const inside = (path: string, folder: string) =>
  folder === 'src/.'
    ? posix.dirname(path) === 'src' && !/^src\/index\.[jt]s$/.test(path)
    : path.startsWith(`${folder}/`);

const isNode = (name: string) => name.startsWith('node:') || builtinModules.includes(name);

const specifiers = (text: string) => ts.preProcessFile(text, true, true).importedFiles.map((i) => i.fileName);

function mayImport(layer: Layer, from: string, specifier: string): boolean {
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(from), specifier);
    return layer.files.some((folder) => inside(target, folder));
  }
  if (typeof layer.packages !== 'string') return layer.packages.includes(specifier);
  if (specifier === 'lockrig' || specifier.startsWith('lockrig/')) return false; // the package as it was last built
  return layer.packages === 'all' || !isNode(specifier);
}

function namesAtomics(path: string, text: string): boolean {
  const names = (node: ts.Node): boolean =>
    (ts.isIdentifier(node) && node.text === 'Atomics') || (ts.forEachChild(node, names) ?? false);
  return names(ts.createSourceFile(path, text, ts.ScriptTarget.Latest));
}

function violations(path: string, text: string): string[] {
  const layer = LAYERS.find(({ folder }) => inside(path, folder));
  const found = layer
    ? specifiers(text)
        .filter((specifier) => !mayImport(layer, path, specifier))
        .map((specifier) => `${path} imports '${specifier}'`)
    : [];
  if (ONE_DOOR.some((folder) => inside(path, folder)) && namesAtomics(path, text)) {
    found.push(`${path} uses Atomics`);
  }
  return found;
}

const FORBIDDEN: readonly (readonly [path: string, text: string])[] = [
  ['src/arch/x.ts', "import { a } from '../memory/a.ts';"],
  ['src/arch/x.ts', "import 'comlink';"],
  ['src/memory/x.ts', "import { a } from '../locking/a.ts';"],
  ['src/memory/x.ts', "export * from '../mm/a.ts';"],
  ['src/locking/x.ts', "import { a } from '../mm/a.ts';"],
  ['src/locking/broken/x.ts', "import type { A } from '../../rcu/a.ts';"],
  ['src/locking/x.ts', "import { availableParallelism } from 'node:os';"],
  ['src/locking/x.ts', 'export const a = (view: Int32Array) => Atomics.load(view, 0);'],
  ['src/memory/x.ts', 'const { add } = Atomics;\nexport const a = add;'],
  ['src/rcu/x.ts', "import { a } from '../mm/a.ts';"],
  ['src/mm/x.ts', "import { a } from '../../harness/torture/a.ts';"],
  ['src/scenarios/x.ts', "import { a } from '../../harness/torture/a.ts';"],
  ['src/scenarios/x.ts', 'export const a = (view: Int32Array) => Atomics.load(view, 0);'],
  ['src/x.ts', "export const a = await import('../workers/a.ts');"],
  ['src/x.ts', "import { readFileSync } from 'node:fs/promises';"],
  ['src/x.ts', "import { a } from '../bench/a.ts';"],
  ['workers/x.ts', "import { a } from '../harness/torture/a.ts';"],
  ['workers/x.ts', "import { a } from '../test/a.ts';"],
  ['harness/torture/x.ts', "import { a } from '../../bench/a.ts';"],
  ['harness/torture/x.ts', "import { a } from 'lockrig';"],
  ['harness/cli/x.ts', "import { a } from '../../test/a.ts';"],
  ['examples/x.ts', "import { a } from '../src/index.ts';"],
  ['examples/x.ts', "import { a } from 'node:fs';"],
];

const ALLOWED: readonly (readonly [path: string, text: string])[] = [
  ['src/arch/x.ts', "import { a } from './a.ts';"],
  ['src/memory/x.ts', "import { a } from '../arch/a.ts';"],
  ['src/locking/broken/x.ts', "import { a } from '../ticket.ts';\nimport { b } from '../../memory/a.ts';"],
  ['src/locking/x.ts', '/** Unlike Atomics.load. */\nexport const a = 1;'],
  ['src/rcu/x.ts', "import { a } from '../locking/a.ts';"],
  ['src/mm/variants/x.ts', "import { a } from '../../rcu/a.ts';"],
  ['src/scenarios/x.ts', "import { a } from '../locking/a.ts';\nimport { b } from '../scenario.ts';"],
  ['src/index.ts', "export * from './mm/a.ts';"],
  [
    'workers/x.ts',
    "import { a } from '../harness/engines/a.ts';\nimport { parentPort } from 'node:worker_threads';",
  ],
  ['harness/cli/x.ts', "import { a } from '../../bench/a.ts';"],
  ['harness/torture/x.ts', "import { a } from '../../src/locking/a.ts';\nimport { b } from 'piscina';"],
  ['examples/x.ts', "import { defineLock } from 'lockrig';"],
];

/** Which of the texts the linter refuses for their imports or globals, under the project's configuration. */
function refusedByLint(planted: readonly (readonly [path: string, text: string])[]): boolean[] {
  const folder = mkdtempSync(join(tmpdir(), 'lockrig-layering-'));
  try {
    cpSync(join(root, 'biome.json'), join(folder, 'biome.json'));
    const paths = planted.map(([path, text], i) => {
      const copy = path.replace('x.ts', `x${i}.ts`);
      mkdirSync(join(folder, posix.dirname(path)), { recursive: true });
      writeFileSync(join(folder, copy), text);
      return copy;
    });
    const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
    const rules = ['--only=style/noRestrictedImports', '--only=style/noRestrictedGlobals'];
    const args = [biome, 'lint', ...rules, '--max-diagnostics=none', '--reporter=github'];
    const { stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    return paths.map((path) => stdout.includes(`/${path},`));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const test = suite('layering');

test('forbidden imports are recognised', () => {
  for (const [path, text] of FORBIDDEN) {
    assert.is(violations(path, text).length, 1, `not recognised in ${path}: ${text}`);
  }
});

test('allowed imports pass', () => {
  for (const [path, text] of ALLOWED) assert.equal(violations(path, text), []);
});

test('the linter refuses the forbidden and lets the allowed pass', () => {
  const refused = refusedByLint([...FORBIDDEN, ...ALLOWED]);
  for (const [i, [path, text]] of FORBIDDEN.entries())
    assert.ok(refused[i], `lint accepts in ${path}: ${text}`);
  for (const [i, [path, text]] of ALLOWED.entries()) {
    assert.not.ok(refused[FORBIDDEN.length + i], `lint refuses in ${path}: ${text}`);
  }
});

test('every source file keeps to its layer', () => {
  const files = ['src', 'workers', 'harness', 'examples']
    .flatMap(filesIn)
    .filter((path) => /\.(ts|js|mjs)$/.test(path));
  assert.ok(files.length > 0, 'no source file found');
  assert.equal(
    files.flatMap((path) => violations(path, read(path))),
    [],
  );
});

test('test files declare their suites through the guard', () => {
  const past = filesIn('test')
    .filter((path) => /\.[jt]s$/.test(path) && path !== 'test/suite.ts')
    .filter((path) => specifiers(read(path)).includes('uvu'));
  assert.equal(past, []);
});

test.run();
