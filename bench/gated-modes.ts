/**
 * What a gated machine is measured as: the ticket lock's episode under one policy, with detectors or without.
 */
import type { ExplorationOptions, SessionOptions } from '../harness/explore/exploration.ts';
import { Exploration } from '../harness/explore/exploration.ts';
import { ticket } from '../src/locking/ticket.ts';

/** How a machine is set up, and what its sessions do. */
export interface GatedMode {
  readonly name: string;
  readonly open: Pick<ExplorationOptions, 'cpus' | 'detect'>;
  readonly session: Pick<SessionOptions, 'portfolio' | 'coverage'>;
  /** Steps of each CPU. */
  readonly steps?: number;
}

const WALK = [{ policy: 'random', parameter: 16 }];
const PCT = [{ policy: 'pct', parameter: 2 }];
/** Steps of each CPU: with two CPUs an execution has about 110 accesses. */
const STEPS = 4;

/** What was measured of one. */
export interface GatedRates {
  readonly name: string;
  /** Executions a second, block by block. */
  readonly rates: readonly number[];
  readonly accesses?: number;
  readonly problem?: string;
}

/** On two CPUs, side by side. */
export const TOGETHER: readonly GatedMode[] = [
  { name: 'bare', open: { detect: [] }, session: { portfolio: WALK } },
  {
    name: 'lock order and coverage',
    open: { detect: ['lockorder'] },
    session: { portfolio: WALK, coverage: true },
  },
  { name: 'happens-before', open: { detect: ['races'] }, session: { portfolio: WALK } },
  { name: 'bare, PCT of depth 2', open: { detect: [] }, session: { portfolio: PCT } },
  // The same without anybody to hand the turn to.
  { name: 'bare, 1 CPU', open: { cpus: 1, detect: [] }, session: { portfolio: WALK }, steps: 2 * STEPS },
];

/** On three. */
export const THREE: GatedMode = {
  name: '3 CPUs, PCT of depth 2',
  open: { cpus: 3, detect: [] },
  session: { portfolio: PCT },
};

/** Opens the machine of a mode. */
export function openMode({ open, steps = STEPS }: GatedMode): Promise<Exploration> {
  return Exploration.open(ticket, { ...open, steps, params: { seed: 1 } });
}

/** A block of executions. @returns executions a second, and accesses of each */
export async function block(
  exploration: Exploration,
  { session }: GatedMode,
  executions: number,
  base: number,
): Promise<{ rate: number; accesses: number }> {
  const made = await exploration.session({ ...session, executions, base });
  if (made.failed > 0) throw new Error(`ticket failed in ${made.failed} of ${made.executions} executions`);
  return { rate: made.executions / made.seconds, accesses: made.accesses / made.executions };
}
