/**
 * The script of a report: what can be pressed. The page says all that it has to say without it.
 */
import { legends, themes } from './controls.ts';
import type { Page, Store } from './dom.ts';
import { steppers } from './stepper.ts';

const page = globalThis as unknown as { document: Page; localStorage?: Store };

/** Browsers may refuse to keep anything for a page from disk. */
function store(): Store | undefined {
  try {
    return page.localStorage;
  } catch {
    return undefined;
  }
}

page.document.documentElement.classList.add('scripted');
themes(page.document, store());
legends(page.document);
steppers(page.document);
