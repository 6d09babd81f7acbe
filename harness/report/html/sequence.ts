/**
 * An interleaving as a sequence diagram: a lifeline a CPU, time from top to bottom, a box a step, thick stretches while it has a lock, dashed ones while it is blocked,
 * arrows from who wrote a value to who read it, and a red line where the oracle fired.
 *
 * The diagram is drawn whole; the script of the page moves a mark through it and fills in what memory held and who had which lock after each step. Without script all
 * steps are there to be read, and the same as a table.
 */
import { type Maker, svg } from './figure.ts';
import type { Interleaving } from './interleaving.ts';
import { data, escaped, Html, html, shortened } from './markup.ts';
import { several } from './numbers.ts';

const ROW = 30;
const TOP = 46;
const LETTER = 6.7;
const LONGEST = 44;
const EDGE = 40;
/** Before a step, where others are left out. */
const GAP = 16;

/** Geometry of a diagram. */
interface Plan {
  readonly width: number;
  readonly height: number;
  readonly lane: (cpu: number) => number;
  readonly row: (step: number) => number;
  readonly half: (cpu: number) => number;
  /** Where the oracle fired; -1: it did not. */
  readonly fails: number;
}

function planOf({ cpus, steps, failsAt }: Interleaving): Plan {
  const halves = Array.from({ length: cpus }, (_, cpu) => {
    const own = steps.filter((step) => step.cpu === cpu).map(({ text }) => shortened(text, LONGEST).length);
    return 12 + (LETTER * Math.max(12, ...own)) / 2;
  });
  const lanes: number[] = [];
  let right = EDGE;
  for (const half of halves) {
    lanes.push(right + half);
    right += 2 * half + 22;
  }
  const rows: number[] = [];
  let down = TOP;
  let fails = -1;
  steps.forEach(({ skipped }, at) => {
    if (skipped > 0) down += GAP;
    if (at === failsAt) {
      fails = down + ROW / 2;
      down += ROW;
    }
    rows.push(down + ROW / 2);
    down += ROW;
  });
  if (failsAt >= steps.length) {
    fails = down + ROW / 2;
    down += ROW;
  }
  return {
    width: right + 4,
    height: down + 14,
    lane: (cpu) => lanes[cpu] ?? EDGE,
    row: (step) => rows[step] ?? down,
    half: (cpu) => halves[cpu] ?? 40,
    fails,
  };
}

function stretches({ stretches: all, steps }: Interleaving, { lane, row, half }: Plan): string {
  return all
    .map(({ cpu, from, to, what, kind }) => {
      const [top, bottom] = [row(from), to >= steps.length ? row(steps.length - 1) + ROW / 2 : row(to)];
      const x = lane(cpu) - half(cpu) - (kind === 'holds' ? 5 : 3);
      const title = `<title>CPU ${cpu} ${kind === 'holds' ? 'has' : 'waits for'} ${escaped(what)}</title>`;
      return kind === 'holds'
        ? `<rect class="holds" x="${x}" y="${top - 9}" width="6" height="${Math.max(12, bottom - top + 18)}" rx="3">${title}</rect>`
        : `<line class="waits" x1="${x + 3}" x2="${x + 3}" y1="${top}" y2="${Math.max(top + 8, bottom)}">${title}</line>`;
    })
    .join('');
}

function flows({ flows: all, steps }: Interleaving, { lane, row, half }: Plan, head: string): string {
  return all
    .map(({ from, to, label }) => {
      const [a, b] = [steps[from]!.cpu, steps[to]!.cpu];
      const right = b > a;
      const x1 = lane(a) + (right ? half(a) : -half(a));
      const x2 = lane(b) + (right ? -half(b) : half(b));
      const bend = (x2 - x1) / 2;
      return `<path class="flow" data-step="${to}" d="M${x1},${row(from)}C${x1 + bend},${row(from)} ${x2 - bend},${row(to)} ${x2},${row(to)}" marker-end="url(#${head})"><title>${escaped(label)}</title></path>`;
    })
    .join('');
}

