#!/usr/bin/env node
/**
 * The command line. Each command is a module of its own and loads what it needs when it runs, so that a short command starts fast.
 */
import { cac } from 'cac';
import { packageVersion } from '../package.ts';
import { plainArguments } from './argv.ts';
import { addBench } from './bench.ts';
import { EXIT, explain, UsageError } from './errors.ts';
import { addHunt } from './hunt.ts';
import { addList } from './list.ts';
import { addMm, MM_RACES, MM_REGIMES } from './mm.ts';
import { addNew } from './new.ts';
import { addReplay } from './replay.ts';
import { addReport } from './report.ts';
import { addStat } from './stat.ts';
import { addTop } from './top.ts';
import { addTorture, TRACING_COST } from './torture.ts';
import { addVerifyFix } from './verify-fix.ts';

// Whoever reads stdout may stop, as `head` does: the run goes on, for its files and its exit code.
let unsaid = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' || unsaid) return;
  unsaid = true;
  // The command may be over by now.
  process.exitCode ||= EXIT.died;
  process.stderr.write(`lockrig: stdout cannot be written: ${error.message}\n`);
});

const cli = cac('lockrig');
const verbose = process.argv.includes('--verbose');
let pending: Promise<number> | undefined;
const finish = (code: Promise<number>): void => {
  pending = code;
};
addTorture(cli, finish);
addHunt(cli, finish);
addReplay(cli, finish);
addVerifyFix(cli, finish);
addBench(cli, finish);
addStat(cli, finish);
addTop(cli, finish);
addReport(cli, finish);
addMm(cli, finish);
addList(cli, finish);
addNew(cli, finish);
cli.option('--verbose', 'Show stacks of errors');
cli.version(packageVersion());
cli.help((sections) => {
  const examples = sections.filter(({ title }) => title?.startsWith('Example'));
  return [
    ...sections.slice(0, 1),
    ...examples,
    ...sections.slice(1).filter(({ title }) => !title?.startsWith('Example')),
    ...(cli.matchedCommandName === 'torture' ? [{ title: 'Cost of tracing', body: TRACING_COST }] : []),
    ...(cli.matchedCommandName === 'mm'
      ? [
          { title: 'mm regimes', body: MM_REGIMES },
          { title: 'mm races', body: MM_RACES },
        ]
      : []),
  ];
});

async function main(): Promise<number> {
  cli.parse([...process.argv.slice(0, 2), ...plainArguments(process.argv.slice(2))], { run: false });
  if (cli.options.help || cli.options.version) return EXIT.clean;
  if (!cli.matchedCommand) {
    if (cli.args[0] === undefined) {
      cli.outputHelp();
      return EXIT.clean;
    }
    throw new UsageError(
      `there is no command '${cli.args[0]}': one of ${cli.commands.map(({ name }) => name).join(', ')} is expected`,
    );
  }
  await cli.runMatchedCommand();
  return pending ?? EXIT.clean;
}

/** The parser names options in its own spelling, and not what would be right. */
function parserError(error: unknown): unknown {
  if ((error as Error | undefined)?.name !== 'CACError') return error;
  const { message } = error as Error;
  const plain = message
    .replace(/^[A-Z]/, (letter) => letter.toLowerCase())
    .replace(/--\w+/, (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
  const help = `lockrig ${cli.matchedCommandName ?? ''} --help`.replace('  ', ' ');
  return new UsageError(`${plain}: ${help} shows what is expected`);
}

// What a plugin throws in a callback of its own, outside of every call. The results so far are on disk.
process.on('uncaughtException', (error) => {
  process.exit(explain(error, verbose));
});

/** Ends the process although a thread of it cannot be ended: by becoming a program that does, where Node can, else by a signal. */
function leave(code: number): void {
  process.stderr.write(
    'lockrig: the thread of a CPU cannot be ended: it is in a loop that nothing interrupts\n',
  );
  const { execve } = process as { execve?: (file: string, args: readonly string[]) => never };
  process.removeAllListeners('warning');
  try {
    execve?.call(process, '/bin/sh', ['sh', '-c', `exit ${code}`]);
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}

let code: number;
try {
  code = await main();
} catch (error) {
  code = explain(parserError(error), verbose);
}
process.exitCode = unsaid && code === EXIT.clean ? EXIT.died : code;
const { threadsLeft } = await import('../cpus/threads.ts');
if (threadsLeft()) leave(Number(process.exitCode));
