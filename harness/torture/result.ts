/**
 * What a torture run answers: plain data that survives JSON.
 */
import { cpus as processors } from 'node:os';
import type { LockDefinition, OracleName } from '../../src/locking/define.ts';
import type { Machine } from '../../src/memory/index.ts';
import { sizeOf } from '../../src/memory/index.ts';
import { infoOf, nameOf } from '../../src/memory/struct.ts';
import type { WaitingGracePeriod } from '../../src/rcu/stall.ts';
import type { WaitEdge } from '../cpus/graph.ts';
import type { StackFrame } from '../cpus/source-map.ts';
import type { CpuState } from '../cpus/watchdog.ts';
import type { LockClassStats } from '../measure/schema.ts';
import {
  Control,
  CpuLine,
  cpuLine,
  Data,
  MAX_RECORDS,
  OBJECTS,
  SNAPSHOT_WORDS,
  TortureObject,
  Record as ViolationRecord,
} from './area.ts';
import { detailAt, ORACLES } from './oracles.ts';
import type { ScenarioOutcomes } from './outcomes.ts';
import type { TortureParams } from './params.ts';
import type { RaceReport } from './races.ts';
import type { Tortured, TortureSetup } from './setup.ts';
import type { TraceReport } from './traces.ts';
import { type OperationCount, settingsOf } from './workload.ts';

/** How a run ended. */
export type Verdict = 'success' | 'failure' | 'stall' | 'died' | 'interrupted';

/** One violation with its evidence. */
export interface Violation {
  readonly oracle: OracleName;
  /** The sentence. */
  readonly text: string;
  readonly cpu: number;
  /** The other CPU involved, or -1. */
  readonly other: number;
  /** The word that was wrong, by name; '' when it is not about a word. */
  readonly word: string;
  readonly expected: number;
  readonly got: number;
  readonly round: number;
  /** Milliseconds after the CPUs were up. */
  readonly afterMs: number;
  /** The lock's own state at that moment. */
  readonly lock: string;
}

/** What one CPU did. */
export interface CpuCounts {
  readonly cpu: number;
  readonly writes: number;
  readonly reads: number;
  readonly tries: number;
  readonly tryFails: number;
  readonly retries: number;
  readonly contended: number;
  readonly handoffs: number;
  readonly overtakenMax: number;
  readonly readersMax: number;
  readonly downgrades: number;
  readonly upgrades: number;
  readonly longHolds: number;
  readonly parks: number;
  /** Parks that a wake-up ended, and wake-ups sent to where somebody was parked; those at the end of a round included. */
  readonly woken: number;
  readonly wakes: number;
  readonly overslept: number;
  /** Of RCU and hazard pointers: how many reads saw an object of each age, grace periods waited for, floods of callbacks. */
  readonly ages: readonly number[];
  readonly gracePeriods: number;
  readonly floods: number;
}

/** What the watchdog found, with stacks. */
export interface StallReport {
  readonly kind: 'deadlock' | 'stall';
  readonly oracle: OracleName;
  readonly silentMs: number;
  readonly cpus: readonly (CpuState & { stack: readonly StackFrame[]; note: string })[];
  readonly edges: readonly WaitEdge[];
  readonly cycle: readonly number[] | undefined;
  /** Of RCU: the grace period that waits, and for whom. */
  readonly gracePeriod: WaitingGracePeriod | undefined;
  /** Names of the addresses that occur. */
  readonly names: Readonly<Record<number, string>>;
}

/** A CPU that died. */
export interface DeathReport {
  readonly cpu: number;
  readonly why: string;
  readonly lastHeartbeat: number;
  readonly held: readonly { lock: string; mode: string }[];
}

