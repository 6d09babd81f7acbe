/**
 * The section about a torture: which locks held, what those that did not were caught at, and who waited for whom when one hung.
 */
import type { WaitEdge } from '../../../cpus/graph.ts';
import { formatStack, type StackFrame } from '../../../cpus/source-map.ts';
import { quoted } from '../commands.ts';
import { graphFigure, onCircles } from '../graph.ts';
import { fromColumns } from '../interleaving.ts';
import { type Html, html, type Inserted } from '../markup.ts';
import { count, list, rate, several, time, whole } from '../numbers.ts';
import type { Torture, TortureRun } from '../results.ts';
import { stepper } from '../sequence.ts';
import { number, shape, text } from '../shapes.ts';
import { fairness } from '../spread.ts';
import type { Around, Said, Section } from './section.ts';

/** Violations of a run that are told. */
const TOLD = 8;
const WORDS: Readonly<Record<string, string>> = {
  success: 'held',
  failure: 'failed',
  stall: 'hung',
  died: 'a CPU died',
  interrupted: 'interrupted',
};

/** The command that runs it again. */
function again({ lock, params }: TortureRun): string {
  const { cpus, seed, duration, nested, waiting } = params as Partial<TortureRun['params']>;
  const parts = [`lockrig torture ${quoted(lock)}`];
  if (cpus !== undefined) parts.push(`--cpus ${cpus}`);
  if (duration !== undefined && duration > 0) parts.push(`--duration ${duration}ms`);
  if (seed !== undefined) parts.push(`--seed ${seed}`);
  if (nested) parts.push(`--nested ${nested}`);
  if (waiting !== undefined && waiting !== 'spin-then-park') parts.push(`--waiting ${waiting}`);
  return parts.join(' ');
}

function waitGraph({ make }: Around, run: TortureRun): Html | undefined {
  const { stall, lock } = run;
  if (!stall || !Array.isArray(stall.edges)) return undefined;
  const name = (addr: number): string => stall.names?.[addr] ?? `0x${addr.toString(16)}`;
  const edges = (stall.edges as readonly WaitEdge[]).flatMap(({ waiter, lock: addr, mode, holders }) => [
    { from: `CPU ${waiter}`, to: `lock ${addr}`, label: mode === 'read' ? 'waits to read' : 'waits for' },
    ...holders.map((holder) => ({ from: `lock ${addr}`, to: `CPU ${holder}`, label: 'held by' })),
  ]);
  const circles = onCircles(edges);
  const ids = [...new Set(edges.flatMap(({ from, to }) => [from, to]))];
  const label = (id: string): string => (id.startsWith('lock ') ? name(Number(id.slice(5))) : id);
  const circular = circles.some((each) => each);
  return graphFigure(make, {
    title: `Who waits for whom: ${lock}`,
    text: `CPUs are round, locks are boxes. ${circular ? 'The red, thick arrows form a circle: none of these CPUs can go on.' : 'There is no circle: who waits for a lock that nobody holds was never woken.'}`,
    nodes: ids.map((id) => ({ id, label: label(id), round: id.startsWith('CPU ') })),
    edges: edges.map((edge, at) => ({
      ...edge,
      label: circles[at] ? `${edge.label}, circle` : edge.label,
      circle: circles[at]!,
    })),
    table: {
      columns: ['from', 'relation', 'to', 'in a circle'],
      rows: edges.map(({ from, to, label: what }, at) => [
        label(from),
        what,
        label(to),
        circles[at] ? 'yes' : 'no',
      ]),
    },
  });
}

const isFrame = shape<StackFrame>({ functionName: text, file: text, line: number, column: number });

function stacks({ stall }: TortureRun): Inserted {
  if (!stall || !Array.isArray(stall.cpus) || stall.cpus.length === 0) return undefined;
  const each = stall.cpus.map(({ cpu, stack, note }) => {
    const frames = Array.isArray(stack) ? formatStack(stack.filter((frame) => isFrame(frame))) : [];
    return [`CPU ${cpu}${note ? ` (${note})` : ''}`, ...frames.map((line) => `  ${line}`)].join('\n');
  });
  return html`<h4>Where the CPUs stood</h4><pre tabindex="0" role="group" aria-label="Stacks of the CPUs">${each.join('\n')}</pre>`;
}

