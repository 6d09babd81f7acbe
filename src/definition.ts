/**
 * What definitions of locks and scenarios have in common: what a name may be, and what a function that is called on a CPU must not be.
 *
 * A name stands in verdicts, one a line, and in the names of files, so it is one line without control characters, and not longer than a file's name can be.
 */

const LONGEST = 100;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a name must not have.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** What is wrong with a name, to be put after it is said whose; undefined: nothing. */
export function wrongName(name: string): string | undefined {
  if (CONTROL.test(name))
    return `${JSON.stringify(name.slice(0, LONGEST))} has control characters: it is printed, and has to be one line`;
  if (name.length > LONGEST) return `has ${name.length} characters: at most ${LONGEST} are expected`;
  return undefined;
}

/** Whether something is an `async` function, which returns before it is done. */
export function isAsync(value: unknown): boolean {
  return typeof value === 'function' && value.constructor.name === 'AsyncFunction';
}
