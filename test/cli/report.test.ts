/** `lockrig report`: writes one file, replays what is at hand, and answers bad input in one sentence. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { TimelineDocument } from '../../harness/report/perfetto.ts';
import { complaints } from '../fixtures/recordings.ts';
import { sweep, timeline } from '../fixtures/report/documents.ts';
import { all, parse } from '../fixtures/report/dom.ts';
import { folder, lockrig, refused, said } from '../fixtures/torture/cli.ts';
import { suite } from '../suite.ts';

const test = suite('cli: report');
const text = (document: object): string => JSON.stringify(document, null, 2);

test('what is missing, empty, cut short or newer is one sentence and exit code 2; what can be read is reported', async () => {
  const box = folder();
  const newer = text({ ...sweep(), schemaVersion: 9 });
  box.write({
    'empty/x.txt': '',
    'newer/locks.json': newer,
    'some/locks.json': newer,
    'some/timeline.json': text(timeline(5)),
    'cut/locks.json': text(sweep()).slice(0, 9000),
  });
  const report = (...args: string[]) => lockrig(['report', ...args], { cwd: box.path });
  refused(await report('missing'), /there is no missing: a folder of results is expected/);
  refused(await report('empty'), /empty holds no results: locks\.json/);
  refused(await report('newer'), /locks\.json has schema version 9, and this lockrig reads up to 1/);
  assert.not.ok(existsSync(join(box.path, 'newer/report.html')));
  refused(await report('some'), /locks\.json has schema version 9.*: some.report\.html is partial/);
  const page = readFileSync(join(box.path, 'some/report.html'), 'utf8');
  assert.match(page, /This report is partial/);
  assert.match(page, /Timeline of mm\/objrmap/);
  refused(
    await report('cut'),
    /locks\.json is cut short: what comes before the cut is reported: cut.report\.html is partial/,
  );
  assert.match(readFileSync(join(box.path, 'cut/report.html'), 'utf8'), /Throughput by CPUs/);
  refused(await report('some', '--perfetto'), /value is missing/);
  refused(await report('cut', '--out', 'empty'), /--out empty is a folder/);
});

test(
  'a failure of a hunt is replayed: every step with its value and its place in the source; without it, from its file',
  async () => {
    const box = folder();
    const hunt = await lockrig(['hunt', 'busted/dekker-unfenced', '--budget', '5s', '--out', 'found'], {
      cwd: box.path,
    });
    assert.is(hunt.code, 1, said(hunt));
    const made = await lockrig(['report', 'found', '--perfetto', 'run.json'], { cwd: box.path });
    assert.is(made.code, 0, said(made));
    assert.match(made.stdout, /^found.report\.html \(\d+ KiB\)\nrun\.json\n$/);
    const { traceEvents } = JSON.parse(readFileSync(join(box.path, 'run.json'), 'utf8')) as TimelineDocument;
    assert.equal(complaints(traceEvents), []);
    const read = async (name: string) => (await parse(readFileSync(join(box.path, name), 'utf8'))).document;
    const replayed = await read('found/report.html');
    const stepper = replayed.querySelector('.stepper')!;
    assert.match(stepper.textContent ?? '', /Replayed for this report/);
    assert.match(stepper.textContent ?? '', /exclusion\.ts:\d+/);
    assert.match(
      replayed.querySelector('code.token')?.textContent ?? '',
      /^lockrig replay 'lr1:busted%2Fdekker/,
    );
    const plain = await lockrig(['report', 'found', '--as-found', '--out', 'plain.html'], { cwd: box.path });
    assert.is(plain.code, 0, said(plain));
    const told = (await read('plain.html')).querySelector('.stepper')!;
    assert.match(told.textContent ?? '', /Read from the lines/);
    const shown = (root: typeof told): (string | null)[] =>
      all(root, 'g.step').map(
        (step) => step.querySelector('title')?.textContent?.replace(/, [^ ]*\.ts:.*$/, '') ?? null,
      );
    const [long, short] = [shown(stepper), shown(told)];
    assert.ok(short.length > 4);
    // What the file has is a part of what the replay has.
    assert.equal(
      short.filter((line) => !long.includes(line)),
      [],
    );
  },
  { deadline: 120_000 },
);

test.run();
