/**
 * Tokens: one line that stands for an execution.
 *
 *   lr1:<subject>:<cpus>x<steps>[+<detectors>]:<model>:<schedule>:<seed>:<subject hash>:<lockrig hash>:<trace hash>:<checksum>
 *
 * Detectors are one letter each (DETECTOR_LETTERS), `-` for none; left out, they are those on by default.
 *
 * The schedule is a policy with its parameter and length (`pct,3,120`), or a list of switches, each CPU, accesses and transition (`@0,12,1;1,5,0`). The
 * subject's name is URI-encoded. The two hashes are of what makes accesses: the subject's bundled module (0 for lockrig's own) and lockrig's own code; a
 * replay demands that they are equal, since on other code the same schedule is another run. The trace hash is what the run must come to.
 *
 * A token that was cut or altered fails its checksum; nothing is ever replayed as something else.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { MemoryModel } from '../../src/scenario.ts';
import { MODELS } from '../engines/gated/buffers.ts';
import type { Schedule, Switch } from './exploration.ts';
import { policyIndex } from './policies/index.ts';

/** What a token stands for. */
export interface Run {
  readonly subject: string;
  readonly cpus: number;
  readonly steps: number;
  readonly model: MemoryModel;
  readonly schedule: Schedule;
  /** Names of the detectors that it takes to see the failure; left out: those on by default. */
  readonly detect?: readonly string[];
  /** Hash of the subject's bundled module; empty for lockrig's own. */
  readonly subjectHash: string;
  readonly traceHash: number;
}

/** A token that is none, or that is of something else. */
export class TokenError extends Error {
  readonly code = 'EUSAGE';
  constructor(message: string) {
    super(message);
    this.name = 'TokenError';
  }
}

/** The longest token that is printed; longer ones go to a file. */
export const LONGEST_TOKEN = 256;

const VERSION = 'lr1';
const PARTS = 10;

const short = (text: string | Uint8Array): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 8);

/** Parts of lockrig that decide which accesses a run makes. */
const EMITTING = ['../../src', '../engines', '../explore', '../torture/clients'];

let own: string | undefined;

/** Hash of lockrig's own code, as far as it makes accesses. */
export function lockrigHash(): string {
  if (own !== undefined) return own;
  const hash = createHash('sha256');
  for (const folder of EMITTING) {
    const root = new URL(`${folder}/`, import.meta.url);
    const files = readdirSync(root, { recursive: true })
      .map(String)
      .filter((file) => /\.[jt]s$/.test(file) && !file.endsWith('.d.ts'))
      .map((file) => file.replaceAll('\\', '/'))
      .sort();
    for (const file of files) hash.update(file).update(readFileSync(new URL(file, root)));
  }
  own = hash.digest('hex').slice(0, 8);
  return own;
}

/** One letter for each detector. */
export const DETECTOR_LETTERS: Readonly<Record<string, string>> = {
  races: 'r',
  lockorder: 'o',
  lifetime: 'l',
  guard: 'g',
  starvation: 's',
};

function lettersOf(detect: readonly string[] | undefined): string {
  if (detect === undefined) return '';
  return `+${detect.map((name) => DETECTOR_LETTERS[name] ?? '?').join('') || '-'}`;
}

function namesOf(letters: string): string[] {
  if (letters === '-') return [];
  return [...letters].map((letter) => {
    const known = Object.keys(DETECTOR_LETTERS).find((name) => DETECTOR_LETTERS[name] === letter);
    if (known === undefined) throw new TokenError(`the token names the unknown detector '${letter}'`);
    return known;
  });
}

function scheduleText(schedule: Schedule): string {
  if (!('switches' in schedule)) return [schedule.policy, schedule.parameter, schedule.length].join();
  return `@${schedule.switches.map(({ cpu, accesses, choice }) => `${cpu},${accesses},${choice}`).join(';')}`;
}

