/**
 * A classic bug: one scenario that is wrong on purpose, and its fixed twin.
 *
 * Both have the same state, set-up and check, which are stated once; what differs is what the actors do. So a bug is the difference between
 * two short functions, and a tool that calls one of them broken and the other correct has told them apart by nothing else.
 *
 * The broken one states what must catch it, and the strongest memory model under which it shows. Where that is not `race`, words that are accessed
 * by several CPUs without order are accessed by marked operations even in the broken one: it has one defect, not two, and is not caught
 * otherwise. The fixed one is correct under sc, tso and weak memory and has no data race by the happens-before of C11.
 */
import type { ScenarioModel } from '../model.ts';
import {
  defineScenario,
  type MemoryModel,
  type ScenarioDefinition,
  type ScenarioOracle,
  type ScenarioSpec,
} from '../scenario.ts';

/** What differs between the twins: the actors, and what else is overridden. */
export type Twin<Tools> = Pick<ScenarioSpec<Tools>, 'actors'> &
  Partial<Omit<ScenarioSpec<Tools>, 'name' | 'mutant'>>;

/** What a classic bug states. */
export interface ClassicSpec<Tools> extends Omit<ScenarioSpec<Tools>, 'actors' | 'mutant' | 'model'> {
  /** What is wrong with the broken one, in a sentence. */
  wrong: string;
  /** Where it is described: a paper, a book, a kernel document, a CVE. */
  source: string;
  /** What must catch it. */
  caughtBy: ScenarioOracle;
  /** How the failure must begin, where the catcher alone does not tell one defect from another. */
  says?: string;
  /** The strongest memory model under which it shows; `sc` unless given. */
  model?: MemoryModel;
  /** What judges the operations that it records: the `model` of the scenarios. */
  judge?: ScenarioModel;
  broken: Twin<Tools>;
  fixed: Twin<Tools>;
}

/** A pair of scenarios: `busted/<name>` and `<name>`. */
export interface Classic {
  readonly name: string;
  readonly broken: ScenarioDefinition;
  readonly fixed: ScenarioDefinition;
}

/**
 * Defines both scenarios of a classic bug.
 * @throws ScenarioDefinitionError when a part of either is missing or makes no sense
 */
export function classic<Tools = undefined>(spec: ClassicSpec<Tools>): Classic {
  const { name, wrong, source, caughtBy, says, model = 'sc', judge, broken, fixed, ...rest } = spec;
  const common = judge === undefined ? rest : { ...rest, model: judge };
  const define = (twin: ScenarioSpec<Tools>): ScenarioDefinition =>
    defineScenario<Tools>(twin) as unknown as ScenarioDefinition;
  return Object.freeze({
    name,
    broken: define({
      ...common,
      ...broken,
      name: `busted/${name}`,
      mutant: { of: name, wrong, source, caughtBy, model, ...(says === undefined ? {} : { says }) },
    }),
    fixed: define({ ...common, ...fixed, name }),
  });
}