function boxes({ steps }: Interleaving, { lane, row, half }: Plan): string {
  return steps
    .map(({ cpu, text, skipped, site }, at) => {
      const [x, y] = [lane(cpu), row(at)];
      const kind = /^\[has/.test(text)
        ? ' has'
        : /^\[gives/.test(text)
          ? ' gives'
          : /^blocks/.test(text)
            ? ' blocks'
            : '';
      const left =
        skipped > 0 ? `<text class="skipped" x="4" y="${y - ROW / 2 - 3}">… ${skipped} more</text>` : '';
      const title = `<title>${escaped(`CPU ${cpu}: ${text}${site === '' ? '' : `, ${site}`}`)}</title>`;
      return `${left}<g class="step${kind}" data-step="${at}"><text class="at" x="4" y="${y + 4}">${at + 1}</text><rect x="${x - half(cpu)}" y="${y - 11}" width="${2 * half(cpu)}" height="22" rx="4"/>${title}<text x="${x}" y="${y + 4}" text-anchor="middle">${escaped(shortened(text, LONGEST))}</text></g>`;
    })
    .join('');
}

function diagram(make: Maker, run: Interleaving, title: string): Html {
  const plan = planOf(run);
  const { width, height, lane } = plan;
  const head = make.id('flow');
  const lines = Array.from(
    { length: run.cpus },
    (_, cpu) =>
      `<line class="life" x1="${lane(cpu)}" x2="${lane(cpu)}" y1="34" y2="${height - 6}"/><text class="cpu" x="${lane(cpu)}" y="22" text-anchor="middle">CPU ${cpu}</text>`,
  ).join('');
  const label = shortened(run.failure, Math.floor(width / 7.5));
  const fails =
    plan.fails < 0
      ? ''
      : `<g class="fails"><line x1="0" x2="${width}" y1="${plan.fails + 8}" y2="${plan.fails + 8}"/><text x="4" y="${plan.fails + 2}">✗ ${escaped(label)}</text></g>`;
  const inner = `<defs><marker id="${head}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0,0L10,5L0,10z"/></marker></defs>${lines}${stretches(run, plan)}${flows(run, plan, head)}${boxes(run, plan)}${fails}`;
  return svg(
    `${title}: ${several(run.steps.length, 'step')} of ${run.cpus} CPUs; the table below has them in words`,
    width,
    height,
    new Html(inner),
    'sequence',
  );
}

/** A button of the stepper. */
const button = (to: string, label: string, sign: string): Html =>
  html`<button type="button" data-to="${to}" aria-label="${label}" title="${label}">${sign}</button>`;

/** A stepper for an interleaving. */
export function stepper(make: Maker, run: Interleaving, title: string): Html {
  const own = make.id(`steps ${title}`);
  const last = run.steps.length;
  const { words, values, cpuStates, buffered, failsAt, failure } = run;
  const source = run.replayed
    ? 'Replayed for this report: every value is what memory held.'
    : 'Read from the lines that the failure’s file has: a value is what was last seen of it, an empty one is not known.';
  return html`<div class="stepper" id="${own}" role="group" tabindex="0" aria-label="Interleaving: ${title}" aria-describedby="${own}-how">
<p id="${own}-how" class="note">${several(last, 'step')}: arrow keys or the buttons go from one to the next, Home and End to the first and last, S to the next switch of CPUs. ${source}</p>
<div class="controls">
${button('first', 'Before the first step', '|◀')}${button('back', 'One step back', '◀')}${button('next', 'Next step', '▶')}${button('switch', 'To the next switch of CPUs', '⇄')}${button('last', 'After the last step', '▶|')}
<label class="unseen" for="${own}-range">Step</label><input id="${own}-range" type="range" min="0" max="${last}" value="${last}" step="1">
<output class="now" aria-live="polite" for="${own}-range">Step ${last} of ${last}</output>
</div>
<div class="beside">
<div class="scroll" tabindex="0" role="group" aria-label="Diagram: ${title}">${diagram(make, run, title)}</div>
<div class="state">
<table class="words"><caption>Memory</caption><thead><tr><th scope="col">word</th><th scope="col" class="number">value</th></tr></thead><tbody>${words.map(
    (word, at) =>
      html`<tr data-word="${at}"><th scope="row">${word}</th><td class="number">${values[last]![at] ?? ''}</td></tr>`,
  )}</tbody></table>
<table class="cpus"><caption>CPUs and locks</caption><thead><tr><th scope="col">CPU</th><th scope="col">state</th></tr></thead><tbody>${cpuStates[
    last
  ]!.map(
    (state, cpu) => html`<tr data-cpu="${cpu}"><th scope="row">CPU ${cpu}</th><td>${state}</td></tr>`,
  )}</tbody></table>
<p class="buffered note" hidden></p>
</div>
</div>
${data(`${own}-data`, { steps: run.steps.map(({ cpu, text, site }) => ({ cpu, text, site })), values, cpuStates, buffered, failsAt, failure })}
${make.table(`Steps of ${title}`, {
  columns: ['step', 'cpu', 'what', 'left_out_before', 'site', ...words],
  rows: run.steps.map(({ cpu, text, skipped, site }, at) => [
    at + 1,
    cpu,
    text,
    skipped,
    site,
    ...values[at + 1]!.map((value) => value ?? undefined),
  ]),
})}
</div>
`;
}
