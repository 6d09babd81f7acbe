/** `lockrig replay`: runs what a token stands for again, access by access. */
import { existsSync, readFileSync } from 'node:fs';
import type { CAC } from 'cac';
import { EXIT, UsageError } from './errors.ts';
import { type Raw, whole } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** Adds the command. `finish` receives the exit code. */
export function addReplay(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command('replay <token> [subject]', 'Replay a failure that hunt has found, access by access')
    .example((bin) => `${bin} replay 'lr1:busted%2Fmcs-unlinked:2x2:sc:…' --times 1000`)
    .example((bin) => `${bin} replay failures/my-lock.exclusion.json ./my-lock.ts`)
    .option('--times <n>', 'Replay so often; all must be the same (default: 1)')
    .option('--lines <n>', 'Accesses to show (default: 15)')
    .option('--json', 'The result as JSON on stdout')
    .action((token: string, subject: string | undefined, options: Options) =>
      finish(run(token, subject, options)),
    );
}

/** The token in a file: a failure that `hunt --out` has written, or the bare line. */
function tokenIn(argument: string): string {
  if (!existsSync(argument)) return argument;
  const text = readFileSync(argument, 'utf8');
  if (!text.trimStart().startsWith('{')) return text;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${argument} is no JSON: ${(error as Error).message}`);
  }
  const { token } = parsed as { token?: unknown };
  if (typeof token !== 'string')
    throw new UsageError(
      `${argument} holds no token: a file that lockrig hunt --out has written is expected`,
    );
  return token;
}

async function run(argument: string, named: string | undefined, options: Options): Promise<number> {
  const times = whole('times', options.times, 1, 1_000_000) ?? 1;
  const most = whole('lines', options.lines, 1, 100_000);
  const { decode } = await import('../explore/token.ts');
  const run = decode(tokenIn(argument));
  if (run.subjectHash !== '' && named === undefined)
    throw new UsageError(
      `the token is of '${run.subject}', which a file defines: lockrig replay TOKEN FILE is expected`,
    );
  const { findSubjects } = await import('./subjects.ts');
  const found = await findSubjects([named ?? run.subject]);
  const subject = found.find(({ lock }) => lock.name === run.subject);
  if (!subject)
    throw new UsageError(
      `the token is of '${run.subject}'; ${named ?? ''} defines ${found.map(({ lock }) => lock.name).join(', ')}`,
    );
  const { replay } = await import('../explore/replay.ts');
  const { url, hash } = subject;
  const result = await replay(subject.lock, run, {
    times,
    ...(url === undefined ? {} : { url }),
    ...(hash === undefined ? {} : { hash }),
    ...(most === undefined ? {} : { most }),
  });
  const { failure, same } = result;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ schemaVersion: 1, ...result }, null, 2)}\n`);
  } else {
    const lines = [
      ...result.columns,
      '',
      ...(result.failures.length === 0 ? ['  no failure'] : []),
      ...result.failures.flatMap((each) => [
        `  !!! ${each.oracle}: ${each.text}`,
        ...(each === failure ? result.details.map((line) => `      ${line}`) : []),
      ]),
      `replay:${result.subject} cpus=${run.cpus} model=${run.model} ${same} of ${times} bit for bit`,
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  }
  if (same < times) {
    process.stderr.write(
      `lockrig: ${times - same} of ${times} replays were another run: ${result.difference}\n`,
    );
    return EXIT.died;
  }
  return failure ? EXIT.violation : EXIT.clean;
}