/** The token of a run. */
export function encode(run: Run): string {
  const body = [
    VERSION,
    encodeURIComponent(run.subject),
    `${run.cpus}x${run.steps}${lettersOf(run.detect)}`,
    run.model,
    scheduleText(run.schedule),
    (run.schedule.seed >>> 0).toString(16),
    run.subjectHash.slice(0, 8) || '0',
    lockrigHash(),
    (run.traceHash >>> 0).toString(16),
  ].join(':');
  return `${body}:${short(body)}`;
}

function whole(text: string, what: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new TokenError(`the token's ${what} is '${text}', which is no number`);
  return Number(text);
}

function scheduleOf(text: string, seed: number): Schedule {
  if (!text.startsWith('@')) {
    const [policy = '', parameter = '', length = ''] = text.split(',');
    if (policyIndex(policy) < 0) throw new TokenError(`the token names the unknown policy '${policy}'`);
    return { policy, parameter: whole(parameter, 'parameter'), length: whole(length, 'length'), seed };
  }
  const entries = text.slice(1).split(';').filter(Boolean);
  const switches = entries.map((entry): Switch => {
    const [cpu = '', accesses = '', choice = ''] = entry.split(',');
    return {
      cpu: whole(cpu, 'CPU'),
      accesses: whole(accesses, 'accesses'),
      choice: whole(choice, 'transition'),
    };
  });
  return { switches, seed };
}

/**
 * Reads a token.
 * @throws TokenError when it was cut or altered, or is of another version of lockrig
 */
export function decode(token: string): Run {
  const { run, code } = read(token);
  if (code === lockrigHash()) return run();
  throw new TokenError(
    `the token is of another version of lockrig (its code ${code}, this one ${lockrigHash()}): the same schedule would be another run here`,
  );
}

/**
 * Reads a token that may be of another version of lockrig, for `verifyFix`, which expects other code.
 * @throws TokenError when it was cut or altered, or names what this version does not know
 */
export function decodeChanged(token: string): { readonly run: Run; readonly sameLockrig: boolean } {
  const { run, code } = read(token);
  return { run: run(), sameLockrig: code === lockrigHash() };
}

function read(token: string): { run: () => Run; code: string } {
  const text = token.trim();
  const parts = text.split(':');
  if (parts[0] !== VERSION)
    throw new TokenError(
      /^lr\d+$/.test(parts[0] ?? '')
        ? `the token has the format ${parts[0]}; this lockrig reads ${VERSION}`
        : `'${text.slice(0, 40)}' is no token: one begins with ${VERSION}: and is printed by lockrig hunt`,
    );
  const check = parts.at(-1) ?? '';
  const body = text.slice(0, text.length - check.length - 1);
  if (parts.length !== PARTS || short(body) !== check)
    throw new TokenError('the token was cut or altered: its checksum does not fit; copy the whole line');
  const [
    ,
    subject = '',
    size = '',
    model = '',
    schedule = '',
    seed = '',
    subjectHash = '',
    code = '',
    trace = '',
  ] = parts;
  return { code, run: () => runOf({ subject, size, model, schedule, seed, subjectHash, trace }) };
}

function runOf(parts: {
  readonly subject: string;
  readonly size: string;
  readonly model: string;
  readonly schedule: string;
  readonly seed: string;
  readonly subjectHash: string;
  readonly trace: string;
}): Run {
  const { subject, size, model, schedule, seed, subjectHash, trace } = parts;
  const [numbers = '', letters] = size.split('+');
  const [cpus = '', steps = ''] = numbers.split('x');
  if (!MODELS.includes(model as MemoryModel))
    throw new TokenError(`the token names the unknown memory model '${model}'`);
  return {
    subject: decodeURIComponent(subject),
    cpus: whole(cpus, 'CPUs'),
    steps: whole(steps, 'steps'),
    model: model as MemoryModel,
    schedule: scheduleOf(schedule, Number.parseInt(seed, 16) | 0),
    ...(letters === undefined ? {} : { detect: namesOf(letters) }),
    subjectHash: subjectHash === '0' ? '' : subjectHash,
    traceHash: Number.parseInt(trace, 16) | 0,
  };
}
