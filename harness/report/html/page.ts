/**
 * The page: a summary first, then a section for each kind of result, and how all of it came to be. One file that needs nothing else: style, script and data are in it,
 * and its policy forbids every request.
 */
import { createHash } from 'node:crypto';
import { about, problemsOf, sources } from './about.ts';
import { maker } from './figure.ts';
import { libraries } from './libraries.ts';
import { Html, html, idGiver } from './markup.ts';
import { list } from './numbers.ts';
import type { Results } from './results.ts';
import { benchSection } from './sections/bench.ts';
import { huntSection, type Replayed } from './sections/hunt.ts';
import type { Around, Section } from './sections/section.ts';
import { statSection } from './sections/stat.ts';
import { sweepSection } from './sections/sweep.ts';
import { timelineSection } from './sections/timeline.ts';
import { tortureSection } from './sections/torture.ts';
import { STYLE } from './style.ts';

/** What else a page is made of. */
export interface PageOptions {
  /** The version of lockrig. */
  readonly version: string;
  /** What the results are called: their folder. */
  readonly name: string;
  readonly replayed?: Replayed;
  /** When it is made. */
  readonly date?: Date;
}

/** The scripts of a page in one piece; made by a process that is gone when they are. */
async function script(): Promise<string> {
  const { build, stop } = await import('esbuild');
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const { fileURLToPath } = await import('node:url');
  const entry = fileURLToPath(new URL(`./client/main.${extension}`, import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    target: 'es2020',
    logLevel: 'silent',
  });
  await stop();
  return outputFiles[0]!.text.trim();
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** All sections that the results have something for. */
function sectionsOf(around: Around, results: Results, replayed: Replayed): Section[] {
  return [
    ...results.sweeps.map((each) => sweepSection(around, each)),
    ...results.stats.map((each) => statSection(around, each)),
    ...results.timelines.map((each) => timelineSection(around, each)),
    ...results.hunts.map((each) => huntSection(around, each, replayed)),
    ...results.tortures.map((each) => tortureSection(around, each)),
    ...results.benches.map((each) => benchSection(around, each)),
  ];
}

const MARKS = { good: '✓ ', bad: '✗ ', warn: '! ', plain: '' } as const;
const MEANT = { good: 'Good: ', bad: 'Failure: ', warn: 'Careful: ', plain: '' } as const;

function summaryOf(sections: readonly (Section & { readonly id: string })[]): Html {
  const parts = sections
    .filter(({ summary }) => summary.length > 0)
    .map(
      ({ title, id, summary }) =>
        html`<h3><a href="#${id}">${title}</a></h3><ul>${summary.map(
          ({ text, kind }) =>
            html`<li>${kind !== 'plain' && html`<span class="verdict ${kind}" aria-hidden="true">${MARKS[kind]}</span><span class="unseen">${MEANT[kind]}</span>`}${text}</li>`,
        )}</ul>`,
    );
  return html`<div class="summary">${parts}</div>`;
}

/** Makes the page. @returns its text */
export async function page(results: Results, options: PageOptions): Promise<string> {
  const { version, name, replayed = new Map(), date = new Date() } = options;
  const [drawing, code] = await Promise.all([libraries(), script()]);
  const id = idGiver();
  for (const taken of ['summary', 'about', 'main', 'theme', 'contents']) id(taken);
  const make = maker(drawing, id);
  const cores = sources(results).find(({ environment }) => environment?.cores)?.environment?.cores ?? 1;
  const sections = sectionsOf({ make, cores }, results, replayed).map((section) => ({
    ...section,
    id: id(section.title),
  }));
  const what = list([...new Set(sections.map(({ title }) => title))]);
  const policy = `default-src 'none'; style-src ${hashOf(STYLE)}; script-src ${hashOf(code)}; img-src data:; base-uri 'none'; form-action 'none'`;
  const body = html`<a class="skip" href="#main">Skip to the results</a>
<div class="frame">
<header class="top"><div class="bar"><span class="brand">lockrig report</span><button type="button" id="theme" hidden>Colours: auto</button></div>
<h1>${name}</h1>
<p class="dim">${what}. Made on <time datetime="${date.toISOString()}">${date.toISOString().slice(0, 16).replace('T', ' ')} UTC</time> by lockrig ${version}.</p></header>
<nav class="contents" id="contents" aria-label="Contents"><ul><li><a href="#summary">Summary</a></li>${sections.map((section) => html`<li><a href="#${section.id}">${section.title}</a></li>`)}<li><a href="#about">How this was made</a></li></ul></nav>
<main id="main" tabindex="-1">
${problemsOf(results)}
<section aria-labelledby="summary"><h2 id="summary">Summary</h2>${summaryOf(sections)}</section>
${sections.map(
  (
    section,
  ) => html`<section aria-labelledby="${section.id}"><h2 id="${section.id}">${section.title}</h2>${section.body}</section>
`,
)}
<section aria-labelledby="about"><h2 id="about">How this was made</h2>${about(results, version)}</section>
</main>
<footer><p>Everything is in this file: it asks no other machine for anything. Behind each picture are its numbers, as a table and as CSV.</p></footer>
</div>`;
  const head = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark"><title>${name} – lockrig report</title><link rel="icon" href="data:,"><style>${new Html(STYLE)}</style></head>`;
  return `${head.text}<body>${body.text}<script>${code}</script></body></html>\n`;
}
