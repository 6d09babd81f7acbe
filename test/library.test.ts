/**
 * The library without the harness: a program with workers of its own, from the package as it is published, in an empty folder; and the same in a browser, where
 * there is one.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { BROWSERS, findBrowser } from './fixtures/browser.ts';
import { root } from './project.ts';
import { suite } from './suite.ts';

const test = suite('library');
const SAID = '80000 of 80000 increments';

test(
  'the example runs from the packed package in an empty folder',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lockrig-library-'));
    try {
      const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
      const packed = spawnSync(npm, ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
        cwd: root,
        encoding: 'utf8',
      });
      assert.is(packed.status, 0, packed.stderr);
      const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
      const home = join(folder, 'node_modules', 'lockrig');
      mkdirSync(home, { recursive: true });
      const unpacked = spawnSync('tar', ['-xzf', join(folder, filename), '--strip-components=1', '-C', home]);
      assert.is(unpacked.status, 0, String(unpacked.stderr));
      const main = join(folder, 'main.mjs');
      // As a user has it: the file alone, beside node_modules.
      copyFileSync(join(home, 'examples', 'library', 'main.mjs'), main);
      const { stdout } = await promisify(execFile)(process.execPath, [main], { cwd: folder });
      assert.is(stdout.trim(), SAID);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  { deadline: 120_000 },
);

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
};

/** Serves the project's files, cross-origin isolated. @returns where, and what the page says */
async function serve(): Promise<{ url: string; said: Promise<string>; close: () => void }> {
  let say = (_text: string): void => {};
  const said = new Promise<string>((resolve) => {
    say = resolve;
  });
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname);
    if (request.method === 'POST') {
      let text = '';
      request.on('data', (chunk) => {
        text += chunk;
      });
      request.on('end', () => {
        say(text);
        response.end();
      });
      return;
    }
    try {
      const body = readFileSync(join(root, path));
      response.writeHead(200, {
        'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/examples/library/browser.html`,
    said,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const inABrowser = 'the same runs in the workers of a page, cross-origin isolated';

async function runInABrowser(browser: string): Promise<void> {
  const { url, said, close } = await serve();
  const profile = mkdtempSync(join(tmpdir(), 'lockrig-browser-'));
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    `--user-data-dir=${profile}`,
    // Keeps the browser there until the page has said what it has to say.
    '--remote-debugging-port=0',
  ];
  const child = spawn(browser, [...flags, url], { stdio: 'ignore', detached: true });
  try {
    assert.is(await said, SAID);
  } finally {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

const browser = findBrowser();
if (browser === undefined) test.skip(inABrowser, `there is no browser: none of ${BROWSERS.join(', ')}`);
else test(inABrowser, () => runInABrowser(browser), { deadline: 120_000 });

test.run();
