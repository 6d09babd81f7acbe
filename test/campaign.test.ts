/**
 * Campaigns tell what holds from what does not, and go on where they were. With few executions: what they are for is `npm run campaign`.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { suite } from './suite.ts';

const test = suite('campaigns');
const folder = mkdtempSync(join(tmpdir(), 'lockrig-campaign-'));
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const program = fileURLToPath(new URL(`./campaign.${extension}`, import.meta.url));

test.after(() => rmSync(folder, { recursive: true, force: true }));

function campaign(file: string, ...args: string[]): { status: number | null; lines: string[] } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, ...args, '--results', join(folder, file)],
    { encoding: 'utf8' },
  );
  return { status, lines: `${stdout}${stderr}`.trim().split('\n') };
}

/** Thieves look for items long after the last one has gone; that is not a livelock. */
test('what is silent holds, what is not fails with its token, and neither is done anew', () => {
  const args = ['silent', 'chase-lev', 'busted/unlocked-read', '--executions', '20'];
  const first = campaign('silent', ...args);
  assert.is(first.status, 1);
  assert.match(
    first.lines[0]!,
    /^silent:chase-lev sc,tso,weak HOLDS 60 executions, silent; .* \([\d.]+ s, \d+\/s\)$/,
  );
  assert.match(
    first.lines[1]!,
    /^silent:busted\/unlocked-read sc,tso,weak FAILS .* race: data race on .* lr1:/,
  );
  assert.match(first.lines[2]!, /^silent: 1 of 2 hold/);

  appendFileSync(join(folder, 'silent'), '{"piece":"cut sho');
  const second = campaign('silent', ...args, 'ab-ba');
  assert.is(second.status, 1);
  assert.match(second.lines[2]!, /^silent:ab-ba .*, \d+\/s\)$/);
  assert.equal(
    second.lines.slice(0, 2).map((line) => line.replace(/\(before\)$/, '')),
    first.lines.slice(0, 2).map((line) => line.replace(/\([\d.]+ s, \d+\/s\)$/, '')),
  );
  const [cut, last] = readFileSync(join(folder, 'silent'), 'utf8').trim().split('\n').slice(2);
  assert.is(cut, '{"piece":"cut sho');
  assert.ok(JSON.parse(last!).holds);
});

test('outcomes that were not reached are named', () => {
  const { status, lines } = campaign('litmus', 'litmus', 'SB mb', '--executions', '1', '--model', 'sc');
  assert.is(status, 1);
  assert.match(lines[0]!, /^litmus:SB mb sc FAILS 1 executions, 1 outcomes of 3, 0 forbidden; missing /);
});

test('a subject, a model or a number that there is not is refused', () => {
  for (const [args, why] of [
    [['silent', 'tickets'], /silent has no 'tickets'/],
    [['litmus', '--model', 'pso'], /one of sc,tso,weak, not 'pso'/],
    [['litmus', '--executions', 'many'], /--executions wants a number/],
  ] as const) {
    const { status, lines } = campaign('refused', ...args);
    assert.is(status, 2);
    assert.match(lines[0]!, why);
  }
});

test.run();
