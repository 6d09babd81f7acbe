/**
 * A document, as far as the scripts of a report use it. This project is not compiled against a browser, and the scripts run under a test's document, too.
 */

/** An event, of the keyboard or of a control. */
export interface PageEvent {
  readonly key?: string;
  readonly altKey?: boolean;
  readonly ctrlKey?: boolean;
  readonly metaKey?: boolean;
  readonly target: unknown;
  preventDefault(): void;
}

/** An element. */
export interface PageElement {
  textContent: string | null;
  hidden: boolean;
  value: string;
  readonly id: string;
  readonly tagName: string;
  readonly classList: {
    add(...names: string[]): void;
    remove(...names: string[]): void;
    toggle(name: string, force?: boolean): boolean;
  };
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
  closest(selector: string): PageElement | null;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  addEventListener(name: string, listener: (event: PageEvent) => void): void;
  scrollIntoView?(options: object): void;
}

/** A document. */
export interface Page {
  readonly documentElement: PageElement;
  getElementById(id: string): PageElement | null;
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
}

/** Where a choice is kept, if anywhere. */
export interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}
