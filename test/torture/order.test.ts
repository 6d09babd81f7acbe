/** Order and bypass are judged where they are promised, without false alarms, and nowhere else. */
import * as assert from 'uvu/assert';
import type { TortureParams, TortureResult } from '../../harness/index.ts';
import { summarize, torture } from '../../harness/index.ts';
import { type AnyLock, locks } from '../../src/index.ts';
import { claimsBypass, claimsFifo, claimsNothing, url } from '../fixtures/torture/locks.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('torture: order');

const any = (lock: unknown): AnyLock => lock as AnyLock;
const run = (lock: AnyLock, params: Partial<TortureParams>, ours = false): Promise<TortureResult> =>
  torture(lock, { seed: 3, ...params }, ours ? { url } : {});

for (const [lock, oracle, text] of [
  [claimsFifo, 'order', /CPU \d overtook CPU \d, which had been queued before it came/],
  [
    claimsBypass,
    'bypass',
    /CPU \d was queued and had to let \d+ others pass, the last of them CPU \d; \d are promised/,
  ],
] as const) {
  test(`a lock that claims ${oracle} and does not keep it is caught`, async () => {
    for (const cpus of [2, 4]) {
      const result = await run(any(lock), { cpus, duration: 30_000, failFast: true }, true);
      assert.equal([result.verdict, result.oracle], ['failure', oracle], summarize(result).join('\n'));
      const [first] = result.violations;
      assert.match(first?.text ?? '', text);
      assert.ok(first !== undefined && first.other >= 0 && first.other !== first.cpu);
      if (oracle === 'bypass') assert.equal([first?.expected, first?.got], [cpus, cpus + 1]);
    }
  });

  test(`with the oracle ${oracle} off the same lock passes`, async () => {
    const result = await run(any(lock), { cpus: 2, rounds: 40, disabled: [oracle] }, true);
    assert.equal([result.verdict, result.violationCounts], ['success', {}], summarize(result).join('\n'));
  });
}

test('a lock that promises no order is not judged on it, but how far it went is counted', async () => {
  let most = 0;
  for (let runs = 0; runs < 20 && most <= 3; runs += 1) {
    const result = await run(any(claimsNothing), { cpus: 3, rounds: 60 }, true);
    assert.is(result.verdict, 'success', summarize(result).join('\n'));
    most = Math.max(most, ...result.cpus.map(({ overtakenMax }) => overtakenMax));
  }
  assert.ok(most > 3, `at most ${most} others were let pass`);
});

test('locks that promise order or a bound keep it with 2, 4 and 8 CPUs', async () => {
  // Queues keep the order of items, not of CPUs; their own tests judge that.
  const promising = locks.filter(
    ({ kind, promises }) => kind !== 'queue' && (promises.fifo || promises.bypass !== undefined),
  );
  assert.ok(
    ['ticket', 'mcs', 'rwlock', 'rwsem'].every((name) => promising.some((lock) => lock.name === name)),
  );
  for (const lock of haveTurn(promising, 4)) {
    for (const [cpus, rounds] of [
      [2, 60],
      [4, 15],
      [8, 6],
    ] as const) {
      const result = await run(lock, { cpus, rounds, try: 0.2, shortDelay: 20 });
      assert.is(result.verdict, 'success', summarize(result).join('\n'));
      const contended = result.cpus.reduce((total, cpu) => total + cpu.contended, 0);
      assert.ok(contended > 0, `${lock.name} was never contended with ${cpus} CPUs, so it was not tested`);
    }
  }
});

test.run();
