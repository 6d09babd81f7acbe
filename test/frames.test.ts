/** The frame allocator gives each frame to one owner at a time, counts right, and says so when it is misused. */
import * as assert from 'uvu/assert';
import {
  createFrames,
  createMachine,
  FrameError,
  frames,
  framesBytes,
  initFrames,
  OutOfFrames,
  OutOfMemory,
} from '../src/memory/index.ts';
import type { ChurnResult } from './fixtures/memory/churn.ts';
import { onCpus } from './fixtures/memory/cpus.ts';
import { beforeEveryAccess } from './fixtures/memory/watch.ts';
import { suite } from './suite.ts';

function fresh(count: number, frameBytes?: number) {
  const machine = createMachine({ cpus: 2, bytes: 4 * 2 ** 20 });
  const at = createFrames(
    machine,
    frameBytes === undefined ? { frames: count } : { frames: count, frameBytes },
  );
  return { machine, at, isa: machine.boot, all: frames({ isa: machine.boot }, at) };
}

const test = suite('frames');

for (const count of [1, 31, 32, 33, 64, 100]) {
  test(`${count} frames: all of them once, then none`, () => {
    const { all, isa } = fresh(count, 64);
    const got = Array.from({ length: count }, () => all.allocFrame());
    assert.is(new Set(got).size, count);
    assert.equal(
      got.map(all.frameNumber).sort((a, b) => a - b),
      Array.from({ length: count }, (_, at) => at),
    );
    for (const frame of got) for (let word = 0; word < 64; word += 4) isa.write(frame + word, -1);
    assert.is(all.freeFrames(), 0);
    assert.is(all.tryAllocFrame(), 0);
    for (const frame of got) all.freeFrame(frame);
    assert.is(all.freeFrames(), count);
    assert.is(
      new Set(Array.from({ length: count }, () => all.allocFrame())).size,
      count,
      'and all of them again',
    );
  });
}

test('running out says how many there are', () => {
  const { all } = fresh(3);
  for (let at = 0; at < 3; at += 1) all.allocFrame();
  assert.throws(
    () => all.allocFrame(),
    (error: unknown) =>
      error instanceof OutOfFrames && error.frames === 3 && /^all 3 frames are in use/.test(error.message),
  );
  assert.is(all.freeFrames(), 0, 'a refusal takes nothing');
});

test('frames have 4 KiB unless asked otherwise and are aligned to their size', () => {
  for (const frameBytes of [undefined, 64, 1024, 16384]) {
    const { all } = fresh(5, frameBytes);
    assert.is(all.frameBytes, frameBytes ?? 4096);
    const got = Array.from({ length: 5 }, () => all.allocFrame()).sort((a, b) => a - b);
    for (const [at, frame] of got.entries()) {
      assert.is(frame % all.frameBytes, 0);
      assert.is(frame, all.frameAt(at));
    }
  }
});

test('the frame that was freed last comes back first, whatever its number', () => {
  const { all } = fresh(70, 64);
  const got = Array.from({ length: 70 }, () => all.allocFrame());
  for (const at of [69, 0, 31, 32, 40, 63]) {
    all.freeFrame(got[5]!);
    all.freeFrame(got[at]!);
    assert.is(all.allocFrame(), got[at]);
    assert.is(all.allocFrame(), got[5]);
  }
});

test('a frame that is freed twice, or was none, is refused and nothing changes', () => {
  const { all, at } = fresh(4);
  const frame = all.allocFrame();
  const kept = all.allocFrame();
  all.freeFrame(frame);
  assert.throws(
    () => all.freeFrame(frame),
    (error: unknown) =>
      error instanceof FrameError &&
      error.code === 'EDOUBLEFREE' &&
      error.addr === frame &&
      /^frame \d at 0x[0-9a-f]+ was freed twice: it is free since generation 2$/.test(error.message),
  );
  for (const wrong of [0, at, frame + 4, kept + 2048, all.frameAt(3) + 4096, -4096, Number.NaN]) {
    assert.throws(
      () => all.freeFrame(wrong),
      (error: unknown) => error instanceof FrameError && error.code === 'EFOREIGNFREE',
      `${wrong}`,
    );
  }
  assert.is(all.freeFrames(), 3);
  assert.is(new Set(Array.from({ length: 3 }, () => all.allocFrame())).size, 3);
  assert.is(all.tryAllocFrame(), 0);
});

