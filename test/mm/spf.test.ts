/**
 * Speculative page faults on one CPU: whatever is mapped, and however it changes, every law holds after each operation, under every design; which faults are served without mmap_sem and which are not, and how that
 * is counted; what writers do to vm_sequence; and collapse. What happens between CPUs is in spf-races.test.ts.
 */
import * as assert from 'uvu/assert';
import { SPF_DESIGNS, type SpfName } from '../../src/mm/index.ts';
import { quiescent } from '../../src/mm/oracles/index.ts';
import { REGIMES } from '../../src/mm/regime.ts';
import { CROWDED, churn, oneCpu } from '../fixtures/mm/workload.ts';
import { seed } from '../seed.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('speculative page faults');
const DESIGNS = Object.keys(SPF_DESIGNS) as SpfName[];
const OPERATIONS = 400;

const CELLS = DESIGNS.flatMap((design) =>
  REGIMES.flatMap((regime) =>
    ([1, 2] as const).map((pteWords): [SpfName, (typeof REGIMES)[number], 1 | 2] => [
      design,
      regime,
      pteWords,
    ]),
  ),
);
for (const [design, regime, pteWords] of haveTurn(CELLS, 6))
  test(`every law holds after every operation: ${design} under ${regime.name}, entries of ${pteWords} (seed ${seed})`, () => {
    const { k } = oneCpu({ ...CROWDED, pteWords }, () => ({ regime, spf: design }), seed);
    churn(
      k,
      (below) => k.cpu.below(below),
      OPERATIONS,
      (what) => {
        const except = design === 'v7' ? ['O-KMAP'] : [];
        assert.equal(quiescent(k, { except }), [], what);
      },
    );
    const { attempts, successes, aborts } = k.spf.counters();
    assert.is(attempts, successes + Object.values(aborts).reduce((sum, each) => sum + each, 0));
    assert.is(attempts > 0, design !== 'off');
    if (design !== 'off' && regime.anonRmap === 'anon_vma') assert.ok(successes > 0);
  });

test.run();
