/**
 * The other controls of a report: light or dark, and series that can be hidden.
 */
import type { Page, Store } from './dom.ts';

const KEY = 'lockrig-theme';
const THEMES = ['auto', 'light', 'dark'] as const;

/** The switch between light, dark, and what the system wants. */
export function themes(page: Page, store: Store | undefined): void {
  const root = page.documentElement;
  const button = page.getElementById('theme');
  if (!button) return;
  const kept = store?.getItem(KEY) ?? 'auto';
  let at = Math.max(0, (THEMES as readonly string[]).indexOf(kept));
  const show = (): void => {
    const theme = THEMES[at]!;
    if (theme === 'auto') root.removeAttribute('data-theme');
    else root.setAttribute('data-theme', theme);
    button.textContent = `Colours: ${theme}`;
  };
  button.hidden = false;
  button.addEventListener('click', () => {
    at = (at + 1) % THEMES.length;
    show();
    try {
      store?.setItem(KEY, THEMES[at]!);
    } catch {
      // A browser that keeps nothing for files: the choice holds until the page is left.
    }
  });
  show();
}

/** Buttons of legends: each hides and shows its series in the pictures of its figure. */
export function legends(page: Page): void {
  for (const button of page.querySelectorAll('button.key'))
    button.addEventListener('click', () => {
      const shown = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(shown));
      const series = button.getAttribute('data-series');
      for (const mark of button.closest('figure')?.querySelectorAll(`.series-${series}`) ?? [])
        mark.classList.toggle('off', !shown);
    });
}
