/**
 * The section about a hunt: what was found, the shortest run that shows it, to be stepped through, and the token that replays it.
 */
import { quoted } from '../commands.ts';
import { graphFigure, onCircles } from '../graph.ts';
import { fromColumns, type Interleaving } from '../interleaving.ts';
import { type Html, html, type Inserted } from '../markup.ts';
import { count, figure, several, whole } from '../numbers.ts';
import { orderFigure, ordersIn, ordersOf } from '../orders.ts';
import type { FoundFailure, Hunted, HuntedSubject } from '../results.ts';
import { stepper } from '../sequence.ts';
import type { Around, Said, Section } from './section.ts';

/** Failures that can be stepped through; further ones have their columns. */
const STEPPED = 12;

/** A failure's run, replayed; or why it could not be. */
export type Replayed = ReadonlyMap<string, Interleaving | string>;

/** Who waits for which word at the end of a run. */
const WAITS =
  /CPU (\d+) (?:waits for|sleeps until it is woken on) (.+?)(?: to differ from -?\d+)?(?=, CPU \d+ |$)/g;

/** Of a deadlock: who waits for what, and who holds it. */
function waitGraph({ make }: Around, failure: FoundFailure, run: Interleaving | undefined): Html | undefined {
  const { text, oracle } = failure;
  if (!/deadlock/.test(text) || !run) return undefined;
  const held = run.cpuStates.at(-1) ?? [];
  const holders = (word: string): number[] =>
    held.flatMap((state, cpu) => {
      const [, locks = ''] = /^holds ([^;]+)/.exec(state) ?? [];
      const names = locks.split(', ').map((lock) => lock.replace(/ to read$/, ''));
      return names.some((lock) => word === lock || word.startsWith(`${lock}.`)) ? [cpu] : [];
    });
  const edges = [...text.matchAll(WAITS)].flatMap(([, cpu, word = '']) => [
    { from: `CPU ${cpu}`, to: word, label: 'waits for' },
    ...holders(word).map((holder) => ({ from: word, to: `CPU ${holder}`, label: 'held by' })),
  ]);
  const unique = [...new Map(edges.map((edge) => [JSON.stringify(edge), edge])).values()];
  const circles = onCircles(unique);
  const nodes = [...new Set(unique.flatMap(({ from, to }) => [from, to]))];
  return graphFigure(make, {
    title: `Who waits for whom at the end: ${oracle}`,
    text: 'CPUs are round, words are boxes; the red, thick arrows form a circle, if there is one.',
    nodes: nodes.map((id) => ({ id, label: id, round: /^CPU \d+$/.test(id) })),
    edges: unique.map((edge, at) => ({
      ...edge,
      label: circles[at] ? `${edge.label}, circle` : edge.label,
      circle: circles[at]!,
    })),
    table: {
      columns: ['from', 'relation', 'to', 'in a circle'],
      rows: unique.map(({ from, to, label }, at) => [from, label, to, circles[at] ? 'yes' : 'no']),
    },
  });
}

function told(
  around: Around,
  { subject, orders = [] }: HuntedSubject,
  failure: FoundFailure,
  replayed: Replayed,
  step: boolean,
): Inserted {
  const { oracle, text, details, columns, token, model, after, accesses, preemptions, shrunk, rate } =
    failure;
  const replay = replayed.get(token);
  const run = typeof replay === 'object' ? replay : fromColumns(columns, `${oracle}: ${text.split('\n')[0]}`);
  const often =
    rate && rate.executions > 0
      ? ` It failed in ${whole(rate.failures)} of ${whole(rate.executions)} executions measured afterwards.`
      : '';
  return html`<h3>${subject}: ${oracle}</h3>
<p class="verdict bad">${text}</p>
<p>Found under ${model} after ${several(after.executions, 'execution')} and ${figure(after.seconds)} s${shrunk && `; shrunk from ${shrunk.from} to ${several(preemptions, 'preemption')}`}; a run of ${several(accesses, 'access', 'accesses')}.${often}</p>
${details.length > 0 && html`<pre tabindex="0" role="group" aria-label="Details of the failure">${details.join('\n')}</pre>`}
${typeof replay === 'string' && html`<p class="note">It could not be replayed for this report (${replay}): what follows is from its file.</p>`}
${run && step ? stepper(around.make, run, `${subject}, ${oracle}`) : html`<pre tabindex="0" role="group" aria-label="Columns of the failure">${columns.join('\n')}</pre>`}
${waitGraph(around, failure, run)}
${orders.length === 0 && orderFigure(around.make, `${subject}: ${oracle}`, ordersIn(details))}
<p>Again: <code class="token">lockrig replay ${quoted(token)}</code>${/:(?!0:)[0-9a-f]{8}:[0-9a-f]{8}:[0-9a-f]{8}:[0-9a-f]{8}$/.test(token) && html` <span class="dim">and the file that defines ${subject}, if it is not one of lockrig’s own</span>`}</p>
`;
}

function summary({ subject, verdict, failures, executions }: HuntedSubject): Said {
  const [first] = failures;
  if (first)
    return {
      kind: 'bad',
      text: html`<strong>${subject}</strong> is broken: ${first.text.split('\n')[0]} (${first.oracle})${failures.length > 1 && `, and ${several(failures.length - 1, 'other failure')}`}.`,
    };
  if (verdict === 'clean')
    return {
      kind: 'good',
      text: html`No failure of <strong>${subject}</strong> in ${count(executions)} executions.`,
    };
  return { kind: 'warn', text: html`<strong>${subject}</strong>: ${verdict}.` };
}

/** The section of a hunt. */
export function huntSection(around: Around, hunted: Hunted, replayed: Replayed): Section {
  const { subjects, file } = hunted;
  let left = STEPPED;
  return {
    title: `Hunt: ${subjects.length === 1 ? subjects[0]!.subject : several(subjects.length, 'subject')}`,
    summary: subjects.map(summary),
    body: [
      html`<p>From <code>${file}</code>.</p>`,
      around.make.table(
        `Subjects of ${file}`,
        {
          columns: ['subject', 'verdict', 'failures', 'executions', 'seconds'],
          rows: subjects.map(({ subject, verdict, failures, executions, seconds }) => [
            subject,
            verdict,
            failures.length,
            executions,
            seconds,
          ]),
          shown: [undefined, undefined, whole, whole, (each) => each.toFixed(1)],
        },
        true,
      ),
      ...subjects.flatMap((each) => [
        ...each.failures.map((failure) => {
          left -= 1;
          return told(around, each, failure, replayed, left >= 0);
        }),
        each.orders && orderFigure(around.make, each.subject, ordersOf(each.orders)),
      ]),
    ],
  };
}