test('a frame that was never handed out cannot be freed', () => {
  const { all } = fresh(4);
  assert.throws(() => all.freeFrame(all.frameAt(2)), /freed twice: it is free since generation 0/);
});

test('the generation changes with each owner and is odd while there is one', () => {
  const { all } = fresh(2);
  const frame = all.allocFrame();
  const seen = [all.frameGeneration(frame)];
  for (let round = 0; round < 3; round += 1) {
    all.freeFrame(frame);
    seen.push(all.frameGeneration(frame));
    assert.is(all.allocFrame(), frame);
    seen.push(all.frameGeneration(frame));
  }
  assert.equal(seen, [1, 2, 3, 4, 5, 6, 7]);
});

test('an address is named by its frame', () => {
  const { all } = fresh(4);
  const frame = all.allocFrame();
  const number = all.frameNumber(frame);
  assert.is(all.whatFrame(frame), `frame#${number} (generation 1)`);
  assert.is(all.whatFrame(frame + 0x40), `frame#${number}+0x40 (generation 1)`);
  assert.is(all.frameNumber(frame + 4095), number);
  all.freeFrame(frame);
  assert.is(all.whatFrame(frame), `frame#${number} (generation 2, free)`);
  assert.is(all.whatFrame(64), undefined);
  assert.is(all.frameNumber(all.frameAt(3) + 4096), -1);
  assert.throws(() => all.frameAt(4), /there is no frame 4: there are 0 to 3/);
});

test('what cannot be is refused with the numbers in it', () => {
  const machine = createMachine({ cpus: 1, bytes: 65536 });
  for (const count of [0, -1, 1.5, Number.NaN, 2 ** 25])
    assert.throws(
      () => framesBytes({ frames: count }),
      new RegExp(`a frame allocator has 1 to 16777216 frames, not ${count}`),
    );
  for (const frameBytes of [0, 32, 100, 4095, -4096])
    assert.throws(
      () => framesBytes({ frames: 1, frameBytes }),
      new RegExp(`a power of two of bytes.* not ${frameBytes}`),
    );
  assert.throws(() => framesBytes({ frames: 2 ** 20, frameBytes: 4096 * 4 }), /more than the 1 GiB/);
  assert.throws(
    () => createFrames(machine, { frames: 100 }),
    (error: unknown) => error instanceof OutOfMemory,
  );
});

test('an allocator fits where framesBytes says, at any line', () => {
  for (const skew of [0, 64, 4032]) {
    const machine = createMachine({ cpus: 1, bytes: 2 ** 18 });
    const spec = { frames: 33, frameBytes: 1024 };
    machine.alloc(skew);
    const at = machine.alloc(framesBytes(spec));
    const end = at + framesBytes(spec);
    initFrames(machine.boot, at, spec);
    const all = frames({ isa: machine.boot }, at);
    for (let count = 0; count < 33; count += 1) assert.ok(all.allocFrame() + 1024 <= end);
    assert.is(all.tryAllocFrame(), 0);
    assert.ok(
      machine.words.subarray(end / 4).every((word) => word === 0),
      'nothing is written behind it',
    );
  }
});

test.run();

const between = suite('frames, interrupted before any access');

/** The other CPU, or an interrupt handler, does all of this between two accesses. */
const intrusions: [string, (all: ReturnType<typeof frames>, mine: number[]) => void][] = [
  ['allocates', (all, mine) => mine.push(all.tryAllocFrame())],
  [
    'frees one and allocates two',
    (all, mine) => {
      all.freeFrame(mine.pop()!);
      mine.push(all.tryAllocFrame(), all.tryAllocFrame());
    },
  ],
  [
    'frees all, allocates all and frees one',
    (all, mine) => {
      for (const frame of mine.splice(0)) all.freeFrame(frame);
      for (let frame = all.tryAllocFrame(); frame !== 0; frame = all.tryAllocFrame()) mine.push(frame);
      all.freeFrame(mine.shift()!);
    },
  ],
];

