/**
 * A control: a scenario that looks wrong and is correct. A checker that finds something in it is wrong itself.
 *
 * What makes it look wrong is in its name and in `why`, beside the place where somebody asked.
 */
import type { ScenarioDefinition } from '../../scenario.ts';

/** A control. */
export interface Control {
  readonly name: string;
  readonly scenario: ScenarioDefinition;
  /** Why it is correct. */
  readonly why: string;
  /** Where it was asked, or is described. */
  readonly source: string;
}
