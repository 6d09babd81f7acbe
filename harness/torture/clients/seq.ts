/**
 * Torture client of sequence locks: sixteen words of one version on two lines. A reader that `readRetry` lets go must have sixteen equal words,
 * and a version not older than the last one it read. What it reads while a writer is at work is thrown away and may be anything.
 */
import type { Addr } from '../../../src/arch/index.ts';
import type { SeqOps } from '../../../src/locking/kinds.ts';
import { CpuLine, Data } from '../area.ts';
import type { Bench, Client, ClientOptions } from './context.ts';
import { enter, exclusiveAtRest, leave, longHold } from './exclusive.ts';

const WORDS = 16;

/** Creates the client of one CPU. */
export function seqClient(bench: Bench, options: ClientOptions<'seq'>): Client {
  const { lock, params } = options;
  const ops: SeqOps = options.ops;
  const { isa, cpu, data } = bench;
  const readersOnly = cpu.id < params.readers;
  const writersOnly = !readersOnly && cpu.id < params.readers + params.writers;
  const versionWord = (at: number): Addr =>
    data + (at < WORDS / 2 ? Data.versionA + 4 * at : Data.versionB + 4 * (at - WORDS / 2));
  /** Whether writers rely on a lock of their caller's. */
  const apart = options.definition.promises.writers === 1;
  const snapshot = new Int32Array(WORDS);
  let newest = 0;

  function write(): void {
    bench.arrives();
    if (apart) options.mutex.acquire(options.mutexAddr);
    ops.writeBegin(lock);
    bench.entered();
    enter(bench);
    const next = (isa.readOnce(versionWord(0)) + 1) | 0;
    for (let at = 0; at < WORDS; at += 1) bench.save(versionWord(at), next);
    longHold(bench);
    bench.sawContention();
    leave(bench);
    ops.writeEnd(lock);
    if (apart) options.mutex.release(options.mutexAddr);
    bench.count(CpuLine.writes);
  }

  /** Races with writers by intent: what they have disturbed is thrown away. */
  function copy(): void {
    for (let at = 0; at < WORDS; at += 1) snapshot[at] = bench.load(versionWord(at));
  }

  function read(): void {
    let seq = ops.readBegin(lock);
    for (;;) {
      isa.dataRace(copy);
      if (!ops.readRetry(lock, seq)) break;
      bench.count(CpuLine.retries);
      seq = ops.readBegin(lock);
    }
    bench.acquiredOnce();
    const first = snapshot[0]!;
    for (let at = 1; at < WORDS; at += 1) {
      if (snapshot[at] !== first) {
        bench.report('tornSnapshot', { addr: versionWord(at), expected: first, got: snapshot[at]! });
        break;
      }
    }
    if (((first - newest) | 0) < 0)
      bench.report('staleSnapshot', { addr: versionWord(0), expected: newest, got: first });
    newest = first;
    bench.count(CpuLine.reads);
  }

  return {
    background: readersOnly,
    step() {
      if (!writersOnly && (readersOnly || bench.chance(params.reads))) read();
      else write();
    },
    rest() {
      exclusiveAtRest(bench);
      options.bare.writeBegin(lock);
      options.bare.writeEnd(lock);
    },
  };
}
