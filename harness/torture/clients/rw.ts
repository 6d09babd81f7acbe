/**
 * Torture client of reader-writer locks, spinning and sleeping.
 *
 * Writers do what mutex clients do, and then write one new version to sixteen words on two lines. A reader inside must find no writer, equal versions,
 * and the same ones on leaving. Readers say on their own line that they are inside; a writer inside must find nobody there: the reader's mark is taken
 * away before its release, so a correct lock makes the writer see it gone. Downgraded writers must find the version that they wrote, upgraded
 * readers the one that they read.
 */
import type { Addr } from '../../../src/arch/index.ts';
import type { RwOps } from '../../../src/locking/kinds.ts';
import { CpuLine, cpuLine, Data } from '../area.ts';
import { type Bench, type Client, type ClientOptions, OUTSIDE, READS, WANTS_READ } from './context.ts';
import { enter, exclusiveAtRest, leave, longHold } from './exclusive.ts';

const WORDS = 16;

/** Creates the client of one CPU. */
export function rwClient(bench: Bench, options: ClientOptions<'rwlock'> | ClientOptions<'rwsem'>): Client {
  const { lock, nested, params, bare } = options;
  const ops: RwOps = options.ops;
  const { isa, cpu, data, line } = bench;
  const readersOnly = cpu.id < params.readers;
  const writersOnly = !readersOnly && cpu.id < params.readers + params.writers;
  const versionWord = (at: number): Addr =>
    data + (at < WORDS / 2 ? Data.versionA + 4 * at : Data.versionB + 4 * (at - WORDS / 2));

  function nobodyReads(): void {
    for (let other = 0; other < cpu.count; other += 1) {
      if (other !== cpu.id && isa.readOnce(cpuLine(bench.area, other) + CpuLine.reading) === READS)
        bench.report('readerInside', { other });
    }
  }

  /** The version, if all words agree. */
  function version(): number {
    const first = bench.load(versionWord(0));
    for (let at = 1; at < WORDS; at += 1) {
      const now = bench.load(versionWord(at));
      if (now !== first)
        bench.report('tornUnderReader', { addr: versionWord(at), expected: first, got: now });
    }
    return first;
  }

  function writeVersion(): number {
    const next = (bench.load(versionWord(0)) + 1) | 0;
    for (let at = 0; at < WORDS; at += 1) bench.save(versionWord(at), next);
    return next;
  }

  function insideToWrite(): number {
    bench.entered();
    enter(bench);
    nobodyReads();
    const wrote = writeVersion();
    longHold(bench);
    bench.sawContention();
    leave(bench);
    bench.count(CpuLine.writes);
    return wrote;
  }

  function insideToRead(): number {
    isa.writeOnce(line + CpuLine.reading, READS);
    const writer = isa.readOnce(data + Data.owner);
    if (writer !== 0)
      bench.report('writerInside', { other: writer - 1, addr: data + Data.owner, got: writer });
    const seen = version();
    bench.dawdle();
    return seen;
  }

  function countReaders(): void {
    let readers = 0;
    for (let other = 0; other < cpu.count; other += 1)
      if (isa.readOnce(cpuLine(bench.area, other) + CpuLine.reading) === READS) readers += 1;
    if (readers > isa.read(line + CpuLine.readersMax)) isa.write(line + CpuLine.readersMax, readers);
  }

  function leaveRead(seen: number): void {
    const now = version();
    if (now !== seen) bench.report('changedUnderReader', { addr: versionWord(0), expected: seen, got: now });
    const writer = isa.readOnce(data + Data.owner);
    if (writer !== 0)
      bench.report('writerInside', { other: writer - 1, addr: data + Data.owner, got: writer });
    isa.writeOnce(line + CpuLine.reading, OUTSIDE);
  }

  function write(): void {
    bench.arrives();
    if (ops.tryWrite && bench.chance(params.try)) {
      bench.count(CpuLine.tries);
      if (!ops.tryWrite(lock)) {
        bench.count(CpuLine.tryFails);
        bench.gaveUp();
        return;
      }
    } else ops.acquireWrite(lock);
    const wrote = insideToWrite();
    if (ops.downgrade && bench.chance(params.downgrade)) {
      ops.downgrade(lock);
      isa.write(line + CpuLine.downgrades, isa.read(line + CpuLine.downgrades) + 1);
      const seen = insideToRead();
      if (seen !== wrote) bench.report('writerBetween', { addr: versionWord(0), expected: wrote, got: seen });
      leaveRead(seen);
      ops.releaseRead(lock);
      return;
    }
    ops.releaseWrite(lock);
  }

  function read(): void {
    bench.arrives();
    isa.writeOnce(line + CpuLine.reading, WANTS_READ);
    if (ops.tryRead && bench.chance(params.try)) {
      bench.count(CpuLine.tries);
      if (!ops.tryRead(lock)) {
        bench.count(CpuLine.tryFails);
        bench.gaveUp();
        isa.writeOnce(line + CpuLine.reading, OUTSIDE);
        return;
      }
    } else ops.acquireRead(lock);
    // Readers pass each other as they like.
    bench.entered((theirs) => isa.readOnce(theirs + CpuLine.reading) !== WANTS_READ);
    const seen = insideToRead();
    if (bench.chance(0.05)) countReaders();
    bench.count(CpuLine.reads);
    if (ops.tryUpgrade && bench.chance(params.upgrade)) {
      isa.writeOnce(line + CpuLine.reading, OUTSIDE);
      if (ops.tryUpgrade(lock)) {
        isa.write(line + CpuLine.upgrades, isa.read(line + CpuLine.upgrades) + 1);
        const now = version();
        if (now !== seen) bench.report('upgradeNotAlone', { addr: versionWord(0), expected: seen, got: now });
        insideToWrite();
        ops.releaseWrite(lock);
        return;
      }
      isa.writeOnce(line + CpuLine.reading, READS);
    }
    leaveRead(seen);
    ops.releaseRead(lock);
  }

  function step(): void {
    let inner = 0;
    if (nested.length > 0 && bench.chance(0.25)) {
      // Taken around, always before the lock under torture: a fixed order.
      inner = nested[cpu.below(nested.length)]!;
      if (bench.chance(0.5)) ops.acquireRead(inner);
      else {
        ops.acquireWrite(inner);
        inner = -inner;
      }
    }
    if (!writersOnly && (readersOnly || bench.chance(params.reads))) read();
    else write();
    if (inner > 0) ops.releaseRead(inner);
    else if (inner < 0) ops.releaseWrite(-inner);
  }

  function rest(): void {
    exclusiveAtRest(bench);
    for (const each of [lock, ...nested]) {
      if (bare.tryWrite) {
        if (!bare.tryWrite(each)) {
          bench.report('notFree', { addr: each });
          continue;
        }
      } else {
        bare.acquireWrite(each);
        bench.gaveUp();
      }
      bare.releaseWrite(each);
    }
  }

  return { step, rest, background: readersOnly };
}
