/**
 * `--jit`: what plain accesses do depends on the tier that compiled them, so a run can be pinned to one. V8's flags count for a whole process,
 * workers included, and must be there from its start: the command is run again in a child with them.
 *
 *   interpreter   bytecode only; wasm by its baseline compiler (it has no interpreter)
 *   baseline      Sparkplug at once, nothing above; wasm by its baseline compiler
 *   optimised     the top tier as early as possible; wasm optimised from the start
 */
import { spawn } from 'node:child_process';
import { EXIT, UsageError } from './errors.ts';

/** The tiers that can be asked for. */
export const TIERS = ['interpreter', 'baseline', 'optimised'] as const;
/** One of {@link TIERS}. */
export type Tier = (typeof TIERS)[number];

/** What makes the top tier come early: V8 counts budgets of bytecode up to 11, invocations since. */
const EARLY =
  Number.parseInt(process.versions.v8, 10) < 12
    ? ['--interrupt-budget=2000']
    : [
        '--invocation-count-for-maglev=10',
        '--invocation-count-for-turbofan=20',
        '--invocation-count-for-osr=20',
      ];

const FLAGS: Readonly<Record<Tier, readonly string[]>> = {
  interpreter: ['--no-sparkplug', '--no-maglev', '--no-opt', '--liftoff', '--no-wasm-tier-up'],
  baseline: [
    '--sparkplug',
    '--always-sparkplug',
    '--no-maglev',
    '--no-opt',
    '--liftoff',
    '--no-wasm-tier-up',
  ],
  optimised: ['--no-lazy-feedback-allocation', '--no-liftoff', ...EARLY],
};
/** Marks the child, so that it does not start one of its own. */
const MARK = 'LOCKRIG_JIT';

/** Whether this process already runs at the tier. */
export function isPinned(tier: Tier): boolean {
  return process.env[MARK] === tier;
}

/** A child does not outlive its parent, which nobody can tell to stop once it was killed: their channel closes then. */
export function followParent(): void {
  if (!process.channel) return;
  process.once('disconnect', () => process.exit(EXIT.interrupted));
  process.channel.unref();
}

/**
 * Runs this command again at a tier and answers its exit code. Signals go to the whole process group from a terminal; from elsewhere they are passed on.
 * @throws UsageError when this Node does not start with the flags
 */
export function runPinned(tier: Tier): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...FLAGS[tier], ...process.execArgv, ...process.argv.slice(1)], {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, [MARK]: tier },
    });
    const pass = (signal: NodeJS.Signals): void => {
      if (!process.stdin.isTTY || signal === 'SIGTERM') child.kill(signal);
    };
    process.on('SIGINT', pass);
    process.on('SIGTERM', pass);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.off('SIGINT', pass);
      process.off('SIGTERM', pass);
      if (code === 9)
        reject(
          new UsageError(
            `this Node (${process.version}) does not know the flags of --jit ${tier}: ${FLAGS[tier].join(' ')}`,
          ),
        );
      else resolve(code ?? (signal === 'SIGINT' ? 130 : 4));
    });
  });
}
