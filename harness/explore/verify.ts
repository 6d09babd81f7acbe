/**
 * Verifies a fix: is a failure that was found in a subject gone from the subject as it is now?
 *
 * The token's schedule was made for other code. On the changed code it is replayed by name, decision by decision, and so are its neighbours; one that fails shows that
 * nothing is fixed. One that does not fail shows nothing, whether it diverged or not: the accesses have shifted, and the failing schedule may have
 * shifted with them. So confidence comes from a campaign alone: the policies that found the failure, for as many executions as make it all but
 * impossible that it has stayed as frequent as it was. How frequent that was is measured on the old code if it is at hand, else taken from the
 * hunt, else assumed. See confidence.ts.
 */
import { OPERATIONS } from '../engines/trace.ts';
import { namer } from '../torture/result.ts';
import type { Tortured } from '../torture/setup.ts';
import { cleanNeeded, confidence, lowerBound, upperBound } from './confidence.ts';
import { type Execution, Exploration, type Schedule, type Switch } from './exploration.ts';
import { scramble } from './explorer.ts';
import { type Failure, failuresOf } from './failure.ts';
import { describe, Hunt, type HuntFailure, type HuntOptions } from './hunt.ts';
import { neighbours } from './neighbours.ts';
import { PORTFOLIO, type PolicyChoice } from './policies/index.ts';
import { measureRate, type Rate, traceLines } from './rate.ts';
import { type Run, TokenError } from './token.ts';

/** A subject, with the module and hash of a user's. */
export interface Code {
  readonly subject: Tortured;
  readonly url?: string;
  readonly hash?: string;
}

/** How a fix is verified. */
export interface VerifyOptions {
  /** The code that the token was made of. */
  readonly old?: Code;
  /** Whether lockrig is what it was when the token was made. */
  readonly sameLockrig?: boolean;
  /** What the hunt has said about the failure. */
  readonly known?: Pick<Partial<HuntFailure>, 'rate' | 'trace' | 'key'>;
  readonly policies?: readonly PolicyChoice[];
  readonly seed?: number;
  /** The campaign ends after so many executions or milliseconds, whichever is first. */
  readonly executions?: number;
  readonly milliseconds?: number;
  readonly signal?: AbortSignal;
}

/** The rate that a campaign is held against. */
export interface KnownRate {
  readonly source: 'old code' | 'hunt' | 'assumed';
  readonly failures?: number;
  readonly executions?: number;
  /** With 99 % confidence the failure was at least that frequent. */
  readonly lower: number;
}

/** What became of a failure. */
export interface VerifyResult {
  readonly subject: string;
  readonly verdict: 'not fixed' | 'gone' | 'inconclusive' | 'interrupted';
  /** The code is that of the token: it was replayed, and nothing else. */
  readonly unchanged: boolean;
  /** The token's run on the old code, if that was at hand. */
  readonly old: { readonly same: boolean; readonly text: string | undefined } | undefined;
  /** The token's schedule on the changed code. */
  readonly schedule:
    | {
        readonly switches: number;
        readonly applied: number;
        /** Where it differed from what was recorded; undefined: nowhere, or it is not known. */
        readonly diverged: string | undefined;
        readonly compared: boolean;
        /** Whether two runs of a schedule were one run, this one and some others. */
        readonly deterministic: boolean;
        readonly text: string | undefined;
      }
    | undefined;
  readonly neighbourhood:
    | { readonly moved: number; readonly 'left out': number; readonly added: number; readonly failed: number }
    | undefined;
  readonly campaign:
    | {
        readonly executions: number;
        readonly seconds: number;
        /** Clean executions that 99 % take. */
        readonly needed: number;
        readonly rate: KnownRate;
        /** That the failure is gone, if it was as frequent as that; from 0 to 1. */
        readonly confidence: number;
        /** What rate the clean executions leave, with 99 % confidence. */
        readonly remaining: number;
      }
    | undefined;
  /** The failure of the changed code, shrunk, with a token of its own. */
  readonly failure: HuntFailure | undefined;
}

/** Executions that measure the rate on the old code. */
const MEASURED = 10_000;
/** Nothing is known about the rate. */
const ASSUMED = 1 / 10_000;
/** A campaign has at least so many executions, however frequent the failure was. */
const LEAST = 1000;
const CHUNK = 400;
const MILLISECONDS = 60_000;
const SALT = 0xf1c5;

type Found = { readonly schedule: Schedule; readonly hash: number };

class Verification {
  private readonly run: Run;
  private readonly options: VerifyOptions;
  private readonly seed: number;
  private readonly began = performance.now();
  private readonly policies: readonly PolicyChoice[];
  private oldTrace: readonly string[] | undefined;
  private oldRate: Rate | undefined;
  private difference: string | undefined;
  private old: VerifyResult['old'];
  private schedule: VerifyResult['schedule'];
  private neighbourhood: VerifyResult['neighbourhood'];
  private campaign: VerifyResult['campaign'];

