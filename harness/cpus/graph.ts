/**
 * The wait-for graph: who waits for which lock held by whom, and whether that goes round in a circle.
 */
import type { Addr } from '../../src/arch/index.ts';
import type { CpuState } from './watchdog.ts';

/** One CPU waiting for a lock that others hold. */
export interface WaitEdge {
  readonly waiter: number;
  readonly lock: Addr;
  readonly mode: 'read' | 'write';
  /** CPUs that hold it in a way that excludes the waiter; empty: nobody does, the wake-up is missing. */
  readonly holders: readonly number[];
}

/** The edges of a machine's state. */
export function waitEdges(cpus: readonly CpuState[]): WaitEdge[] {
  const edges: WaitEdge[] = [];
  for (const { cpu, waitsFor } of cpus) {
    if (!waitsFor) continue;
    const holders = cpus
      .filter((other) =>
        other.held.some(
          (held) => held.lock === waitsFor.lock && (held.mode === 'write' || waitsFor.mode === 'write'),
        ),
      )
      .map((other) => other.cpu);
    edges.push({ waiter: cpu, lock: waitsFor.lock, mode: waitsFor.mode, holders });
  }
  return edges;
}

/** CPUs that wait for each other in a circle, if any do. */
export function waitCycle(edges: readonly WaitEdge[]): number[] | undefined {
  const by = new Map(edges.map((edge) => [edge.waiter, edge.holders]));
  for (const start of by.keys()) {
    const path: number[] = [];
    const seen = new Set<number>();
    const visit = (cpu: number): number[] | undefined => {
      const at = path.indexOf(cpu);
      if (at >= 0) return path.slice(at);
      if (seen.has(cpu)) return undefined;
      seen.add(cpu);
      path.push(cpu);
      for (const next of by.get(cpu) ?? []) {
        const cycle = visit(next);
        if (cycle) return cycle;
      }
      path.pop();
      return undefined;
    };
    const cycle = visit(start);
    if (cycle) return cycle;
  }
  return undefined;
}

/** Names addresses for people. */
export type NameAddr = (addr: Addr) => string;

/** The graph as text, a line a CPU. */
export function describeCpu(state: CpuState, edges: readonly WaitEdge[], name: NameAddr): string {
  const parts: string[] = [`CPU ${state.cpu}`];
  const held = state.held.map(({ lock, mode }) => `${name(lock)}${mode === 'read' ? ' (read)' : ''}`);
  const edge = edges.find(({ waiter }) => waiter === state.cpu);
  if (edge) {
    const by = edge.holders.length > 0 ? `held by CPU ${edge.holders.join(', ')}` : 'held by nobody';
    parts.push(`waits for ${name(edge.lock)}${edge.mode === 'read' ? ' (read)' : ''}, ${by}`);
  }
  if (held.length > 0) parts.push(`holds ${held.join(', ')}`);
  if (state.blocked === 'no') parts.push('running');
  else if (state.blocked === 'wait')
    parts.push(`asleep in wait on ${name(state.addr)} (expected ${state.value}, now ${state.now})`);
  else {
    // It may have changed without the CPU having been told, or let run.
    const now = state.now === state.value ? '' : ` (now ${state.now})`;
    parts.push(`in spinWhile on ${name(state.addr)} while it is ${state.value}${now}`);
  }
  return `${parts[0]}: ${parts.slice(1).join('; ')}`;
}
