/** The worked example of docs/mm.md: an operation that the model lacks, in a file of a user's own, is found wrong in one order and silent in the other. */
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { hunt } from '../../harness/explore/hunt.ts';
import { loadSubjects } from '../../harness/subject.ts';
import { root } from '../project.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('mm: a scanner of a user');

test(`comparing before the right to write is gone loses a write; the other order does not (seed ${seed})`, async () => {
  const file = join(root, 'examples/mm/merge.ts');
  const subjects = await loadSubjects(file);
  const [right, wrong] = ['merge', 'merge-compares-first'].map((name) =>
    subjects.find(({ subject }) => subject.name === name),
  );
  const broken = await hunt(wrong!.subject, { url: wrong!.url, seed, executions: 2000 });
  assert.match(broken.failures[0]!.text, /the pages read 1 and 1, not 1 and 2/);
  const sound = await hunt(right!.subject, {
    url: right!.url,
    seed,
    executions: 150,
    models: ['sc', 'tso', 'weak'],
  });
  assert.equal([sound.verdict, sound.leads], ['clean', []]);
});

test.run();
