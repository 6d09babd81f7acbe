/**
 * Stepping through an interleaving: one place, moved by buttons, by keys, by the slider, or by a click at a step.
 *
 * Place n is after n steps: 0 is before the first. A page opens at the end, where all is to be seen.
 */
import type { Page, PageElement, PageEvent } from './dom.ts';

interface Steps {
  readonly steps: readonly { readonly cpu: number; readonly text: string; readonly site: string }[];
  readonly values: readonly (readonly (number | null)[])[];
  readonly cpuStates: readonly (readonly string[])[];
  readonly buffered: readonly (readonly string[])[];
  readonly failsAt: number;
  readonly failure: string;
}

type Move = (at: number) => number;

/** Connects a stepper of the page. */
function connect(page: Page, root: PageElement): void {
  const source = page.getElementById(`${root.id}-data`);
  const range = root.querySelector('input[type=range]');
  const now = root.querySelector('output.now');
  if (!source || !range || !now) return;
  const all = JSON.parse(source.textContent ?? '{}') as Steps;
  const last = all.steps.length;
  const marked = [...root.querySelectorAll('[data-step]')];
  const words = [...root.querySelectorAll('[data-word]')];
  const cpus = [...root.querySelectorAll('[data-cpu]')];
  const buffered = root.querySelector('.buffered');
  let at = last;

  const moves: Readonly<Record<string, Move>> = {
    first: () => 0,
    back: (from) => from - 1,
    next: (from) => from + 1,
    last: () => last,
    switch(from) {
      const cpu = all.steps[Math.max(0, from - 1)]?.cpu;
      for (let step = from + 1; step <= last; step += 1) if (all.steps[step - 1]!.cpu !== cpu) return step;
      return last;
    },
  };
  const keys: Readonly<Record<string, Move | undefined>> = {
    ArrowRight: moves.next,
    ArrowDown: moves.next,
    ArrowLeft: moves.back,
    ArrowUp: moves.back,
    Home: moves.first,
    End: moves.last,
    s: moves.switch,
    S: moves.switch,
  };

  function sentence(): string {
    const step = all.steps[at - 1];
    const failed = all.failsAt >= 0 && at >= all.failsAt && all.failure !== '' ? `; ${all.failure}` : '';
    if (!step) return `Before the first of ${last} steps`;
    const who = step.site === '' ? '' : `, ${step.site}`;
    return `Step ${at} of ${last}: CPU ${step.cpu} ${step.text}${who}${failed}`;
  }

  function show(scroll: boolean): void {
    for (const element of marked) {
      const step = Number(element.getAttribute('data-step'));
      element.classList.toggle('future', step >= at);
      element.classList.toggle('current', step === at - 1);
      if (scroll && step === at - 1 && element.getAttribute('class')?.includes('step'))
        element.scrollIntoView?.({ block: 'nearest', inline: 'nearest' });
    }
    const before = all.values[Math.max(0, at - 1)]!;
    const values = all.values[at]!;
    for (const row of words) {
      const word = Number(row.getAttribute('data-word'));
      const changed = at > 0 && values[word] !== before[word];
      row.classList.toggle('changed', changed);
      const cell = row.querySelector('td');
      const was = changed && before[word] !== null ? `${before[word]} → ` : '';
      if (cell) cell.textContent = values[word] === null ? '' : `${was}${values[word]}`;
    }
    for (const row of cpus) {
      const cpu = Number(row.getAttribute('data-cpu'));
      row.classList.toggle('changed', at > 0 && all.steps[at - 1]!.cpu === cpu);
      const cell = row.querySelector('td');
      if (cell) cell.textContent = all.cpuStates[at]?.[cpu] ?? '';
    }
    if (buffered) {
      const stores = all.buffered[at] ?? [];
      buffered.hidden = stores.length === 0;
      buffered.textContent = `Not yet in memory: ${stores.join('; ')}`;
    }
    range!.value = String(at);
    range!.setAttribute('aria-valuetext', sentence());
    now!.textContent = sentence();
    root.classList.toggle('failed', all.failsAt >= 0 && at >= all.failsAt);
  }

  function go(move: Move, scroll = true): void {
    at = Math.max(0, Math.min(last, move(at)));
    show(scroll);
  }

  root.addEventListener('keydown', (event: PageEvent) => {
    const move = keys[event.key ?? ''];
    if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
    // The slider has keys of its own, and a table scrolls by them.
    if ((event.target as PageElement).closest('input, details')) return;
    event.preventDefault();
    go(move);
  });
  for (const button of root.querySelectorAll('[data-to]'))
    button.addEventListener('click', () => go(moves[button.getAttribute('data-to') ?? '']!));
  for (const element of root.querySelectorAll('g.step'))
    element.addEventListener('click', () => go(() => Number(element.getAttribute('data-step')) + 1, false));
  range.addEventListener('input', () => go(() => Number(range.value)));
  show(false);
}

/** Connects the steppers of the page. */
export function steppers(page: Page): void {
  for (const root of page.querySelectorAll('.stepper')) connect(page, root);
}
