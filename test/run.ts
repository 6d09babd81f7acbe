/**
 * Runs the test files: `node dist/test/run.js [--long] [--deadline SECONDS] [NAME|FILE ...]`.
 *
 * Each file gets a process of its own, one after the other, because tests start one thread a core. The files that rarely have
 * more than one busy thread (SINGLE) come first, as many at a time as there are cores, and then those whose threads take turns
 * (GATED), one a core; the output of each is shown when it is through, so that no two are mixed. A process leads a group that is ended as a whole at the deadline, on interruption, and
 * once more after its leader is gone, so no thread or child of one file disturbs the next. Results come through a file to
 * which suite.ts appends: what a killed process had achieved counts, and a process that ends well without having run a test
 * does not pass for a success.
 *
 * Exit code 0 if something ran and all of it passed, 1 if not, 2 for bad arguments, 130 on interruption.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HELP = `npm test                        every test
npm test -- ticket mcs          the files whose path contains 'ticket' or 'mcs'
npm test -- dist/test/x.test.js this file
  --long                        the long tests, too (npm run test:long)
  --deadline SECONDS            for each file; 300 unless given, 1800 with --long`;

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Paths of files whose processes are busy with one thread most of the time, their own or that of commands that they start: two of them do not disturb each other
 * more than what else a machine does.
 */
const SINGLE = [
  'bench-figures',
  'bench/locks-',
  'catalog',
  'cli/plugins',
  'cli/report',
  'cli/results',
  'cli/signals',
  'cli/stat',
  'cli/usage',
  'detect/guards',
  'detect/lifetime',
  'detect/lockorder',
  'detect/progress',
  'detect/races',
  'docs',
  'frames',
  'guards',
  'histories',
  'layering',
  'layout',
  'library',
  'linearizability-scale',
  'linearizability.test',
  'list',
  'measure/',
  'peers',
  'plugin',
  'report/',
  'scenarios.test',
  'stacks',
  'struct',
  'suite',
];

/**
 * Paths of files whose CPUs take turns: one of their threads runs at a time, so each such file has one core, on which a turn is handed on without a look across to another. Where
 * a process cannot be bound to a core they run one after the other.
 */
const GATED = [
  'campaign',
  'classics',
  'cli/hunt-usage',
  'cli/resume',
  'detect/hunted',
  'embedded',
  'gated/',
  'hunt.test',
  'linearizability-hunt',
  'loop',
  'mm/',
  'replay',
  'timeline',
  'verify-fix',
];

const home = fileURLToPath(new URL('.', import.meta.url));
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const scratch = mkdtempSync(join(tmpdir(), 'lockrig-test-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

function usage(message: string): never {
  console.error(message);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        long: { type: 'boolean', default: false },
        deadline: { type: 'string' },
        help: { type: 'boolean', default: false, short: 'h' },
      },
    });
  } catch (error) {
    return usage((error as Error).message);
  }
}

function testFiles(): string[] {
  return readdirSync(home, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(`.test${extension}`))
    .map((name) => join(home, name))
    .sort();
}

/** An argument that is a file stands for itself, any other for the test files whose path contains it. */
function select(filters: readonly string[]): string[] {
  const all = testFiles();
  if (filters.length === 0) return all;
  const chosen = filters.flatMap((filter) => {
    if (filter.endsWith(extension) && existsSync(filter)) return [resolve(filter)];
    const matches = all.filter((file) => relative(home, file).split(sep).join('/').includes(filter));
    if (matches.length === 0)
      usage(`No test file's path contains '${filter}', and it is not a ${extension} file.`);
    return matches;
  });
  return [...new Set(chosen)];
}

function endGroup(leader: ChildProcess): boolean {
  try {
    return leader.pid !== undefined && process.kill(-leader.pid, 'SIGKILL');
  } catch {
    return false; // nobody left in the group
  }
}

/** What runs, and the file to which it writes if it does not write to the terminal. */
const running = new Map<ChildProcess, string | undefined>();

function environment(long: boolean, tallyFile: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, LOCKRIG_TEST_TALLY: tallyFile };
  delete env.LOCKRIG_LONG;
  if (long) env.LOCKRIG_LONG = '1';
  if (!process.stdout.isTTY) delete env.FORCE_COLOR;
  return env;
}

const nameOf = (file: string): string => relative(home, file).split(sep).join('/');

const startsLike = (file: string, starts: readonly string[]): boolean =>
  starts.some((start) => nameOf(file).startsWith(start));

/** The cores that this process may use, if one of its children can be bound to one of them. */
function coresToBind(): number[] {
  const asked = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' });
  const list = asked.status === 0 ? /: ([\d,-]+)\s*$/.exec(asked.stdout)?.[1] : undefined;
  return (list ?? '').split(',').flatMap((range) => {
    const [from, to = from] = range.split('-').map(Number);
    return range === '' ? [] : Array.from({ length: to! - from! + 1 }, (_, at) => from! + at);
  });
}

