/**
 * Is the package that would be published one that works? Packs it, lints the tarball, installs it into an empty folder
 * elsewhere and uses it there as its users would: the command, both entry points, their types, the examples and a lock of
 * their own. Prints a line a check and ends in `N passed, N failed`; exit code 1 if one failed.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const scratch = mkdtempSync(join(tmpdir(), 'lockrig-package-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const user = join(scratch, 'user');
mkdirSync(user);

const env = { ...process.env, NO_COLOR: '1' };
delete env.FORCE_COLOR;
delete env.npm_config_local_prefix; // set by `npm run`: it would stand for the project, not for the empty folder

const inProject = (tool) => [process.execPath, join(root, 'node_modules', tool)];

/** @returns stdout; throws with all output unless the exit code is the expected one */
function run(cwd, [command, ...args], expected = 0) {
  const child = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 240_000 });
  if (child.error) throw child.error;
  if (child.status === expected) return child.stdout;
  const end = child.signal ?? `exit code ${child.status} instead of ${expected}`;
  throw new Error(`${command} ${args.join(' ')}: ${end}\n${child.stdout}${child.stderr}`);
}

function mustHold(condition, message) {
  if (!condition) throw new Error(message);
}

const OWN_LOCK = `import { defineLock } from 'lockrig';

export default defineLock({
  name: 'own-tas',
  kind: 'mutex',
  size: 64,
  create: (isa) => ({
    acquire(lock) {
      while (isa.compareExchange(lock, 0, 1) !== 0) isa.spinWhile(lock, 1);
    },
    tryAcquire: (lock) => isa.compareExchange(lock, 0, 1) === 0,
    release(lock) {
      isa.storeWake(lock, 0);
    },
  }),
});
`;

const compilerOptions = {
  target: 'es2022',
  lib: ['es2024', 'esnext.disposable'],
  module: 'nodenext',
  strict: true,
  noEmit: true,
  allowImportingTsExtensions: true,
  skipLibCheck: false,
};

function typeCheck(name, files, types) {
  const config = `tsconfig.${name}.json`;
  writeFileSync(
    join(user, config),
    JSON.stringify({ compilerOptions: { ...compilerOptions, types }, files }),
  );
  run(user, [...inProject('typescript/bin/tsc'), '-p', config]);
}

let tarball = '';

const checks = {
  'packs what users need and nothing else'() {
    run(root, [process.execPath, join(root, 'harness/build/stale.mjs')]);
    const packed = run(root, ['npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', scratch]);
    const report = JSON.parse(packed);
    const [{ filename, files }] = Array.isArray(report) ? report : Object.values(report);
    tarball = join(scratch, filename);
    const paths = files.map(({ path }) => path);
    for (const path of ['LICENSE', 'README.md', 'CHANGELOG.md', 'dist/harness/cli/main.js', 'src/index.ts']) {
      mustHold(paths.includes(path), `${path} is not in the package`);
    }
    const stray = paths.filter((path) => /^(dist\/)?test\/|\/\.|^\./.test(path));
    mustHold(stray.length === 0, `the package contains ${stray.join(', ')}`);
  },
  'publint finds nothing'() {
    run(root, [...inProject('publint/src/cli.js'), 'run', tarball, '--strict']);
  },
  'types resolve in every mode of ESM'() {
    const attw = inProject('@arethetypeswrong/cli/dist/index.js');
    run(root, [...attw, tarball, '--profile', 'esm-only', '--no-definitely-typed']);
  },
  'installs in an empty folder'() {
    writeFileSync(join(user, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
    const quiet = ['--no-audit', '--no-fund', '--prefer-offline'];
    run(user, ['npm', 'install', ...quiet, tarball, '@types/node@20']);
    mustHold(existsSync(join(user, 'node_modules/lockrig/package.json')), 'lockrig was not installed there');
  },
  'npx lockrig --help works'() {
    const help = run(user, ['npx', '--no-install', 'lockrig', '--help']);
    for (const word of ['torture', 'bench']) {
      mustHold(help.includes(word), `the help does not mention ${word}:\n${help}`);
    }
  },
  'all entry points can be imported'() {
    const script = `import { defineLock } from 'lockrig';
      import * as harness from 'lockrig/harness';
      import * as mm from 'lockrig/mm';
      if (typeof mm.createKernel !== 'function') throw new Error('lockrig/mm exports no createKernel');
      if (typeof defineLock !== 'function') throw new Error('lockrig exports no defineLock');
      if (Object.keys(harness).length === 0) throw new Error('lockrig/harness exports nothing');`;
    run(user, [process.execPath, '--input-type=module', '--eval', script]);
  },
  'lockrig and lockrig/mm type check without Node and DOM types'() {
    writeFileSync(join(user, 'own-tas.ts'), OWN_LOCK);
    writeFileSync(join(user, 'mm.ts'), "import * as mm from 'lockrig/mm';\nvoid mm;\n");
    typeCheck('library', ['own-tas.ts', 'mm.ts'], []);
  },
  'lockrig/harness type checks with Node types'() {
    writeFileSync(join(user, 'harness.ts'), "import * as harness from 'lockrig/harness';\nvoid harness;\n");
    typeCheck('harness', ['harness.ts'], ['node']);
  },
  'the examples type check against it'() {
    cpSync(join(root, 'examples'), join(user, 'examples'), { recursive: true });
    const examples = readdirSync(join(user, 'examples'), { recursive: true, encoding: 'utf8' });
    const files = examples.filter((name) => name.endsWith('.ts')).map((name) => `examples/${name}`);
    mustHold(files.length > 0, 'there is no example');
    // Those about published packages depend on types that are not ours.
    const own = files.filter((name) => !/import\('/.test(readFileSync(join(user, name), 'utf8')));
    mustHold(own.length > 0, 'there is no example that needs lockrig alone');
    typeCheck('examples', own, []);
  },
  'a lock written there is tortured'() {
    const torture = ['npx', '--no-install', 'lockrig', 'torture', './own-tas.ts', '--cpus', '2'];
    const output = run(user, [...torture, '--duration', '1s']);
    mustHold(output.includes('SUCCESS'), `no SUCCESS in:\n${output}`);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    check();
    console.log(`ok    ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${name}\n${error.message}`);
  }
}
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
