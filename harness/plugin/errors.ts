/**
 * What is wrong with a user's file, in one sentence.
 *
 * A plugin is input, so whatever is the matter with it ends in one line that names the file, what is missing and what would
 * be right, and in exit code 2. The command line prints `message` as it is; `missing` is for programs and tests, and `cause`
 * keeps the error underneath for `--verbose`.
 */
import { isAbsolute, relative, sep } from 'node:path';
import { inspect, types } from 'node:util';

/** What a plugin lacks, as one word. */
export type Missing =
  | 'file'
  | 'extension'
  | 'permission'
  | 'folder'
  | 'syntax'
  | 'import'
  | 'evaluation'
  | 'definition'
  | 'operations'
  | 'rest'
  | 'name'
  | 'kind'
  | 'size'
  | 'create'
  | 'actors';

/** A user's lock or scenario file that cannot be used. Its message is one sentence, meant to be printed alone. */
export class PluginError extends Error {
  override readonly name = 'PluginError';
  readonly code = 'EPLUGIN';
  /** Absolute path of the file the user named. */
  readonly file: string;
  readonly missing: Missing;

  /**
   * @param file - absolute path of the file the user named
   * @param missing - what it lacks
   * @param message - one sentence: the file, what is missing, what would be right
   * @param options - the error underneath, if there is one
   */
  constructor(file: string, missing: Missing, message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
    this.file = file;
    this.missing = missing;
  }

  /** The plain form, for reports and for messages between threads. */
  toJSON(): { name: string; code: string; message: string; file: string; missing: Missing } {
    return {
      name: this.name,
      code: this.code,
      message: this.message,
      file: this.file,
      missing: this.missing,
    };
  }
}

/**
 * A path as a sentence should show it.
 *
 * @param path - an absolute path
 * @returns the path relative to the working directory if it lies below it, otherwise unchanged
 */
export function shown(path: string): string {
  const below = relative(process.cwd(), path);
  const outside = below === '' || below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below);
  return outside ? path : below;
}

/**
 * Folds a text of several lines into one, so that it can stand in a sentence.
 *
 * @param text - any text
 * @returns the text with every run of white space that holds a line break as one space
 */
export function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]\s*/g, ' ').trim();
}

/**
 * What went wrong, in the words of the one who threw it.
 *
 * @param thrown - anything that was thrown, however odd
 * @returns the first line of an error's name and message, or the value itself
 */
export function reason(thrown: unknown): string {
  try {
    if (!types.isNativeError(thrown)) return oneLine(inspect(thrown, { depth: 0, breakLength: Infinity }));
    const [first = ''] = String(thrown.message).split('\n');
    return first === '' ? String(thrown.name) : `${thrown.name}: ${first.trim()}`;
  } catch {
    return 'a value that cannot be shown';
  }
}

/**
 * The stack trace of something that was thrown.
 *
 * @param thrown - anything that was thrown
 * @returns its stack, or an empty string
 */
export function stackOf(thrown: unknown): string {
  try {
    return types.isNativeError(thrown) ? String(thrown.stack) : '';
  } catch {
    return '';
  }
}