  constructor(run: Run, options: VerifyOptions) {
    this.run = run;
    this.options = options;
    this.seed = options.seed ?? 1;
    this.policies = options.policies ?? options.known?.rate?.policies ?? PORTFOLIO;
    this.oldTrace = options.known?.trace;
  }

  /** How CPUs are found and watched: by the detectors of the token, since what only they see is not seen without them. */
  private watched({ url }: Code): Pick<HuntOptions, 'url' | 'detect'> {
    const { detect } = this.run;
    return { ...(url === undefined ? {} : { url }), ...(detect === undefined ? {} : { detect }) };
  }

  open(code: Code): Promise<Exploration> {
    const { cpus, steps } = this.run;
    return Exploration.open(code.subject, { cpus, steps, ...this.watched(code) });
  }

  /** How an execution failed: in the way that the hunt has told, if that is known and among its ways. */
  failure(exploration: Exploration, execution: Execution): Failure | undefined {
    const failures = failuresOf(exploration, execution);
    return failures.find(({ key }) => key === this.options.known?.key) ?? failures[0];
  }

  /** The token's run where it was made, and how frequent its failure is there. */
  async reproduce(code: Code): Promise<void> {
    const { run, options } = this;
    const exploration = await this.open(code);
    try {
      const execution = await exploration.execution(run.schedule, { model: run.model });
      const failure = this.failure(exploration, execution);
      const same = execution.hash === run.traceHash;
      if (!same && options.sameLockrig !== false)
        throw new TokenError(
          `'${run.subject}' is what the token was made of, and its run comes out otherwise: it is no function of shared memory`,
        );
      this.old = { same, text: failure?.text };
      if (!failure) return;
      this.oldTrace = traceLines(execution.trace, Number.POSITIVE_INFINITY);
      this.oldRate = await measureRate(exploration, {
        model: run.model,
        policies: this.policies,
        seed: this.seed,
        key: failure.key,
        executions: MEASURED,
        ...(options.signal ? { signal: options.signal } : {}),
      });
    } finally {
      await exploration.close();
    }
  }

  /** The changed code. @returns what fails */
  async judge(exploration: Exploration): Promise<Found | undefined> {
    const { model } = this.run;
    this.difference = await new Hunt(exploration, { models: [model], seed: this.seed }).twice();
    const first = await this.byName(exploration);
    // Of what is no function of shared memory a campaign says nothing.
    if (first.found || this.schedule?.deterministic === false) return first.found;
    const beside = await this.beside(exploration, first.execution);
    return beside ?? (await this.sample(exploration));
  }

  /** The schedule of the token. */
  private async byName(
    exploration: Exploration,
  ): Promise<{ execution: Execution; found: Found | undefined }> {
    const { schedule, model, traceHash } = this.run;
    const execution = await exploration.execution(schedule, { model });
    const failure = this.failure(exploration, execution);
    const { applied } = exploration.gate;
    const again = await exploration.execution(schedule, { model });
    const same = execution.hash === traceHash;
    this.schedule = {
      switches: 'switches' in schedule ? schedule.switches.length : 0,
      applied: 'switches' in schedule ? applied : 0,
      diverged: same ? undefined : this.diverged(exploration, execution),
      compared: same || this.oldTrace !== undefined,
      deterministic: this.difference === undefined && again.hash === execution.hash,
      text: failure?.text,
    };
    return { execution, found: failure && { schedule, hash: execution.hash } };
  }

  /** The first access that is not the recorded one. */
  private diverged(exploration: Exploration, { trace }: Execution): string | undefined {
    const { oldTrace } = this;
    if (!oldTrace) return undefined;
    const lines = traceLines(trace, oldTrace.length + 1);
    const at = lines.findIndex((line, place) => line !== oldTrace[place]);
    const place = at < 0 ? lines.length : at;
    if (place === oldTrace.length && place === lines.length) return undefined;
    const name = namer(exploration.machine, exploration.setup, exploration.subject);
    const show = (line: string | undefined): string => {
      const [cpu, op = '', addr, value] = line?.split(' ') ?? [];
      if (cpu === undefined) return 'the end';
      const { reads, writes } = OPERATIONS.find((each) => each.name === op) ?? {};
      return `CPU ${cpu} ${op}${Number(addr) > 0 ? ` ${name(Number(addr))}` : ''}${reads || writes ? ` = ${value}` : ''}`;
    };
    return `access ${place}: ${show(oldTrace[place])} then, ${show(lines[place])} now`;
  }

  private async beside(exploration: Exploration, execution: Execution): Promise<Found | undefined> {
    const { schedule, model } = this.run;
    const switches: readonly Switch[] = 'switches' in schedule ? schedule.switches : execution.switches;
    const counts = { moved: 0, 'left out': 0, added: 0, failed: 0 };
    this.neighbourhood = counts;
    for (const neighbour of neighbours(switches, exploration.gate.accesses(), model)) {
      if (this.options.signal?.aborted) break;
      const near = { switches: neighbour.switches, seed: schedule.seed };
      const { failures } = await exploration.session({ model, schedule: near, executions: 1 });
      counts[neighbour.kind] += 1;
      if (failures[0]) {
        counts.failed += 1;
        return { schedule: near, hash: failures[0].hash };
      }
    }
    return undefined;
  }

