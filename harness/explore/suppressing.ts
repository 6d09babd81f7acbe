/**
 * Suppressions at work in one hunt. By its word a race is known at once; by function or file it takes its stacks, and so one more replay. What was hidden is
 * muted, so that it is no failure of later executions.
 */
import type { MemoryModel } from '../../src/scenario.ts';
import type { Finding } from '../detect/index.ts';
import { stacksOf } from './evidence.ts';
import type { Exploration, Schedule } from './exploration.ts';
import type { Failure } from './failure.ts';
import { type Suppression, suppresses, wordNames } from './suppress.ts';
import { keyOf } from './watch.ts';

/** The suppressions of one hunt. */
export class Suppressing {
  private readonly exploration: Exploration;
  private readonly all: readonly Suppression[];
  private readonly used = new Set<Suppression>();

  constructor(exploration: Exploration, all: readonly Suppression[]) {
    this.exploration = exploration;
    this.all = all;
  }

  /** Those that have matched nothing. */
  get unused(): readonly Suppression[] {
    return this.all.filter((each) => !this.used.has(each));
  }

  /** Whether a failure is one that nobody wants to hear of. */
  async hides({ finding }: Failure, schedule: Schedule, model: MemoryModel): Promise<boolean> {
    if (finding?.detector !== 'races' || this.all.length === 0) return false;
    const words = this.words(finding);
    const known = (stacks: Awaited<ReturnType<typeof stacksOf>>): Suppression | undefined =>
      this.all.find((each) => suppresses(each, finding, words, stacks));
    const by = known(new Map()) ?? known(await stacksOf(this.exploration, [finding], schedule, model));
    if (!by) return false;
    this.used.add(by);
    this.exploration.gate.mute(keyOf(finding));
    return true;
  }

  private words({ text }: Finding): string[] {
    const { name, layout } = this.exploration.subject;
    const word = /^data race on (.*): nothing orders/.exec(text)?.[1] ?? '';
    return wordNames(word, name, layout);
  }
}