/** The result of one run. */
export interface TortureResult {
  readonly schemaVersion: 1;
  readonly lock: string;
  readonly kind: string;
  readonly promises: LockDefinition['promises'];
  readonly params: TortureParams;
  readonly verdict: Verdict;
  /** The oracle that fired first. */
  readonly oracle: OracleName | undefined;
  readonly violations: readonly Violation[];
  readonly violationCounts: Partial<Record<OracleName, number>>;
  readonly stall: StallReport | undefined;
  /** An operation of the lock threw. */
  readonly exception: { readonly cpu: number; readonly message: string; readonly stack: string } | undefined;
  readonly death: DeathReport | undefined;
  readonly seconds: number;
  readonly rounds: number;
  readonly acquisitions: number;
  readonly perSecond: number;
  readonly cpus: readonly CpuCounts[];
  /** Milliseconds from the CPUs being up to the first violation or proof of a deadlock. */
  readonly detectedMs: number | undefined;
  /** Epoch milliseconds modulo 2^31 of the first acquisition; 0: there was none. */
  readonly firstAcquisition: number;
  /** For workloads: how often each operation was done. */
  readonly operations: readonly OperationCount[] | undefined;
  /** For scenarios: what came out how often, and what the checks said; only of a run that came to its end. */
  readonly outcomes: ScenarioOutcomes | undefined;
  /** Of a run that failed and was traced: what its CPUs did last. */
  readonly trace: TraceReport | undefined;
  /** Lock statistics, where they were kept. */
  readonly lockStat?: readonly LockClassStats[];
  /** Data races, where they were watched for: evidence of the violations of `race`. */
  readonly races: readonly RaceReport[];
  /** Things worth knowing that are no violations. */
  readonly notes: readonly string[];
}

/** Where a run happened. */
export interface Environment {
  readonly node: string;
  readonly v8: string;
  readonly cpu: string;
  readonly cores: number;
  readonly arch: string;
  readonly platform: string;
  readonly flags: readonly string[];
  readonly argv: readonly string[];
}

/** This process's environment. */
export function environment(): Environment {
  const all = processors();
  return {
    node: process.versions.node,
    v8: process.versions.v8,
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    arch: process.arch,
    platform: process.platform,
    flags: process.execArgv,
    argv: process.argv.slice(2),
  };
}

/**
 * The names that a scenario or a workload gives the words of its states.
 * @returns undefined for an address that has none
 */
export function stateNamer(
  machine: Machine,
  { lock, stateStride, params }: TortureSetup,
  subject: Tortured,
): (addr: number) => string | undefined {
  if (subject.definition === 'workload')
    return (addr) =>
      addr < lock || addr >= lock + stateStride
        ? undefined
        : subject.names?.(addr, lock, machine.cpus, settingsOf(params)) || undefined;
  if (subject.definition !== 'scenario' || subject.names === undefined) return () => undefined;
  const { names, bytes, stride } = subject;
  return (addr) => {
    const episode = Math.floor((addr - lock) / stateStride);
    const state = lock + episode * stateStride;
    if (!(episode >= 0 && episode < stride) || addr >= state + bytes) return undefined;
    const name = names(addr, state, machine.cpus);
    if (typeof name !== 'string' || name === '') return undefined;
    return episode === 0 ? name : `${name} of state ${episode}`;
  };
}

/** Names the addresses of a run. */
export function namer(machine: Machine, setup: TortureSetup, definition: Tortured): (addr: number) => string {
  const { lock, nested, mutexAddr, area, subject } = setup;
  const { layout } = definition;
  const stated = stateNamer(machine, setup, definition);
  const inside = (addr: number, base: number, struct: object, label: string): string | undefined => {
    if (addr < base || addr >= base + sizeOf(struct)) return undefined;
    for (const { name, offset, field } of infoOf(struct).fields) {
      const index = (addr - base - offset) / 4;
      if (index >= 0 && index < field.count) return `${label}.${name}${field.count > 1 ? `[${index}]` : ''}`;
    }
    return `${label}+${addr - base}`;
  };
  const locks: [number, string][] = [
    [lock, subject.name],
    ...nested.map((addr, at): [number, string] => [addr, `${subject.name}[${at + 1}]`]),
  ];
  return (addr) => {
    const name = stated(addr);
    if (name !== undefined) return name;
    for (const [base, label] of locks) {
      // The first field of a scenario's state is a field like the others.
      if (addr === base && subject.definition === 'lock') return label;
      const named = layout && inside(addr, base, layout, label);
      if (named) return named;
    }
    if (addr >= mutexAddr && addr < mutexAddr + 64) return 'the mutex';
    const known = inside(addr, area.data, Data, nameOf(Data)) ?? inside(addr, area.control, Control, 'round');
    if (known === 'round.phase') return 'the end of the round';
    if (known) return known;
    const object = Math.floor((addr - area.objects) / sizeOf(TortureObject));
    if (object >= 0 && object < OBJECTS * machine.cpus) {
      const label = `object[${object}]`;
      const base = area.objects + object * sizeOf(TortureObject);
      return addr === base ? label : (inside(addr, base, TortureObject, label) ?? label);
    }
    for (let cpu = 0; cpu < machine.cpus; cpu += 1) {
      const own = inside(addr, cpuLine(area, cpu), CpuLine, `torture_cpu[${cpu}]`);
      if (own) return own;
      const start = machine.areaOf(cpu);
      if (addr >= start && addr < start + 4096) return `CPU ${cpu}'s node+${addr - start}`;
    }
    return `0x${addr.toString(16)}`;
  };
}

