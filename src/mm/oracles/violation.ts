/** What an oracle of the model throws: the execution has shown something that must not be. */

/** A violation of one of the model's invariants; its message begins with the oracle's id. */
export class MmViolation extends Error {
  readonly code = 'EMMVIOLATION';
  /** The oracle's id, as in docs/mm.md: `O-AV`. */
  readonly oracle: string;
  constructor(oracle: string, what: string) {
    super(`${oracle}: ${what}`);
    this.name = 'MmViolation';
    this.oracle = oracle;
  }
}
