/**
 * How the results of a report came to be: commands, machine, Node, files; and what could not be read.
 */

import { quoted } from './commands.ts';
import { type Html, html } from './markup.ts';
import type { Results, Told } from './results.ts';

/** All documents of a folder. */
export function sources(results: Results): readonly Told[] {
  const { sweeps, stats, timelines, tortures, hunts, benches } = results;
  return [...sweeps, ...stats, ...timelines, ...tortures, ...hunts, ...benches];
}

/** The command that made a document. */
export function commandOf({ environment, command }: Told): string {
  const argv = environment?.argv;
  if (Array.isArray(argv) && argv.length > 0)
    return ['lockrig', ...argv.map((each) => quoted(String(each)))].join(' ');
  return command.startsWith('lockrig') ? command : `lockrig ${command}`;
}

const machineOf = ({ environment }: Told): string => {
  if (!environment) return 'not known';
  const {
    cpu = 'unknown processor',
    cores,
    platform = '',
    arch = '',
    node = '?',
    v8 = '?',
    flags,
  } = environment;
  const extra = Array.isArray(flags) && flags.length > 0 ? `, ${flags.join(' ')}` : '';
  return `${cpu}, ${cores ?? '?'} cores, ${platform} ${arch}, Node ${node}, V8 ${v8}${extra}`;
};

/** What could not be read, at the top of the page. */
export function problemsOf({ problems, unfinished }: Results): Html | undefined {
  if (problems.length + unfinished.length === 0) return undefined;
  return html`<div class="problems" role="note" aria-label="This report is partial"><p class="verdict bad">This report is partial.</p><ul>${problems.map((each) => html`<li>${each}</li>`)}${unfinished.map((file) => html`<li>${file} is of a run that did not come to its end: what it had until then is reported</li>`)}</ul></div>`;
}

/** The last section. */
export function about(results: Results, version: string): Html {
  const machines = new Map<string, string[]>();
  for (const source of sources(results)) {
    const machine = machineOf(source);
    machines.set(machine, [...(machines.get(machine) ?? []), source.file]);
  }
  const known = sources(results).filter(({ environment, command }) => environment || command !== '');
  const commands = [...new Set(known.map(commandOf))];
  const differ =
    new Set(known.filter(({ environment }) => environment).map(machineOf)).size > 1 &&
    html`<p class="verdict warn">The results come from different machines or versions of Node: their figures are not to be compared.</p>`;
  return html`<dl class="facts">${[...machines].map(([machine, files]) => html`<dt>${files.join(', ')}</dt><dd>${machine}</dd>`)}<dt>lockrig</dt><dd>${version}</dd></dl>
${differ}
${
  commands.length > 0 &&
  html`<h3>Commands that made the results</h3>
<pre tabindex="0" role="group" aria-label="Commands that made the results">${commands.join('\n')}</pre>`
}
<h3>Files</h3>
<ul>${results.files.map(({ name, what }) => html`<li><code>${name}</code>: ${what}</li>`)}</ul>`;
}
