/**
 * What the documentation shows can be typed: each lockrig command in a ```sh block names a command that exists and flags that
 * its --help prints, each relative link leads to a file and a heading that exist. Nothing in the project names a path of
 * the machine it was written on.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import * as assert from 'uvu/assert';
import { filesIn, read, root } from './project.ts';
import { suite } from './suite.ts';

const main = join(root, 'dist/harness/cli/main.js');

const pages = () => [
  ...['README.md', 'CHANGELOG.md'].filter((path) => existsSync(join(root, path))),
  ...filesIn('docs').filter((path) => path.endsWith('.md')),
];

/** The commands of all ```sh blocks, one string each: continued lines joined, comments and prompts removed. */
function shellCommands(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^[ \t]*```(?:sh|bash)\b[^\n]*\n([\s\S]*?)^[ \t]*```/gm)];
  return blocks
    .flatMap(([, block]) => block!.replace(/\\\n/g, ' ').split('\n'))
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .map((line) => line.replace(/^\$\s+/, ''))
    .flatMap((line) => line.split(/\s*(?:&&|\|\||[|;])\s*/))
    .filter((command) => command !== '');
}

/** The arguments of a lockrig command, or undefined if the command runs something else. */
function lockrigArguments(command: string): string[] | undefined {
  const match = command.match(/^(?:\w+=\S*\s+)*(?:npx\s+(?:(?:-y|--yes)\s+)?)?lockrig(?:@\S+)?(?:\s+(.*))?$/);
  if (!match) return undefined;
  return (match[1]?.match(/'[^']*'|"[^"]*"|\S+/g) ?? []).filter((word) => !/^\d?>/.test(word));
}

const flagsIn = (text: string) =>
  new Set(text.match(/(?<![\w-])(?:--[a-z][\w-]*|-[a-zA-Z](?![\w-]))/g) ?? []);

const helps = new Map<string, string>();

/** What `lockrig [command] --help` prints. */
function help(command: string): string {
  const known = helps.get(command);
  if (known !== undefined) return known;
  const args = command === '' ? ['--help'] : [command, '--help'];
  const child = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 30_000 });
  assert.is(child.status, 0, `lockrig ${args.join(' ')} failed:\n${child.stdout}${child.stderr}`);
  helps.set(command, child.stdout);
  return child.stdout;
}

/** What is wrong with a command as shown; undefined if it can be typed. */
function complaint(words: readonly string[]): string | undefined {
  const command = words[0] === undefined || words[0].startsWith('-') ? '' : words[0];
  if (command !== '' && !new RegExp(`(^|\\s)${command.replace(/\W/g, '\\$&')}(\\s|$)`, 'm').test(help(''))) {
    return `there is no command '${command}'`;
  }
  const known = flagsIn(help(command));
  const unknown = words
    .map((word) => word.match(/^(--[a-z][\w-]*|-[a-zA-Z])(?==|$)/)?.[1])
    .filter((flag) => flag !== undefined && !known.has(flag));
  return unknown.length > 0 ? `unknown to 'lockrig ${command} --help': ${unknown.join(' ')}` : undefined;
}

const withoutCode = (markdown: string) =>
  markdown.replace(/^[ \t]*```[\s\S]*?^[ \t]*```/gm, '').replace(/`[^`\n]*`/g, '');

function relativeLinks(markdown: string): string[] {
  const text = withoutCode(markdown);
  const inline = [...text.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const definitions = [...text.matchAll(/^\s*\[[^\]]+\]:\s*(\S+)/gm)];
  const html = [...text.matchAll(/\b(?:href|src)="([^"]+)"/g)];
  return [...inline, ...definitions, ...html]
    .map((match) => match[1]!)
    .filter((link) => !/^[a-z][a-z+.-]*:/i.test(link));
}

/** The anchors that a page offers, made from its headings the way code hosts do. */
function anchors(markdown: string): Set<string> {
  const headings = [...markdown.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)];
  const seen = new Map<string, number>();
  return new Set(
    headings.map(([, title]) => {
      const slug = title!
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-');
      const before = seen.get(slug) ?? 0;
      seen.set(slug, before + 1);
      return before === 0 ? slug : `${slug}-${before}`;
    }),
  );
}

function brokenLink(page: string, link: string): string | undefined {
  const [path, anchor] = decodeURIComponent(link).split('#') as [string, string?];
  const target = path === '' ? page : posix.join(posix.dirname(page), path);
  if (target.startsWith('../') || !existsSync(join(root, target))) return `${page}: '${link}' leads nowhere`;
  if (anchor && target.endsWith('.md') && !anchors(read(target)).has(anchor)) {
    return `${page}: '${link}': ${target} has no such heading`;
  }
  return undefined;
}

const MACHINE_PATH = /(?<![\w.~*-])\/(?:home|Users|root|work)\/\w|\b[A-Z]:\\Users\\/;

const test = suite('docs');

test('the checks themselves find what is planted', () => {
  const planted =
    '```sh\n$ CI=1 npx lockrig torture ticket \\\n  --no-such-flag=1 | cat  # why not\nnpm ci && lockrig --help\n```\n';
  const commands = shellCommands(planted).map(lockrigArguments);
  assert.equal(commands, [['torture', 'ticket', '--no-such-flag=1'], undefined, undefined, ['--help']]);
  assert.match(complaint(['torture', 'ticket', '--no-such-flag=1']) ?? '', /--no-such-flag/);
  assert.match(complaint(['no-such-command']) ?? '', /no-such-command/);
  assert.equal(relativeLinks('[a](b.md#c) `[d](e)` ![f](g.png "h") [i](https://j) <a href="k">'), [
    'b.md#c',
    'g.png',
    'k',
  ]);
  assert.match(brokenLink('README.md', 'no-such-file.md') ?? '', /leads nowhere/);
  assert.equal([...anchors('# Two words, `code`\n## A\n## A\n')], ['two-words-code', 'a', 'a-1']);
  assert.ok(MACHINE_PATH.test(['see ', 'home', 'me'].join('/')));
});

test('the README shows lockrig commands', () => {
  assert.ok(existsSync(join(root, 'README.md')), 'there is no README.md');
  const commands = shellCommands(read('README.md')).filter((command) => lockrigArguments(command));
  assert.ok(
    commands.length > 0,
    'no ```sh block of README.md has a line that starts with lockrig or npx lockrig',
  );
});

test('every command shown exists, with the flags it is shown with', () => {
  const wrong = pages().flatMap((page) =>
    shellCommands(read(page)).flatMap((command) => {
      const words = lockrigArguments(command);
      const reason = words && complaint(words);
      return reason ? [`${page}: ${command}: ${reason}`] : [];
    }),
  );
  assert.equal(wrong, []);
});

test('every relative link leads to a file and a heading', () => {
  const broken = pages().flatMap((page) => relativeLinks(read(page)).map((link) => brokenLink(page, link)));
  assert.equal(broken.filter(Boolean), []);
});

test('no file names a path of the machine it was written on', () => {
  const text = /(?:\.(?:ts|js|mjs|json|md|wat|c|h|html|css|sh|yml|yaml|txt)|LICENSE|\.ci\/\w+)$/;
  const named = filesIn('.')
    .filter((path) => text.test(path))
    .flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, i) => (MACHINE_PATH.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
    );
  assert.equal(named, []);
});

test.run();