function failed(around: Around, run: TortureRun): Inserted {
  const { lock, violations, violationCounts, stall, exception, death, trace, races = [], notes = [] } = run;
  const shown = violations.slice(0, TOLD);
  const more = violations.length - shown.length;
  const counts = Object.entries(violationCounts ?? {}).map(([oracle, many]) => `${oracle} ${whole(many)}`);
  const steps =
    trace?.ordered && Array.isArray(trace.lines)
      ? fromColumns(trace.lines, run.oracle ? String(run.oracle) : '')
      : undefined;
  return html`<h3>${lock}: ${WORDS[run.verdict] ?? run.verdict}${run.oracle && ` (${run.oracle})`}</h3>
${shown.length > 0 && html`<ul>${shown.map(({ oracle, text, afterMs, round, lock: state }) => html`<li><strong>${oracle}</strong>: ${text}${typeof afterMs === 'number' && html` <span class="dim">${time(afterMs * 1e6)} after the CPUs were up, round ${round}${state ? `; the lock was ${state}` : ''}</span>`}</li>`)}</ul>`}
${more > 0 && html`<p class="note">and ${several(more, 'more that was', 'more that were')} kept</p>`}
${counts.length > 0 && html`<p>Violations in all: ${counts.join(', ')}.</p>`}
${exception && html`<p>CPU ${exception.cpu} threw: ${exception.message}</p>`}
${death && html`<p>CPU ${death.cpu} died: ${death.why}</p>`}
${stall && html`<p>${stall.kind === 'deadlock' ? 'A deadlock, proven: every CPU is blocked, and nobody is left to wake one.' : `Silence for ${time(stall.silentMs * 1e6)}.`}</p>`}
${waitGraph(around, run)}
${stacks(run)}
${races.map(({ violation, lines }) => html`<h4>${violation.text}</h4><pre tabindex="0" role="group" aria-label="Both sides of the race">${lines.join('\n')}</pre>`)}
${steps && html`<h4>What the CPUs did last</h4>${stepper(around.make, steps, `${lock}, what the CPUs did last`)}`}
${trace && !steps && Array.isArray(trace.lines) && html`<h4>What the CPUs did last</h4><pre tabindex="0" role="group" aria-label="Last accesses of the CPUs of ${lock}">${trace.lines.join('\n')}</pre>`}
${notes.length > 0 && html`<ul class="dim">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
<p>Again: <code>${again(run)}</code>; a lock of a file is named by the file; to make it a run that replays, add <code>--reproduce</code>.</p>
`;
}

/** The section of a torture. */
export function tortureSection(around: Around, torture: Torture): Section {
  const { make } = around;
  const { runs, file } = torture;
  const bad = runs.filter(({ verdict }) => verdict !== 'success' && verdict !== 'interrupted');
  const good = runs.filter(({ verdict }) => verdict === 'success');
  const summary: Said[] = [
    ...(good.length > 0
      ? [
          {
            kind: 'good' as const,
            text: html`${list(good.map(({ lock }) => lock))} held, over ${count(good.reduce((sum, { acquisitions }) => sum + acquisitions, 0))} acquisitions.`,
          },
        ]
      : []),
    ...bad.map((run) => ({
      kind: 'bad' as const,
      text: html`<strong>${run.lock}</strong> ${WORDS[run.verdict] ?? run.verdict}${run.oracle && `, caught by ${run.oracle}`}${run.violations[0] && `: ${run.violations[0].text}`}${run.stall && `: ${run.stall.kind}`}.`,
    })),
  ];
  return {
    title: 'Torture',
    summary,
    body: [
      html`<p>From <code>${file}</code>.</p>`,
      make.table(
        `Runs of ${file}`,
        {
          columns: ['lock', 'verdict', 'oracle', 'cpus', 'seconds', 'acquisitions', 'by the second', 'seed'],
          rows: runs.map(({ lock, verdict, oracle, params, seconds, acquisitions }) => [
            lock,
            WORDS[verdict] ?? verdict,
            oracle ?? '',
            params.cpus,
            seconds,
            acquisitions,
            acquisitions / Math.max(seconds, 1e-9),
            params.seed,
          ]),
          shown: [undefined, undefined, undefined, undefined, (each) => each.toFixed(1), whole, rate, String],
        },
        true,
      ),
      ...bad.map((run) => failed(around, run)),
      fairness(
        make,
        'Fairness under torture',
        runs.map(({ lock, cpus }) => ({
          name: lock,
          shares: cpus.map(({ writes, reads }) => writes + reads),
        })),
      ),
    ],
  };
}
