/**
 * Watches gated CPUs from the main thread for one that has the turn and makes no access: nobody else can run then, and nothing in the gate can end it.
 *
 * Whose fault it is follows from when: before the first execution it is init, with all CPUs done it is the check, otherwise an actor or an operation of a lock. The
 * first two are bad input, the third is a stall, as in a run without a gate.
 */
import type { Tortured } from '../torture/setup.ts';

/** What the guard looks at. */
export interface Pulse {
  /** Changes whenever anything happens. */
  readonly beat: string;
  readonly cpu: number;
  readonly phase: 'init' | 'check' | 'actors';
}

/** A CPU that has the turn makes no access, and does not end. */
export class ExplorationStalled extends Error {
  readonly code: 'ESTALL' | 'ESUBJECT';
  readonly cpu: number;
  readonly phase: Pulse['phase'];
  constructor({ definition, name }: Tortured, { cpu, phase }: Pulse, seconds: number) {
    const acting = phase === 'actors' || definition === 'lock';
    super(
      acting
        ? `'${name}': CPU ${cpu} has the turn and has made no access for ${seconds} s: it is in a loop without any`
        : `${phase} of ${definition} '${name}' does not return: ${phase === 'init' ? 'it has not' : 'no access'} for ${seconds} s`,
    );
    this.name = 'ExplorationStalled';
    this.code = acting ? 'ESTALL' : 'ESUBJECT';
    this.cpu = cpu;
    this.phase = phase;
  }
}

/** Watches until it is ended. @param seconds without a beat that make a stall */
export function guard(
  subject: Tortured,
  look: () => Pulse,
  seconds: number,
): { readonly stuck: Promise<never>; end(): void } {
  let reject: (error: Error) => void = () => {};
  const stuck = new Promise<never>((_resolve, fail) => {
    reject = fail;
  });
  stuck.catch(() => {});
  let last = '';
  let silent = 0;
  const timer = setInterval(() => {
    const now = look();
    silent = now.beat === last ? silent + 1 : 0;
    last = now.beat;
    if (silent >= seconds) reject(new ExplorationStalled(subject, now, silent));
  }, 1000);
  return { stuck, end: () => clearInterval(timer) };
}
