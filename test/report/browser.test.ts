/**
 * The report in headless Chromium, where there is one (CHROME_PATH names it, or it is on the path): it opens from disk without a word on the console and without a
 * request, has its pictures, steps by keys and buttons, turns dark, and axe-core has nothing to complain of.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as assert from 'uvu/assert';
import { page } from '../../harness/report/html/page.ts';
import { readResults } from '../../harness/report/html/read.ts';
import { BROWSERS, findBrowser } from '../fixtures/browser.ts';
import { HOSTILE, hunt, stat, sweep } from '../fixtures/report/documents.ts';
import { writeEverything } from '../fixtures/report/write.ts';
import { suite } from '../suite.ts';

const test = suite('report: browser');

/** What is used of playwright-core, whose types are about a browser's document. */
interface Tab {
  goto(url: string, options: object): Promise<unknown>;
  on(event: string, listener: (value: never) => void): void;
  evaluate<Result>(script: string): Promise<Result>;
  keyboard: { press(key: string): Promise<void> };
  click(selector: string): Promise<void>;
  focus(selector: string): Promise<void>;
  textContent(selector: string): Promise<string | null>;
  emulateMedia(media: object): Promise<void>;
  setViewportSize(size: object): Promise<void>;
}
interface Browser {
  newPage(options?: object): Promise<Tab>;
  close(): Promise<void>;
}
interface Playwright {
  readonly chromium: { launch(options: object): Promise<Browser> };
}

const PLAYWRIGHT: string = 'playwright-core';
const browser = findBrowser();
const folder = mkdtempSync(join(tmpdir(), 'lockrig-browser-'));
let running: Browser | undefined;

test.before(async () => {
  if (browser === undefined) return;
  const { chromium } = (await import(PLAYWRIGHT)) as Playwright;
  // Who runs as root, as in a container, has no sandbox.
  running = await chromium.launch({ executablePath: browser, args: ['--no-sandbox'] });
  writeEverything(join(folder, 'plain'));
  writeEverything(join(folder, 'hostile'), HOSTILE);
  // Less of it for axe-core, which looks at each element.
  const small = {
    'locks.json': sweep(['one', 'two'], 1, 2),
    'hunt.json': hunt(),
    'stat.json': stat(['one']),
  };
  mkdirSync(join(folder, 'small'));
  for (const [file, document] of Object.entries(small))
    writeFileSync(join(folder, 'small', file), JSON.stringify(document));
  for (const name of ['plain', 'hostile', 'small']) {
    const text = await page(await readResults(join(folder, name)), { version: '0', name });
    writeFileSync(join(folder, name, 'report.html'), text);
  }
});

