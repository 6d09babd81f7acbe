/**
 * From the rings of an ordered run to one total order: a topological merge of the program order of each CPU and the versions of each stripe.
 *
 * In a stripe the write that brought a version comes before the loads that saw it, and those before the write that brought the next. These edges and program order
 * have no cycle (order.ts says why), so a merge exists; of all merges it takes the one that stays with a CPU as long as it can, which is the easiest to
 * read. Rings forget their oldest records, so it begins where they do: a record whose predecessors are gone waits for nothing.
 *
 * {@link disagreement} holds a merge against memory: whatever a load returned must be what the last write before it left.
 */
import type { Addr } from '../../../src/arch/index.ts';
import { OPERATIONS } from '../trace.ts';
import { type RingRecord, stripeOf } from './ring.ts';

/** Records that no order agrees with: they are not what happened. */
export class OrderError extends Error {
  readonly code = 'EORDER';
  constructor(message: string) {
    super(message);
    this.name = 'OrderError';
  }
}

const isAccess = ({ op }: RingRecord): boolean => {
  const { reads, writes } = OPERATIONS[op]!;
  return reads || writes;
};
const isWrite = ({ op }: RingRecord): boolean => OPERATIONS[op]!.writes;

interface Node {
  readonly record: RingRecord;
  /** Records that must come first and have not. */
  waits: number;
  readonly later: Node[];
}

function before(one: Node, other: Node): void {
  one.later.push(other);
  other.waits += 1;
}

/** The edges of one stripe: write, the loads of its version, the next write. */
function chain(nodes: Node[], whole: boolean): void {
  nodes.sort(
    (a, b) =>
      (a.record.version - b.record.version) | 0 ||
      Number(isWrite(b.record)) - Number(isWrite(a.record)) ||
      a.record.cpu - b.record.cpu,
  );
  let write: Node | undefined;
  let loads: Node[] = [];
  for (const node of nodes) {
    const { version, addr, cpu } = node.record;
    if (!isWrite(node.record)) {
      if (write) {
        if (whole && write.record.version !== version)
          throw new OrderError(
            `CPU ${cpu} has read word ${addr} in version ${version} of its stripe, which nobody has written`,
          );
        before(write, node);
      }
      loads.push(node);
      continue;
    }
    if (write && ((version - write.record.version) | 0) <= 0)
      throw new OrderError(
        `CPU ${write.record.cpu} and CPU ${cpu} have both brought version ${version} of the stripe of word ${addr}`,
      );
    if (whole && write && ((version - write.record.version) | 0) !== 2)
      throw new OrderError(
        `the stripe of word ${addr} has versions ${write.record.version} and ${version}, and a write between them was not recorded`,
      );
    if (write) before(write, node);
    for (const load of loads) before(load, node);
    write = node;
    loads = [];
  }
}

/**
 * Merges the records of all CPUs, each in program order, into one order.
 * @param whole whether the records are all that there were: then a version that is missing is an error
 * @throws OrderError when no order agrees with them
 */
export function reconstruct(cpus: readonly (readonly RingRecord[])[], whole = false): RingRecord[] {
  const stripes = new Map<number, Node[]>();
  const all = cpus.map((records) => {
    let last: Node | undefined;
    return records.map((record) => {
      const node: Node = { record, waits: 0, later: [] };
      if (last) before(last, node);
      last = node;
      if (isAccess(record)) {
        const stripe = stripeOf(record.addr);
        const nodes = stripes.get(stripe);
        if (nodes) nodes.push(node);
        else stripes.set(stripe, [node]);
      }
      return node;
    });
  });
  for (const nodes of stripes.values()) chain(nodes, whole);
  const next = all.map(() => 0);
  const order: RingRecord[] = [];
  const total = all.reduce((sum, nodes) => sum + nodes.length, 0);
  let cpu = 0;
  for (let tried = 0; order.length < total; ) {
    const node = all[cpu]![next[cpu]!];
    if (node && node.waits === 0) {
      order.push(node.record);
      for (const each of node.later) each.waits -= 1;
      next[cpu]! += 1;
      tried = 0;
      continue;
    }
    cpu = (cpu + 1) % all.length;
    tried += 1;
    if (tried > all.length)
      throw new OrderError(
        `no order agrees with the versions: ${all
          .flatMap((nodes, each) => {
            const stuck = nodes[next[each]!];
            return stuck
              ? [`CPU ${each} is at ${OPERATIONS[stuck.record.op]!.name} of word ${stuck.record.addr}`]
              : [];
          })
          .join(', ')}`,
      );
  }
  return order;
}

/**
 * Replays an order.
 * @param initial what a word held before; undefined: that is not known, and the first record of it says
 * @returns what disagrees, if anything does
 */
export function disagreement(
  order: readonly RingRecord[],
  initial: (addr: Addr) => number | undefined,
): string | undefined {
  const memory = new Map<Addr, number>();
  for (const [at, { cpu, op, addr, value, before: had }] of order.entries()) {
    const { reads, writes, name } = OPERATIONS[op]!;
    if (!reads && !writes) continue;
    const held = memory.get(addr) ?? initial(addr);
    const seen = writes ? had : value;
    if (held !== undefined && seen !== held)
      return `record ${at}: ${name} of word ${addr} by CPU ${cpu} found ${seen}, and the order says ${held}`;
    memory.set(addr, value);
  }
  return undefined;
}
