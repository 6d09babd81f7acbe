/**
 * Where `hunt`, `hunt --prove` and `verify-fix` put what they have to say: text for people on stdout; with `--json` alone, events there instead, a line each;
 * with `--json FILE`, a document that is whole at any time.
 */
import { writeWhole } from '../report/files.ts';
import { environment } from '../torture/result.ts';
import type { Raw } from './values.ts';

/** Traces are in the files of failures, and nowhere else: they are long. */
const withoutTrace = (name: string, value: unknown): unknown => (name === 'trace' ? undefined : value);

/** The channel of one command. */
export class Channel {
  /** The folder of `--out`. */
  readonly folder: string | undefined;
  /** Stdout is for programs. */
  readonly events: boolean;
  private readonly file: string | undefined;
  private readonly command: string;

  constructor(command: string, { json, out }: Readonly<Record<string, Raw>>) {
    this.command = command;
    this.events = json === true || json === '-';
    this.file = typeof json === 'string' && json !== '-' ? json : undefined;
    this.folder = typeof out === 'string' ? out : undefined;
  }

  /** A line for people. */
  say(text: string): void {
    if (!this.events) process.stdout.write(`${text}\n`);
  }

  /** An event for programs. */
  tell(event: object): void {
    if (this.events) process.stdout.write(`${JSON.stringify(event, withoutTrace)}\n`);
  }

  /** The document, with everything needed to judge its results. */
  document(complete: boolean, results: object): string {
    const head = { schemaVersion: 1, command: this.command, complete, environment: environment() };
    return `${JSON.stringify({ ...head, ...results }, withoutTrace, 2)}\n`;
  }

  /** Writes it into the file of `--json`. @throws OutputError */
  write(document: string): void {
    if (this.file !== undefined) writeWhole(this.file, document);
  }
}