/** A lock's words by the names of its fields. */
export function decodeWords(layout: object | undefined, words: readonly number[]): string {
  if (!layout && words.every((word) => word === 0)) return '';
  if (!layout)
    return words
      .slice(0, 8)
      .map((word) => `0x${(word >>> 0).toString(16)}`)
      .join(' ');
  const parts: string[] = [];
  for (const { name, offset, field } of infoOf(layout).fields) {
    const values = words.slice(offset / 4, offset / 4 + Math.min(field.count, 4));
    if (values.length > 0)
      parts.push(`${name}=${values.map((value) => (field.type === 'u32' ? value >>> 0 : value)).join(',')}`);
  }
  return parts.join(' ');
}

/** Reads the violations recorded so far. */
export function readViolations(
  machine: Machine,
  setup: TortureSetup,
  definition: Tortured,
  startedAt: number,
): Violation[] {
  const { words } = machine;
  const { layout } = definition;
  const name = namer(machine, setup, definition);
  const found: Violation[] = [];
  const count = Math.min(MAX_RECORDS, Atomics.load(words, (setup.area.control + Control.violations) >>> 2));
  for (let index = 0; index < count; index += 1) {
    const base = setup.area.records + index * sizeOf(ViolationRecord);
    const at = (offset: number): number => words[(base + offset) >>> 2] ?? 0;
    if (Atomics.load(words, (base + ViolationRecord.ready) >>> 2) === 0) continue;
    const detail = detailAt(at(ViolationRecord.detail));
    const addr = at(ViolationRecord.addr);
    const values = {
      cpu: at(ViolationRecord.cpu),
      other: at(ViolationRecord.other),
      word: addr === 0 ? '' : name(addr),
      expected: at(ViolationRecord.expected),
      got: at(ViolationRecord.got),
    };
    const us = (at(ViolationRecord.microseconds) >>> 0) + at(ViolationRecord.microseconds + 4) * 2 ** 32;
    const snapshot = Array.from({ length: SNAPSHOT_WORDS }, (_, word) =>
      at(ViolationRecord.snapshot + 4 * word),
    );
    found.push({
      oracle: detail.oracle,
      text: detail.text.replace(/\{(\w+)\}/g, (_all, key: keyof typeof values) => String(values[key])),
      ...values,
      round: at(ViolationRecord.round),
      afterMs: us / 1000 - startedAt,
      lock: decodeWords(layout, snapshot),
    });
  }
  return found.sort((a, b) => a.afterMs - b.afterMs);
}

/** How often each oracle fired. */
export function readOracleCounts(machine: Machine, setup: TortureSetup): Partial<Record<OracleName, number>> {
  const counts: Partial<Record<OracleName, number>> = {};
  ORACLES.forEach((oracle, at) => {
    const count = Atomics.load(machine.words, (setup.area.control + Control.byOracle + 4 * at) >>> 2);
    if (count > 0) counts[oracle] = count;
  });
  return counts;
}
