/**
 * The files that `lockrig new` writes: a lock or a scenario that runs as it is, and says what to change and how to try it.
 *
 * What a user has written is never lost to a slip: an existing file is replaced only on demand, and then as a whole.
 */
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, parse, relative, resolve, sep } from 'node:path';
import { EXTENSION_LIST, EXTENSIONS } from './entry.ts';
import { PluginError, reason, shown } from './errors.ts';

/** A file that was written. */
export interface WrittenTemplate {
  /** Its absolute path. */
  file: string;
  /** The name of the lock or scenario in it. */
  name: string;
  /** The command that tries it, to be run in the working directory. */
  command: string;
}

interface Parts {
  name: string;
  /** The file as a word of a command. */
  word: string;
}

/**
 * Writes a starting point for a lock or a scenario.
 *
 * @param kind - which of the two
 * @param file - where to; the extension chooses TypeScript or JavaScript, the rest of the file's name becomes the definition's
 * @param options - `force: true` replaces a file that exists
 * @returns what was written, and the command that tries it
 * @throws PluginError if the extension is unknown, the file exists, or it cannot be written
 */
export async function writeTemplate(
  kind: 'lock' | 'scenario',
  file: string,
  options: { force?: boolean } = {},
): Promise<WrittenTemplate> {
  const path = resolve(file);
  const extension = extname(path);
  if (!EXTENSIONS.includes(extension)) {
    const has = extension === '' ? 'no extension' : `the extension ${extension}`;
    throw new PluginError(
      path,
      'extension',
      `${shown(path)} has ${has}: a ${kind} goes into a ${EXTENSION_LIST} file`,
    );
  }
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (!folder?.isDirectory()) {
    throw new PluginError(
      path,
      'folder',
      `${shown(dirname(path))} is not a folder: create it before ${basename(path)}`,
    );
  }
  const parts = { name: nameFor(path, kind), word: commandWord(path) };
  const text = kind === 'lock' ? lockText(parts) : scenarioText(parts);
  await write(path, extension.endsWith('js') ? `// @ts-check\n${text}` : text, options.force === true);
  return { file: path, name: parts.name, command: command(wordHere(path)) };
}

async function write(path: string, text: string, force: boolean): Promise<void> {
  const half = `${path}.${process.pid}.tmp`;
  try {
    if (!force) return await writeFile(path, text, { flag: 'wx' });
    await writeFile(half, text);
    await rename(half, path);
  } catch (cause) {
    await rm(half, { force: true });
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') {
      const message = `${shown(path)} exists already: choose another name, or add --force to replace it`;
      throw new PluginError(path, 'file', message, { cause });
    }
    const message = `${shown(path)} cannot be written (${reason(cause)}): choose a place you may write to`;
    throw new PluginError(path, 'permission', message, { cause });
  }
}

/** Names go into commands and comma-separated lists, so they are words of letters, digits and hyphens. */
function nameFor(path: string, kind: string): string {
  const name = parse(path)
    .name.normalize('NFC')
    .replace(/(?<=[\p{Ll}\d])(?=\p{Lu})/gu, '-')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-+|-+$/g, '');
  return name === '' ? `my-${kind}` : name;
}

/** A file as a word of a command here. */
function wordHere(path: string): string {
  const below = relative(process.cwd(), path).split(sep).join('/');
  return quoted(below.startsWith('../') || isAbsolute(below) ? below : `./${below}`);
}

/** The same in the file itself, which does not tell where it was written. */
function commandWord(path: string): string {
  const below = relative(process.cwd(), path);
  const outside = below.startsWith('..') || isAbsolute(below);
  return quoted(`./${(outside ? basename(path) : below).split(sep).join('/')}`);
}

/** Quoted if a shell would take it apart. */
function quoted(word: string): string {
  if (/[\p{Cc}\u2028\u2029]/u.test(word)) return 'FILE';
  return /^[\p{L}\p{N}_./@+-]+$/u.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function command(word: string): string {
  return `npx lockrig torture ${word}`;
}

function lockText({ name, word }: Parts): string {
  return `// ${name}: a test-and-test-and-set lock. It is correct as it stands; make it yours.
//
//   ${command(word)}
//   npx lockrig bench ${word} --against ticket,mcs
//
// What lockrig checks, on real threads that all want the lock:
//   exclusion   never two CPUs between acquire and release, and each sees all that the one before it wrote
//   progress    whoever waits gets in: a stall is reported with the stack of each CPU, a forgotten wake-up by itself
//   tryAcquire  true means that the caller holds the lock, false that it does not; it never waits
//   promises    what the lock says of itself below, and nothing else
//
// What the code has to keep to:
//   - Shared memory is touched through \`isa\` only: that is how the same code runs on either engine (--isa), how waiters
//     can sleep and be woken, and how a stuck machine can be explained.
//   - The state of the lock is in that memory. JavaScript variables keep nothing from one call to the next.
//   - Whoever ends a wait says so: \`storeWake\` stores a value and wakes those who spin on that word.
import { defineLock } from 'lockrig';

export default defineLock({
  name: '${name}',
  kind: 'mutex',

  // Bytes of one lock, or (cpus) => bytes. They are zero before the first use and start on a cache line.
  size: 64,

  // Add what the lock promises and it is judged on that too, for example that CPUs get in in the order they came:
  // promises: { fifo: true },

  // Runs once on each CPU. A second parameter, cpu, has id, count, random(), now() and node(lock), a queue node a lock.
  create: (isa) => ({
    // The word at \`lock\`: 0 is free, 1 is held.
    acquire(lock) {
      // A waiter reads until the word is no longer 1 and only then tries again: reading leaves the cache line shared.
      while (isa.compareExchange(lock, 0, 1) !== 0) isa.spinWhile(lock, 1);
    },

    tryAcquire: (lock) => isa.compareExchange(lock, 0, 1) === 0,

    release(lock) {
      // A store and a wake-up in one. With isa.store here, a waiter would sleep on beside a free lock: lockrig says so (wakeup).
      isa.storeWake(lock, 0);
    },
  }),
});
`;
}

function scenarioText({ name, word }: Parts): string {
  return `// ${name}: a race to start from. Two CPUs count without a lock, so an increment can be lost, and lockrig finds that.
//
//   ${command(word)}
//
// A scenario is an episode that is repeated many times: the state is zeroed, init runs if there is one, the actors run at
// once, one on each CPU, and check looks at what they left. A failure comes with what check said and with the state, field
// by field.
//
// What the code has to keep to:
//   - Shared memory is touched through \`isa\` only.
//   - The state is in that memory. JavaScript variables keep nothing from one episode to the next.
import { defineScenario, struct, u32 } from 'lockrig';

// The fields of the shared state; Counter.value is the offset of a field.
const Counter = struct('counter', { value: u32 });

export default defineScenario({
  name: '${name}',
  cpus: 2,
  state: Counter,

  // One function that every CPU runs, or a list with one for each CPU. To mend this one: isa.fetchAdd(…, 1).
  actors: ({ isa, state }) => {
    isa.write(state + Counter.value, isa.read(state + Counter.value) + 1);
  },

  // Runs when all actors are done.
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Counter.value) !== 2) fail('an increment was lost');
  },
});
`;
}
