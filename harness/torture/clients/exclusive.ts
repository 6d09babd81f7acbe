/**
 * Inside an exclusive section: is this CPU really alone?
 *
 * After Concurrency Kit's validator: ten increments of words on four cache lines, each then as high as it should be; ten decrements, each then zero. A second CPU
 * inside makes a word differ, whichever of the two sees it. An owner word catches it from the other side, and catches a lock that lets two in one after
 * the other but too early. In brief rounds a single word is incremented and decremented once, so that hand-offs follow each other closely.
 */
import { Control, CpuLine, Data } from '../area.ts';
import { type Bench, Profile } from './context.ts';

const TIMES = 10;
const LINES = 4;
/** What ten increments in turn leave on each line. */
const RAISED = [3, 3, 2, 2] as const;

/** Ten steps of `by` in turn over the lines, plainly or once each; the loops stand apart so that the JIT sees one kind of access in each. */
function move(bench: Bench, by: number): void {
  const { isa } = bench;
  const first = bench.word(0);
  if (bench.once) {
    for (let times = 0; times < TIMES; times += 1) {
      const word = first + 64 * (times & 3);
      isa.writeOnce(word, isa.readOnce(word) + by);
    }
  } else {
    for (let times = 0; times < TIMES; times += 1) {
      const word = first + 64 * (times & 3);
      isa.write(word, isa.read(word) + by);
    }
  }
}

/** Enters: owner word and increments. */
export function enter(bench: Bench): void {
  const { isa, cpu } = bench;
  const owner = bench.data + Data.owner;
  bench.acquiredOnce();
  const before = isa.readOnce(owner);
  if (before !== 0) bench.report('twoHolders', { other: before - 1, addr: owner, got: before });
  isa.writeOnce(owner, cpu.id + 1);
  if ((bench.profile & Profile.brief) !== 0) {
    const word = bench.word(0);
    const now = bench.load(word);
    if (now !== 0) bench.report('lostIncrement', { addr: word, expected: 0, got: now });
    bench.save(word, 1);
    return;
  }
  move(bench, 1);
  for (let line = 0; line < LINES; line += 1) {
    const now = bench.load(bench.word(line));
    if (now !== RAISED[line])
      bench.report('lostIncrement', { addr: bench.word(line), expected: RAISED[line] ?? 0, got: now });
  }
  bench.dawdle();
}

/** Leaves: decrements and the owner word. */
export function leave(bench: Bench): void {
  const { isa, cpu } = bench;
  const owner = bench.data + Data.owner;
  if ((bench.profile & Profile.brief) !== 0) {
    const word = bench.word(0);
    const now = bench.load(word);
    if (now !== 1) bench.report('lostIncrement', { addr: word, expected: 1, got: now });
    bench.save(word, 0);
  } else {
    move(bench, -1);
    for (let line = 0; line < LINES; line += 1) {
      const now = bench.load(bench.word(line));
      if (now !== 0) bench.report('lostIncrement', { addr: bench.word(line), expected: 0, got: now });
    }
  }
  const after = isa.readOnce(owner);
  if (after === 0) bench.report('ownerGone', { addr: owner, expected: cpu.id + 1, got: after });
  else if (after !== cpu.id + 1)
    bench.report('ownerChanged', { other: after - 1, addr: owner, expected: cpu.id + 1, got: after });
  isa.writeOnce(owner, 0);
  const last = isa.read(bench.data + Data.head);
  if (last !== cpu.id + 1) {
    bench.count(CpuLine.handoffs);
    isa.write(bench.data + Data.head, cpu.id + 1);
  }
}

/** Everybody is outside: the words stand at zero. What is wrong is put right, so that the next round is judged for itself. */
export function exclusiveAtRest(bench: Bench): void {
  const { isa } = bench;
  for (let line = -1; line < LINES; line += 1) {
    const addr = line < 0 ? bench.data + Data.owner : bench.word(line);
    const now = isa.load(addr);
    if (now !== 0) bench.report('lostAtRest', { addr, expected: 0, got: now });
    isa.store(addr, 0);
  }
}

/** Holds for long, if this is the CPU and the step that the leader of the round chose. */
export function longHold(bench: Bench): void {
  const { isa, cpu, params } = bench;
  const { control } = bench;
  if (params.longHold === 0 || isa.read(control + Control.longHoldCpu) !== cpu.id + 1) return;
  const left = isa.read(control + Control.longHoldStep) - 1;
  isa.write(control + Control.longHoldStep, left);
  if (left !== 0) return;
  isa.write(control + Control.longHoldCpu, 0);
  isa.write(bench.line + CpuLine.longHolds, isa.read(bench.line + CpuLine.longHolds) + 1);
  // Asleep for the time, in slices that show the watchdog a beating heart.
  const until = cpu.now() + params.longHold * 1e6;
  for (let remaining = params.longHold * 1e6; remaining > 0; remaining = until - cpu.now()) {
    isa.wait(
      bench.line + CpuLine.longHolds,
      isa.read(bench.line + CpuLine.longHolds),
      Math.min(remaining, 50e6),
    );
    cpu.beat();
  }
}
