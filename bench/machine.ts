/**
 * The machine that figures come from: without it they mean nothing.
 */
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { type Environment, environment } from '../harness/torture/result.ts';
import type { CallCosts, NativePeers } from './native.ts';
import { cores, currentThreadId } from './pin.ts';

/** Where a benchmark ran. */
export interface BenchMachine extends Environment {
  /** Cores that this process may use. */
  readonly usable: readonly number[];
  /** Whether threads can be bound to cores; otherwise why not. */
  readonly pinning: true | string;
  /** The C compiler of the native peers; otherwise why there are none. */
  readonly compiler: { readonly name: string } | { readonly missing: string };
  /** What calls take in C, where there is a compiler. */
  readonly calls?: CallCosts;
  /**
   * Processes that wanted a core in the last minute, before the benchmark began; 0 where the system does not
   * say.
   */
  readonly load: number;
}

function pinning(): true | string {
  const thread = currentThreadId();
  if (thread === undefined) return 'this system has no /proc';
  const { status } = spawnSync('taskset', ['-p', String(thread)], { stdio: 'ignore' });
  return status === 0 ? true : "the program 'taskset' does not work here";
}

/** Looks at the machine. */
export function describeMachine(peers: NativePeers): BenchMachine {
  const calls = peers.available ? peers.calls() : undefined;
  return {
    ...environment(),
    usable: cores(),
    pinning: pinning(),
    compiler: peers.available ? { name: peers.compiler } : { missing: peers.reason },
    ...(calls ? { calls } : {}),
    load: loadavg()[0] ?? 0,
  };
}

/** The machine in a few lines, to stand above results. */
export function banner(machine: BenchMachine): string {
  const { cpu, usable, arch, platform, node, v8, compiler, load } = machine;
  const lines = [
    `${cpu}, ${usable.length} cores, ${platform} ${arch}`,
    `Node ${node}, V8 ${v8}${machine.flags.length > 0 ? `, ${machine.flags.join(' ')}` : ''}`,
    'name' in compiler ? `native peers: ${compiler.name}` : `native peers: skipped, ${compiler.missing}`,
    machine.pinning === true
      ? `pinning: yes, to cores ${usable.slice(0, 2).join(' and ')}`
      : `pinning: no, ${machine.pinning}`,
  ];
  if (machine.calls) {
    const { direct, indirect } = machine.calls;
    lines.push(
      `a call in C: ${direct.toFixed(1)} ns, an indirect one ${indirect.toFixed(1)} ns (every call from JavaScript to wasm or to Atomics is one)`,
    );
  }
  if (load > 0.5 * usable.length)
    lines.push(`others were using this machine when the run began: load ${load.toFixed(1)}`);
  return lines.join('\n');
}
