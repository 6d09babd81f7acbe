/** A replay shows what a run did: whose line made an access, what memory held and who waited at any point of it, step by step and on a timeline. */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { OP } from '../harness/engines/trace.ts';
import { Exploration } from '../harness/explore/exploration.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { lockByName } from '../src/locks.ts';
import { lost, url } from './fixtures/hunt.ts';
import { read, root } from './project.ts';
import { suite } from './suite.ts';

const test = suite('replay');
const seed = Date.now() % 2 ** 31;
const lock = (name: string): Tortured => lockByName(name) as Tortured;
const own = (subject: unknown): Tortured => subject as Tortured;

test(`stacks name the line that made each access, and the run stays the same (seed ${seed})`, async () => {
  const exploration = await Exploration.open(lock('ticket'), { cpus: 2 });
  try {
    for (const [at, model] of (['sc', 'tso', 'weak'] as const).entries()) {
      const schedule = { policy: 'random', parameter: 2, length: 80, seed: seed + at };
      const bare = await exploration.execution(schedule, { model });
      assert.is(bare.stacks.size, 0, 'none where none was asked for');
      const full = await exploration.execution(schedule, { model, stacks: 'all' });
      assert.is(full.hash, bare.hash);
      assert.equal([...full.trace.words], [...bare.trace.words]);
      const { trace, stacks } = full;
      const { lock: addr } = exploration.setup;
      let ofLock = 0;
      for (let place = 0; place < trace.length; place += 1) {
        const frames = stacks.get(place);
        if (trace.op(place) === OP.drain) assert.is(frames, undefined, 'who drains did not make the store');
        else assert.ok(frames, `record ${place} has a stack`);
        for (const { file } of frames ?? [])
          assert.not.ok(file.includes(join('harness', 'engines')) || file.includes('explore'), file);
        if (trace.op(place) !== OP.fetchAdd || trace.addr(place) !== addr) continue;
        ofLock += 1;
        assert.is(frames![0]!.file, join(root, 'src/locking/ticket.ts'));
        assert.match(frames![0]!.functionName, /acquire/i);
        assert.match(read('src/locking/ticket.ts').split('\n')[frames![0]!.line - 1]!, /fetchAdd/);
      }
      assert.ok(ofLock >= 2, 'both CPUs drew a ticket');

      const places = [3, trace.length - 2, 1 << 20].filter((place) => trace.op(place) !== OP.drain);
      const some = await exploration.execution(schedule, { model, stacks: places });
      assert.is(some.hash, bare.hash);
      assert.equal(
        some.stacks,
        new Map(places.filter((place) => place < trace.length).map((place) => [place, stacks.get(place)])),
      );
      const none = await exploration.execution(schedule, { model, stacks: [] });
      assert.is(none.stacks.size, 0, 'what was asked for before is forgotten');
    }
  } finally {
    await exploration.close();
  }
});

test('in a scenario the first frame is the line of the actor', async () => {
  const exploration = await Exploration.open(own(lost), { url });
  try {
    const { trace, stacks } = await exploration.execution({ switches: [], seed: 1 }, { stacks: 'all' });
    const text = read('test/fixtures/hunt.ts').split('\n');
    const lines = Array.from({ length: trace.length }, (_, place) => place)
      .filter((place) => trace.op(place) === OP.read || trace.op(place) === OP.write)
      .map((place) => text[stacks.get(place)![0]!.line - 1]!);
    assert.is(lines.length, 4);
    for (const line of lines) assert.match(line, /isa\.write\(state \+ Word\.value, isa\.read/);
  } finally {
    await exploration.close();
  }
});

test.run();