  private get rate(): KnownRate {
    for (const [source, rate] of [
      ['old code', this.oldRate],
      ['hunt', this.options.known?.rate],
    ] as const) {
      if (!rate) continue;
      const { failures, executions } = rate;
      const lower = lowerBound(failures, executions);
      if (lower > 0) return { source, failures, executions, lower };
    }
    return { source: 'assumed', lower: ASSUMED };
  }

  private async sample(exploration: Exploration): Promise<Found | undefined> {
    const { run, options, rate } = this;
    const { signal, executions = Number.POSITIVE_INFINITY } = options;
    const milliseconds =
      options.milliseconds ?? (options.executions === undefined ? MILLISECONDS : Number.POSITIVE_INFINITY);
    const needed = Math.max(LEAST, cleanNeeded(rate.lower));
    const began = performance.now();
    let clean = 0;
    let failed: Found | undefined;
    for (let chunk = 0; clean < Math.min(needed, executions) && !failed && !signal?.aborted; chunk += 1) {
      if (performance.now() - began >= milliseconds) break;
      const session = await exploration.session({
        model: run.model,
        portfolio: this.policies,
        base: scramble(scramble(this.seed ^ SALT) + chunk),
        executions: Math.min(CHUNK, needed - clean, executions - clean),
        failFast: true,
        ...(signal ? { signal } : {}),
      });
      clean += session.executions;
      [failed] = session.failures;
    }
    this.campaign = {
      executions: clean,
      seconds: (performance.now() - began) / 1000,
      needed,
      rate,
      confidence: failed ? 0 : confidence(rate.lower, clean),
      remaining: failed ? 1 : upperBound(clean),
    };
    return failed;
  }

  /** The failure that was found, as a hunt shows it. */
  async show(exploration: Exploration, found: Found, code: Code): Promise<HuntFailure | undefined> {
    const { model } = this.run;
    const failed = {
      ...found,
      execution: 0,
      reason: 'none' as const,
      detail: 0,
      steps: 0,
      preemptions: 0,
    };
    const { moved = 0, 'left out': without = 0, added = 0 } = this.neighbourhood ?? {};
    const executions = 1 + moved + without + added + (this.campaign?.executions ?? 0);
    const after = { executions, seconds: (performance.now() - this.began) / 1000 };
    const options = { ...this.watched(code), ...(code.hash === undefined ? {} : { hash: code.hash }) };
    return describe(exploration, failed, model, options, after);
  }

  result(subject: string, unchanged: boolean, found: boolean, failure?: HuntFailure): VerifyResult {
    const { old, schedule, neighbourhood, campaign } = this;
    const enough = campaign !== undefined && campaign.executions >= campaign.needed;
    const open = this.options.signal?.aborted ? 'interrupted' : 'inconclusive';
    const verdict = found ? 'not fixed' : enough ? 'gone' : open;
    return { subject, verdict, unchanged, old, schedule, neighbourhood, campaign, failure };
  }
}

/**
 * Verifies that a failure is gone.
 * @param code the changed subject; under another name, too, as a broken lock and its correct twin have
 * @param run what the token says
 * @throws TokenError when the code is unchanged and the token's run does not fail on it, or `old` is not what the token was made of
 */
export async function verifyFix(code: Code, run: Run, options: VerifyOptions = {}): Promise<VerifyResult> {
  const { old, sameLockrig = true } = options;
  const isOf = ({ subject, hash = '' }: Code): boolean =>
    subject.name === run.subject && hash.slice(0, 8) === run.subjectHash;
  if (old && !isOf(old))
    throw new TokenError(
      `the token was not made of this '${old.subject.name}': it is of '${run.subject}' (${run.subjectHash || 'no file'}), not of ${old.hash?.slice(0, 8) || 'no file'}`,
    );
  const unchanged = sameLockrig && isOf(code);
  const verification = new Verification(run, options);
  if (old && !unchanged) await verification.reproduce(old);
  const exploration = await verification.open(code);
  try {
    const { name } = code.subject;
    if (unchanged) return await again(verification, exploration, run);
    const found = await verification.judge(exploration);
    const failure = found && (await verification.show(exploration, found, code));
    return verification.result(name, false, found !== undefined, failure);
  } finally {
    await exploration.close();
  }
}

/** Nothing has changed: the token's run, which must fail as it did. */
async function again(verification: Verification, exploration: Exploration, run: Run): Promise<VerifyResult> {
  const execution = await exploration.execution(run.schedule, { model: run.model });
  const failure = verification.failure(exploration, execution);
  if (execution.hash !== run.traceHash)
    throw new TokenError(
      `'${run.subject}' has not changed, and the token's run comes out otherwise on it: it is no function of shared memory`,
    );
  if (!failure) throw new TokenError(`the token's run does not fail: there is nothing to verify`);
  return {
    ...verification.result(run.subject, true, true),
    old: { same: true, text: failure.text },
  };
}
