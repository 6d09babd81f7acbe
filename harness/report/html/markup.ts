/**
 * HTML as text that cannot be wrong by accident: what a template inserts is escaped, unless it is HTML already.
 *
 * Names of locks, messages of oracles and paths come from results, and results may come from anywhere: everything that is no {@link Html} is text.
 */

/** Text that is HTML. */
export class Html {
  readonly text: string;

  /** @param text trusted: made by a template, or by a library from numbers and escaped names */
  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** What a template may insert; undefined and false are nothing. */
export type Inserted = Html | string | number | undefined | false | readonly Inserted[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Characters that no document may hold, and those by which text would run the other way. */
const UNSEEN = /(?![\t\n\r])[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu;

/** Text without characters that cannot be seen; they are shown as what they are. */
export function plain(text: string): string {
  return text.replace(UNSEEN, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Text as HTML. */
export function escaped(text: string): string {
  return plain(text).replace(/[&<>"']/g, (each) => ENTITIES[each]!);
}

function inserted(value: Inserted): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(inserted).join('');
  return escaped(String(value));
}

/** A template of HTML. */
export function html(strings: TemplateStringsArray, ...values: readonly Inserted[]): Html {
  let text = strings[0]!;
  values.forEach((value, at) => {
    text += inserted(value) + strings[at + 1]!;
  });
  return new Html(text);
}

/** Data for a script of the page: JSON that no parser of HTML takes for a tag. */
export function data(id: string, value: unknown): Html {
  const json = JSON.stringify(value).replace(/</g, '\\u003c');
  return new Html(`<script type="application/json" id="${escaped(id)}">${json}</script>`);
}

/** A name as part of an id or of a file's name. */
export function slug(name: string): string {
  return (
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '')
      .slice(0, 60) || 'x'
  );
}

/** Ids that are given once each: a second one of a name gets a number. */
export function idGiver(): (name: string) => string {
  const given = new Map<string, number>();
  return (name) => {
    const base = slug(name);
    const times = (given.get(base) ?? 0) + 1;
    given.set(base, times);
    return times === 1 ? base : `${base}--${times}`;
  };
}

/** Text at most so long. */
export function shortened(text: string, most: number): string {
  const shown = plain(text);
  return shown.length <= most ? shown : `${shown.slice(0, most - 1)}…`;
}
