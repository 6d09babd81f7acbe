/**
 * The loop of the README on its example: hunt, replay with stacks, refuse the changed file, verify the fix; on the unchanged file the fix is none.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { root } from './project.ts';
import { suite } from './suite.ts';

const test = suite('the loop');
const main = fileURLToPath(new URL('../harness/cli/main.js', import.meta.url));

function lockrig(...args: string[]): { code: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  return { code: status, text: stdout + stderr };
}

test(
  'hunt, read, replay, fix, verify',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'lockrig-loop-'));
    try {
      const broken = 'examples/loop/broken.ts';
      const fixed = 'examples/loop/fixed.ts';
      const found = lockrig('hunt', broken, '--out', folder);
      assert.is(found.code, 1, found.text);
      const name = readdirSync(folder).find((each) => each.startsWith('look-then-take.exclusion.'));
      assert.ok(name, `${readdirSync(folder)}: ${found.text}`);
      const file = join(folder, name!);
      const replayed = lockrig('replay', file, broken, '--times', '50', '--stacks');
      assert.is(replayed.code, 1, replayed.text);
      assert.match(replayed.text, /50 of 50 bit for bit/);
      assert.match(replayed.text, /broken\.ts:10/);
      const other = lockrig('replay', file, fixed);
      assert.is(other.code, 2, other.text);
      assert.match(other.text, /'look-then-take' has changed since the token was made/);
      const same = lockrig('verify-fix', file, broken);
      assert.is(same.code, 1, same.text);
      const gone = lockrig('verify-fix', file, fixed);
      assert.is(gone.code, 0, gone.text);
      assert.match(gone.text, /GONE with 99 % confidence/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  { deadline: 120_000 },
);

test.run();
