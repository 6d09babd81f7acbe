/**
 * What a section of the page is, and what it is made with.
 */
import type { Maker } from '../figure.ts';
import type { Html, Inserted } from '../markup.ts';

/** A section. */
export interface Section {
  readonly title: string;
  /** Sentences for the summary at the top, from measured numbers. */
  readonly summary: readonly Said[];
  readonly body: readonly Inserted[];
}

/** A sentence of the summary, and how it is meant. */
export interface Said {
  readonly text: Html;
  readonly kind: 'good' | 'bad' | 'warn' | 'plain';
}

/** What sections are made with. */
export interface Around {
  readonly make: Maker;
  /** Cores of the machine that measured. */
  readonly cores: number;
}
