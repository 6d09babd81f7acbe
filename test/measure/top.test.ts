/** `lockrig top`: what happened since the look before, those that cost most waiting first, of the run that was written last. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { topText } from '../../harness/measure/top-text.ts';
import { stat } from '../fixtures/report/documents.ts';
import { lockrig, said } from '../fixtures/torture/cli.ts';
import { suite } from '../suite.ts';

const test = suite('lock statistics: top');
const scratch = mkdtempSync(join(tmpdir(), 'lockrig-top-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const CPUS = 2;
/** A class of which so much had happened. */
const lock = (name: string, taken: number, contended: number, waited: number, held: number) => {
  const [one] = stat([name]).classes;
  return {
    ...one!,
    mode: 'write' as const,
    acquisitions: taken,
    contentions: contended,
    acquisitionBounces: contended,
    wait: { ...one!.wait, total: waited },
    hold: { ...one!.hold, total: held },
  };
};

test('rates, shares and means are those since the look before', () => {
  const before = {
    subject: 'mm/all',
    cpus: CPUS,
    seconds: 3,
    classes: [lock('calm', 1000, 0, 0, 5e6), lock('busy', 9000, 500, 1e9, 2e9)],
  };
  const now = {
    ...before,
    seconds: 5,
    classes: [
      lock('calm', 5000, 0, 0, 9e6),
      lock('busy', 11_000, 1000, 2e9, 2.4e9),
      lock('idle', 0, 0, 0, 0),
    ],
  };
  const [head, names, ...rows] = topText(now, before).split('\n');
  assert.is(head, 'top:mm/all cpus=2 at 5.0 s, last 2.0 s');
  assert.match(names!, /^lock +acq\/s +con\/s +contended +bounced +wait avg +hold avg +waiting +held$/);
  // Of two CPUs for two seconds.
  assert.equal(
    rows.map((row) => row.split(/ {2,}/)),
    [
      ['busy write', '1,000', '250', '25.0 %', '25.0 %', '2.0 ms', '200.0 us', '25.0 %', '10.0 %'],
      ['calm write', '2,000', '0', '0.0 %', '0.0 %', '-', '1.0 us', '0.0 %', '0.1 %'],
    ],
  );
  const [, , first] = topText(now, undefined).split('\n');
  assert.match(first!, /^busy write +2,200 +200 /);
  assert.match(topText(now, before, 1), /\n… 1 more$/);
});

test('of a folder it shows what was written last', async () => {
  for (const [at, subject] of ['older', 'newest', 'oldest'].entries()) {
    const file = join(scratch, `stat-${subject}.json`);
    writeFileSync(file, JSON.stringify({ ...stat(), subject, complete: true }));
    const when = Date.now() / 1000 - [60, 5, 3600][at]!;
    utimesSync(file, when, when);
  }
  const ran = await lockrig(['top', scratch], { cwd: scratch });
  assert.is(ran.code, 0, said(ran));
  assert.match(ran.stdout, /^top:newest cpus=4 at 2\.0 s/);
});

test.run();