test.after(async () => {
  await running?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Opened {
  readonly tab: Tab;
  /** What the console said, errors of scripts, requests for anything but the file. */
  readonly heard: string[];
}

async function open(name: string, options: object = {}): Promise<Opened> {
  const tab = await running!.newPage(options);
  const heard: string[] = [];
  tab.on('console', (message: { type(): string; text(): string }) => {
    heard.push(`${message.type()}: ${message.text()}`);
  });
  tab.on('pageerror', (error: Error) => heard.push(error.message));
  tab.on('dialog', (dialog: { dismiss(): Promise<void> }) => {
    heard.push('a dialog');
    void dialog.dismiss();
  });
  tab.on('request', (request: { url(): string }) => {
    if (!/^(file|data):/.test(request.url())) heard.push(`request for ${request.url()}`);
  });
  await tab.goto(pathToFileURL(join(folder, name, 'report.html')).href, { waitUntil: 'load' });
  return { tab, heard };
}

const has = (name: string, handler: () => Promise<void>): void => {
  if (browser === undefined) test.skip(name, `there is no browser: none of ${BROWSERS.join(', ')}`);
  else test(name, handler, { deadline: 120_000 });
};

has('it opens from disk, says nothing on the console, asks for nothing, and shows its pictures', async () => {
  for (const name of ['plain', 'hostile']) {
    const { tab, heard } = await open(name);
    const loaded = await tab.evaluate<number>("performance.getEntriesByType('navigation')[0].loadEventEnd");
    const size = readFileSync(join(folder, name, 'report.html')).length;
    // For whoever reads the output; times are no matter of tests.
    console.log(`    ${name}: ${Math.round(size / 1024)} KiB, loaded after ${Math.round(loaded)} ms`);
    assert.equal(heard, []);
    const empty = await tab.evaluate<string[]>(`[...document.querySelectorAll('figure')].filter((figure) => {
      const svg = figure.querySelector('svg[role=img]');
      const box = svg?.getBBox();
      return !figure.closest('details') && (!box || box.width < 40 || box.height < 15);
    }).map((figure) => figure.querySelector('h3').textContent)`);
    assert.equal(empty, [], 'pictures without anything in them');
    assert.ok((await tab.evaluate<number>("document.querySelectorAll('figure').length")) > 20);
    assert.is(await tab.evaluate<number>("document.querySelectorAll('img, iframe, object').length"), 0);
  }
});

has('the stepper steps by keys and buttons, from the keyboard alone', async () => {
  const { tab, heard } = await open('plain');
  const now = (): Promise<string | null> => tab.textContent('.stepper output');
  await tab.focus('.stepper');
  await tab.keyboard.press('Home');
  assert.is(await now(), 'Before the first of 8 steps');
  await tab.keyboard.press('ArrowRight');
  await tab.keyboard.press('ArrowRight');
  assert.is(await now(), 'Step 2 of 8: CPU 0 [has x]');
  assert.is(await tab.textContent('.stepper [data-cpu="0"] td'), 'holds x');
  await tab.click('.stepper [data-to=back]');
  assert.match(String(await now()), /^Step 1 of 8/);
  await tab.keyboard.press('Enter');
  assert.is(await now(), 'Before the first of 8 steps');
  await tab.focus('.stepper input[type=range]');
  await tab.keyboard.press('End');
  assert.match(String(await now()), /^Step 8 of 8/);
  await tab.click('.stepper g.step[data-step="2"] title + text');
  assert.match(String(await now()), /^Step 3 of 8: CPU 1/);
  assert.equal(heard, []);
});

has('a series is hidden and shown again, and the table behind a picture opens', async () => {
  const { tab } = await open('plain');
  const hidden = (): Promise<number> =>
    tab.evaluate<number>("document.querySelectorAll('.plot .off').length");
  assert.is(await hidden(), 0);
  await tab.focus('figure .key');
  await tab.keyboard.press('Space');
  assert.ok((await hidden()) > 0);
  await tab.keyboard.press('Space');
  assert.is(await hidden(), 0);
  await tab.focus('figure details summary');
  await tab.keyboard.press('Enter');
  assert.ok(await tab.evaluate<boolean>("document.querySelector('figure details').open"));
});

has('it is dark where the system is, and where the switch says so', async () => {
  const ground = 'getComputedStyle(document.body).backgroundColor';
  const { tab } = await open('plain', { colorScheme: 'light' });
  const light = await tab.evaluate<string>(ground);
  await tab.emulateMedia({ colorScheme: 'dark' });
  const dark = await tab.evaluate<string>(ground);
  assert.is.not(dark, light);
  await tab.click('#theme');
  assert.is(await tab.evaluate<string>(ground), light, 'light although the system is dark');
  await tab.click('#theme');
  assert.is(await tab.evaluate<string>(ground), dark);
});

has('axe-core has no complaint, in light and in dark, and nothing is wider than a telephone', async () => {
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  for (const colorScheme of ['light', 'dark']) {
    const { tab } = await open('small', { colorScheme, bypassCSP: true });
    await tab.evaluate(`document.querySelectorAll('details').forEach((each) => { each.open = true; })`);
    await tab.evaluate(axe);
    const found = await tab.evaluate<{ id: string; nodes: { html: string; failureSummary: string }[] }[]>(
      'axe.run(document).then(({ violations }) => violations)',
    );
    const told = found.map(
      ({ id, nodes }) => `${id} ${nodes.length}: ${nodes[0]?.html.slice(0, 200)} ${nodes[0]?.failureSummary}`,
    );
    assert.equal(told, [], colorScheme);
    await tab.setViewportSize({ width: 390, height: 844 });
    assert.ok((await tab.evaluate<number>('document.documentElement.scrollWidth')) <= 390);
  }
});

test.run();
