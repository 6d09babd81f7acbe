/**
 * The order in which classes of locks are taken, and its cycles: what the kernel's lockdep keeps (Molnar and van de Ven 2006; reader rules by Feng 2020).
 *
 * An edge says that somebody acquired a lock of one class while holding one of another, each in a mode. A path follows edges through a class only
 * where the two modes meet there: who waits for it in the one mode can be kept waiting by who holds it in the other. Shared and exclusive do, exclusive and
 * exclusive do. Two shared ones do only by way of a writer, who waits for the holder and is not passed by the newcomer: so they count once a writer of the class was seen, and
 * never where readers pass writers. A cycle of edges that all meet is a deadlock that some schedule has, though none was met. An edge from a class to
 * itself is a cycle of one.
 *
 * As in lockdep, edges are told apart by class and not by who made them, and a lock held around all of a cycle does not excuse it.
 */
import { RCU, RECURSIVE, SLEEPS, SPINS, UNOWNED } from '../../src/locking/traits.ts';
import type { LockClass } from './finding.ts';

/** Exclusive mode, as in lock events. */
export const EXCLUSIVE = 1;
/** Shared mode. */
export const SHARED = 2;
/** The mode in words. */
export const modeName = (mode: number): 'exclusive' | 'shared' => (mode === SHARED ? 'shared' : 'exclusive');

/** The class of a lock that is one of its own. */
export function classFrom(name: string, traits: number): LockClass {
  const has = (trait: number): boolean => (traits & trait) !== 0;
  return {
    name,
    spin: has(SPINS),
    sleeps: has(SLEEPS),
    rcu: has(RCU),
    recursive: has(RECURSIVE),
    unowned: has(UNOWNED),
  };
}

/** Where an edge was first seen. */
export interface Witness {
  readonly cpu: number;
  /** Number of the execution, from 1. */
  readonly execution: number;
  /** Places of the acquisition that is held, and of the one that waits. */
  readonly heldAt: number;
  readonly at: number;
}

/** A class was acquired while another was held. */
export interface LockEdge {
  readonly from: number;
  readonly to: number;
  /** How `from` was held. */
  readonly held: number;
  /** How `to` was wanted. */
  readonly wanted: number;
  readonly witness: Witness;
}

/** That a class was acquired while another was held, by their names. */
export interface LockOrder {
  /** The class that was held, and that which was acquired. */
  readonly from: string;
  readonly to: string;
  readonly held: 'exclusive' | 'shared';
  readonly wanted: 'exclusive' | 'shared';
  /** A CPU that did. */
  readonly cpu: number;
}

/** Orders once each, whoever has seen them, by their names. */
export function allOrders(seen: readonly LockOrder[]): LockOrder[] {
  const key = ({ from, to, held, wanted }: LockOrder): string => JSON.stringify([from, to, held, wanted]);
  const once = new Map([...seen].reverse().map((order) => [key(order), order]));
  return [...once].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, order]) => order);
}

/** Classes are numbers here. */
export class LockGraph {
  readonly classes: LockClass[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly out: LockEdge[][] = [];
  private readonly known = new Set<number>();
  private readonly written: boolean[] = [];

  /** The number of a class; classes of one name are one. */
  node(lockClass: LockClass): number {
    const known = this.numbers.get(lockClass.name);
    if (known !== undefined) return known;
    const node = this.classes.push(lockClass) - 1;
    this.numbers.set(lockClass.name, node);
    this.out.push([]);
    this.written.push(false);
    return node;
  }

  /** All edges, by names. */
  orders(): LockOrder[] {
    const name = (node: number): string => this.classes[node]!.name;
    return this.out.flatMap((edges) =>
      edges.map(({ from, to, held, wanted, witness: { cpu } }) => ({
        from: name(from),
        to: name(to),
        held: modeName(held),
        wanted: modeName(wanted),
        cpu,
      })),
    );
  }

  private meets(node: number, wanted: number, held: number): boolean {
    if (wanted === EXCLUSIVE || held === EXCLUSIVE) return true;
    const { rcu, readersPass } = this.classes[node]!;
    return this.written[node]! && !rcu && !readersPass;
  }

  /**
   * Adds an edge.
   * @returns the shortest cycle that it closes, beginning with it; none if the edge was there
   */
  add(
    from: number,
    held: number,
    to: number,
    wanted: number,
    witness: () => Witness,
  ): LockEdge[] | undefined {
    const key = ((from * 65536 + to) * 4 + held) * 4 + wanted;
    if (this.known.has(key)) return undefined;
    this.known.add(key);
    const edge = { from, to, held, wanted, witness: witness() };
    this.out[from]!.push(edge);
    return this.cycle(edge);
  }

  /**
   * Somebody wants a class exclusively.
   * @returns cycles that are so by it: readers of the class can now be kept waiting by readers
   */
  writes(node: number): LockEdge[][] {
    if (this.written[node]) return [];
    this.written[node] = true;
    const closed = this.out[node]!.filter(({ held }) => held === SHARED).map((edge) => this.cycle(edge));
    return closed.filter((cycle) => cycle !== undefined);
  }

  /** The shortest cycle through an edge (breadth first). */
  private cycle(first: LockEdge): LockEdge[] | undefined {
    const reached = new Set<number>();
    const queue: { edge: LockEdge; before: number }[] = [{ edge: first, before: -1 }];
    for (let at = 0; at < queue.length; at += 1) {
      const { edge } = queue[at]!;
      if (edge.to === first.from && this.meets(edge.to, edge.wanted, first.held)) {
        const path: LockEdge[] = [];
        for (let back = at; back >= 0; back = queue[back]!.before) path.unshift(queue[back]!.edge);
        return path;
      }
      const state = edge.to * 4 + edge.wanted;
      if (reached.has(state)) continue;
      reached.add(state);
      for (const next of this.out[edge.to]!)
        if (this.meets(edge.to, edge.wanted, next.held)) queue.push({ edge: next, before: at });
    }
    return undefined;
  }
}

/** A cycle's name, whichever edge it was found by: its classes in order, the smallest name first. */
export function cycleKey(names: readonly string[]): string {
  const first = names.indexOf([...names].sort()[0]!);
  return [...names.slice(first), ...names.slice(0, first)].join(' > ');
}