/** How a file is run. */
interface How {
  readonly seconds: number;
  readonly long: boolean;
  /** Where its output goes; the terminal unless given. */
  readonly path?: string;
  /** The core that it is bound to. */
  readonly core?: number | undefined;
}

/** Runs a file. */
async function runFile(file: string, { seconds, long, path, core }: How): Promise<Tally> {
  const output = path === undefined ? 'inherit' : openSync(path, 'a');
  const tallyFile = join(scratch, `tally-${nameOf(file).replaceAll('/', '-')}`);
  const say = (line: string): void =>
    output === 'inherit' ? console.error(line) : writeFileSync(output, `${line}\n`);
  writeFileSync(tallyFile, '');
  const command = [process.execPath, ...process.execArgv, file];
  const [program, ...args] = core === undefined ? command : ['taskset', '-c', String(core), ...command];
  const child = spawn(program!, args, {
    env: environment(long, tallyFile),
    stdio: ['ignore', output, output],
    detached: true,
  });
  running.set(child, path);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endGroup(child);
  }, seconds * 1000);
  const end = await new Promise<string>((settle) => {
    child.once('error', (error) => settle(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => settle(signal ? `was ended by ${signal}` : `exited with ${code}`));
  });
  clearTimeout(timer);
  if (endGroup(child)) say('  a process that this file had left running was ended');
  running.delete(child);

  const lines = readFileSync(tallyFile, 'utf8').split('\n');
  const of = (result: string) => lines.filter((line) => line === result).length;
  const tally: Tally = { passed: of('passed'), failed: of('failed'), skipped: of('skipped') };
  let verdict = '';
  if (late) verdict = `took longer than ${seconds} s and was ended`;
  else if (end !== 'exited with 0' && (end !== 'exited with 1' || tally.failed === 0)) verdict = end;
  else if (tally.passed + tally.failed + tally.skipped === 0) verdict = 'ran no test';
  if (verdict) {
    tally.failed++;
    say(`\n  FAIL  ${relative(home, file)} ${verdict}`);
  }
  if (output !== 'inherit') closeSync(output);
  return tally;
}

/** Runs a file beside others, and shows its output as a whole. */
async function runQuietly(file: string, how: How): Promise<Tally> {
  const path = join(scratch, `output-${nameOf(file).replaceAll('/', '-')}`);
  writeFileSync(path, `\n${relative(home, file)}\n`);
  const tally = await runFile(file, { ...how, path });
  process.stdout.write(readFileSync(path, 'utf8'));
  return tally;
}

async function main(): Promise<number> {
  const { values, positionals } = options();
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const seconds = Number(values.deadline ?? (values.long ? 1800 : 300));
  if (!(seconds > 0 && seconds <= 86_400))
    usage(`--deadline wants 1 to 86400 seconds, not '${values.deadline}'.`);
  const files = select(positionals);
  if (files.length === 0) console.error(`There is no *.test${extension} file in ${home}.`);

  const total: Tally = { passed: 0, failed: 0, skipped: 0 };
  const bad: string[] = [];
  const account = (file: string, tally: Tally): void => {
    total.passed += tally.passed;
    total.failed += tally.failed;
    total.skipped += tally.skipped;
    if (tally.failed > 0) bad.push(`${relative(home, file)}: ${tally.failed} failed`);
  };
  // A file that was asked for alone shows its output as it comes.
  const how: How = { seconds, long: values.long };
  const lanes = async (chosen: readonly string[], cores: readonly (number | undefined)[]): Promise<void> => {
    const waiting = [...chosen];
    const lane = async (core: number | undefined): Promise<void> => {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
        account(file, await runQuietly(file, { ...how, core }));
    };
    await Promise.all(cores.map(lane));
  };
  const cores = files.length === 1 ? [] : coresToBind();
  const single = files.length === 1 ? [] : files.filter((file) => startsLike(file, SINGLE));
  const gated = cores.length < 2 ? [] : files.filter((file) => startsLike(file, GATED));
  await lanes(
    single,
    Array.from({ length: availableParallelism() }, () => undefined),
  );
  await lanes(gated, cores);
  for (const file of files.filter((each) => !single.includes(each) && !gated.includes(each))) {
    console.log(`\n${relative(home, file)}`);
    account(file, await runFile(file, how));
  }
  if (bad.length > 0) console.log(`\n${bad.join('\n')}`);
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    for (const [child, path] of running) {
      endGroup(child);
      if (path !== undefined) writeFileSync(1, readFileSync(path, 'utf8'));
    }
    process.exit(130);
  });
}
process.exitCode = await main();