for (const [what, intrude] of intrusions) {
  for (const operation of ['allocates', 'frees'] as const) {
    between(`somebody ${what} while another ${operation}`, () => {
      const accesses = beforeEveryAccess(() => {
        const { isa, all, at } = fresh(8, 64);
        const theirs = [all.allocFrame(), all.allocFrame()];
        const mine = [all.allocFrame()];
        return {
          isa,
          operation: (watched) => {
            const watchedFrames = frames({ isa: watched }, at);
            if (operation === 'allocates') mine.push(watchedFrames.tryAllocFrame());
            else watchedFrames.freeFrame(mine.pop()!);
          },
          intruder: () => intrude(all, theirs),
          after: (access) => {
            const owned = [...mine, ...theirs].filter((frame) => frame !== 0);
            assert.is(new Set(owned).size, owned.length, `a frame has two owners, access ${access}`);
            assert.is(all.freeFrames(), 8 - owned.length, `count, access ${access}`);
            for (const frame of owned) all.freeFrame(frame);
            assert.is(new Set(Array.from({ length: 8 }, () => all.allocFrame())).size, 8);
          },
        };
      });
      assert.ok(accesses >= 8, `${accesses} accesses`);
    });
  }
}

between('of two that free the same frame one is told', () => {
  beforeEveryAccess(() => {
    const { isa, all, at } = fresh(4, 64);
    const frame = all.allocFrame();
    let told = 0;
    const free = (allocator: typeof all): void => {
      try {
        allocator.freeFrame(frame);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        told += 1;
      }
    };
    return {
      isa,
      operation: (watched) => free(frames({ isa: watched }, at)),
      intruder: () => free(all),
      after: (access) => {
        assert.is(all.freeFrames(), 4, `count, access ${access}`);
        if (told === 0) free(all);
        assert.is(told, 1, `access ${access}`);
      },
    };
  });
});

between.run();

const parallel = suite('frames on several CPUs');

for (const engine of ['wasm', 'atomics'] as const) {
  parallel(`no frame has two owners, none is lost (${engine})`, async () => {
    const machine = createMachine({ cpus: 3 });
    const at = createFrames(machine, { frames: 40, frameBytes: 64 });
    const starts = [0, 1, 2].map((cpu) => ({
      cpu,
      job: 'churnFrames',
      args: { at, rounds: 40_000, most: 16 },
      attach: { engine },
    }));
    const results = await onCpus<ChurnResult>(machine, 'churn', starts);
    const all = frames({ isa: machine.boot }, at);
    for (const { allocated, refused, foreign } of results) {
      assert.is(foreign, 0);
      assert.is(allocated + refused, 40_000);
    }
    assert.is(all.freeFrames(), 40);
    let generations = 0;
    for (let number = 0; number < 40; number += 1) generations += all.frameGeneration(all.frameAt(number));
    assert.is(generations, 2 * results.reduce((sum, { allocated }) => sum + allocated, 0));
    assert.is(new Set(Array.from({ length: 40 }, () => all.allocFrame())).size, 40);
    assert.is(all.tryAllocFrame(), 0);
  });
}

parallel('of CPUs that free the same frame all but one are told', async () => {
  const machine = createMachine({ cpus: 3, bytes: 2 ** 20 });
  const at = createFrames(machine, { frames: 2000, frameBytes: 64 });
  const all = frames({ isa: machine.boot }, at);
  const objects = Array.from({ length: 2000 }, () => all.allocFrame());
  const args = { at, objects, step: machine.alloc(64), slab: false };
  const late = await onCpus<number>(
    machine,
    'churn',
    [0, 1, 2].map((cpu) => ({ cpu, job: 'doubleFree', args })),
  );
  assert.is(
    late.reduce((sum, each) => sum + each, 0),
    4000,
  );
  assert.is(all.freeFrames(), 2000);
});

parallel.run();
