/**
 * Campaigns: claims about all that ships, tried for longer than a test may take. `npm run campaign -- silent`, `npm run campaign -- found`, `npm run campaign -- litmus`.
 *
 *   silent   every correct lock, every fixed twin of a classic bug or of a race of the mm model, every control, hunted with every detector on, 100,000 executions under each memory model: nothing
 *            may be found, neither a failure nor a lead
 *   found    every classic bug and every race of the mm model, hunted from 20 seeds under the memory model that it names: each hunt finds it by the oracle that it names, half of them within ten
 *            seconds, and its token comes back 1,000 times of 1,000
 *   litmus   every litmus program, a million executions under each memory model: the outcomes are those of the reference interpreter, all of them and no other
 *
 * A piece of work is one subject under all models, which take turns, or one program under one. Its result is a line on stdout and a line of JSON at the end of a file, which the same command reads when it is
 * started again: what is in there, made by the same code with as many executions, is not done anew. So a campaign may be ended at any time, and costs a piece at most.
 *
 * Exit code 0 if every piece holds, those of before included; 1 if one does not, 2 for bad arguments.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { DETECTORS } from '../harness/detect/index.ts';
import { hunt } from '../harness/explore/hunt.ts';
import type { HuntFailure } from '../harness/explore/hunt-types.ts';
import { INLINING } from '../harness/explore/inlining.ts';
import { replay } from '../harness/explore/replay.ts';
import { isTold, tellers } from '../harness/explore/telling.ts';
import { decode, lockrigHash } from '../harness/explore/token.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { lockByName, locks } from '../src/locks.ts';
import { classics, scenarioByName } from '../src/scenarios/index.ts';
import { mmControls, mmRaces, mmScenarioByName } from '../src/scenarios/mm/index.ts';
import { MODELS, openProgram, reached, sorted } from './fixtures/gated/judge.ts';
import { LITMUS, WIDE } from './fixtures/gated/programs.ts';
import { type Model, outcomes } from './fixtures/gated/reference.ts';

const HELP = `npm run campaign -- silent [SUBJECT ...]
npm run campaign -- found [SUBJECT ...]
npm run campaign -- litmus [PROGRAM ...]
  --executions N   of each subject under each model; 100,000 (silent) or 1,000,000 (litmus) unless given; of each hunt at most (found), 100,000 unless given
  --model NAMES    sc,tso,weak
  --cpus N         CPUs of locks (silent); 2 unless given
  --seed N         (silent), the first (found); 1 unless given
  --replays N      of the first token of a piece (found); 1,000 unless given
  --results FILE   what is done, a line of JSON each; campaign-<name>.ndjson unless given`;

/** What came out of a piece. */
interface Outcome {
  readonly holds: boolean;
  readonly executions: number;
  readonly text: string;
}

/** How pieces are done. */
interface How {
  readonly executions: number;
  readonly cpus: number | undefined;
  readonly seed: number;
  readonly replays: number;
}

/** A kind of campaign. */
interface Campaign {
  readonly executions: number;
  readonly names: readonly string[];
  /** Whether the models take turns within a piece, or the piece has its own. */
  readonly together: boolean;
  has(name: string): boolean;
  run(name: string, models: readonly Model[], how: How): Promise<Outcome>;
}

const programs = [...WIDE, ...LITMUS];

/** Broken ones, too, for who wants to see a campaign fail. */
const subjectOf = (name: string): Tortured | undefined =>
  (lockByName(name) ?? scenarioByName(name) ?? mmScenarioByName(name)) as Tortured | undefined;

const races = [...classics, ...mmRaces];
const SEEDS = 20;
const REPLAYS = 1000;
/** Seconds that half of the hunts may take. */
const SOON = 10;

const CAMPAIGNS: Readonly<Record<string, Campaign>> = {
  silent: {
    executions: 100_000,
    names: [...locks, ...races.map(({ fixed }) => fixed), ...mmControls.map(({ scenario }) => scenario)].map(
      ({ name }) => name,
    ),
    has: (name) => subjectOf(name) !== undefined,
    together: true,
    async run(name, models, { executions, cpus, seed }) {
      const subject = subjectOf(name)!;
      const result = await hunt(subject, {
        executions: executions * models.length,
        seed,
        models,
        detect: DETECTORS.map((detector) => detector.name),
        ...(cpus === undefined || subject.definition === 'scenario' ? {} : { cpus }),
      });
      const { failures, leads, undecided, unwatched, coverage, accesses } = result;
      const said = [
        ...failures.map(({ oracle, text, token }) => `${oracle}: ${text} ${token}`),
        ...leads.map((lead) => `lead: ${lead}`),
        ...(undecided > 0 ? [`${undecided} executions undecided`] : []),
        ...(unwatched > 0 ? [`${unwatched} executions too long for detectors`] : []),
        ...(result.difference === undefined ? [] : [`differs at ${result.difference}`]),
      ];
      const size = `${coverage.interleavings} interleavings, ${Math.round(accesses / result.executions)} accesses each`;
      return {
        holds: result.verdict === 'clean' && said.length === 0,
        executions: result.executions,
        text: said.length === 0 ? `silent; ${size}` : said.join('; '),
      };
    },
  },
  found: {
    executions: 100_000,
    names: races.map(({ broken }) => broken.name),
    has: (name) => races.some(({ broken }) => broken.name === name),
    together: true,
    async run(name, _models, { executions, seed, replays }) {
      const { broken } = races.find((each) => each.broken.name === name)!;
      const mutant = broken.mutant!;
      const { caughtBy, model } = mutant;
      const found: HuntFailure[] = [];
      let total = 0;
      for (let from = seed; from < seed + SEEDS; from += 1) {
        const result = await hunt(broken as Tortured, {
          executions,
          seed: from,
          models: [model],
          oracles: tellers(mutant),
          ...(caughtBy === 'race' ? { detect: ['races'] } : {}),
        });
        total += result.executions;
        const [first] = result.failures;
        if (first && isTold(mutant, first)) found.push(first);
      }
      const seconds = found.map(({ after }) => after.seconds).sort((one, other) => one - other);
      const median = seconds[seconds.length >> 1] ?? Number.POSITIVE_INFINITY;
      const [first] = found;
      const { same, times } = first
        ? await replay(broken as Tortured, decode(first.token), { times: replays })
        : { same: 0, times: 0 };
      return {
        holds: found.length === SEEDS && median <= SOON && same === replays,
        executions: total,
        text: `${found.length} of ${SEEDS} hunts, median ${median.toFixed(2)} s, longest ${seconds.at(-1)?.toFixed(2)} s, ${same} of ${times} replays`,
      };
    },
  },
  litmus: {
    executions: 1_000_000,
    names: programs.map(({ name }) => name),
    has: (name) => programs.some((each) => each.name === name),
    together: false,
    async run(name, [model = 'sc'], { executions }) {
      const program = programs.find((each) => each.name === name)!;
      const exploration = await openProgram(name);
      try {
        const found = await reached(exploration, model, executions);
        const expected = sorted(outcomes(program, model));
        const forbidden = found.filter((outcome) => !expected.includes(outcome));
        const missing = expected.filter((outcome) => !found.includes(outcome));
        const text = `${found.length} outcomes of ${expected.length}, ${forbidden.length} forbidden`;
        return {
          holds: forbidden.length === 0 && missing.length === 0,
          executions,
          text: [
            text,
            ...missing.map((each) => `missing ${each}`),
            ...forbidden.map((each) => `forbidden ${each}`),
          ].join('; '),
        };
      } finally {
        await exploration.close();
      }
    },
  },
};

/** Hash of what a result depends on: what makes accesses, and what judges them. */
function codeHash(): string {
  const hash = createHash('sha256').update(lockrigHash());
  for (const folder of ['../harness/detect/', './fixtures/gated/']) {
    const url = new URL(folder, import.meta.url);
    const files = readdirSync(url, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /\.[jt]s$/.test(file),
    );
    for (const file of files.sort()) hash.update(readFileSync(new URL(file.replaceAll('\\', '/'), url)));
  }
  return hash.digest('hex').slice(0, 8);
}

function usage(message: string): never {
  console.error(`${message}\n${HELP}`);
  process.exit(2);
}

function parsed() {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      allowPositionals: true,
      options: { executions: text, model: text, cpus: text, seed: text, replays: text, results: text },
    });
  } catch (error) {
    return usage((error as Error).message);
  }
}

function whole(name: string, value: string | undefined, most: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value.replaceAll(',', ''));
  if (!Number.isInteger(number) || number < 1 || number > most)
    usage(`--${name} wants a number from 1 to ${most}, not '${value}'.`);
  return number;
}

/** What is done already: the lines of the file by what they are about. */
function finished(file: string): Map<string, Outcome> {
  const done = new Map<string, Outcome>();
  if (!existsSync(file)) return done;
  const text = readFileSync(file, 'utf8');
  // What a campaign was ended in is no part of the next line.
  if (text !== '' && !text.endsWith('\n')) appendFileSync(file, '\n');
  for (const line of text.split('\n')) {
    try {
      const { piece, ...outcome } = JSON.parse(line) as Outcome & { piece: string };
      done.set(piece, outcome);
    } catch {
      // Of a campaign that was ended as it wrote: the piece is done anew.
    }
  }
  return done;
}

async function main(): Promise<number> {
  const { values, positionals } = parsed();
  const [kind = '', ...asked] = positionals;
  const campaign = CAMPAIGNS[kind];
  if (!campaign) return usage(`A campaign is one of ${Object.keys(CAMPAIGNS).join(', ')}, not '${kind}'.`);
  for (const name of asked) if (!campaign.has(name)) usage(`${kind} has no '${name}'.`);
  const models = (values.model?.split(',') ?? MODELS) as readonly Model[];
  for (const model of models)
    if (!MODELS.includes(model)) usage(`A memory model is one of ${MODELS.join()}, not '${model}'.`);
  const how: How = {
    executions: whole('executions', values.executions, 1e9) ?? campaign.executions,
    cpus: whole('cpus', values.cpus, 16),
    seed: whole('seed', values.seed, 2 ** 32 - 1) ?? 1,
    replays: whole('replays', values.replays, 1e6) ?? REPLAYS,
  };
  setFlagsFromString(INLINING);
  const file = values.results ?? `campaign-${kind}.ndjson`;
  const done = finished(file);
  const code = codeHash();
  const pieces = (asked.length > 0 ? asked : campaign.names).flatMap((name) =>
    campaign.together ? [{ name, under: models }] : models.map((model) => ({ name, under: [model] })),
  );
  let bad = 0;
  let executions = 0;
  for (const { name, under } of pieces) {
    const piece = JSON.stringify([name, under, how, code]);
    const before = done.get(piece);
    const began = performance.now();
    const outcome = before ?? (await campaign.run(name, under, how));
    const seconds = (performance.now() - began) / 1000;
    const rate = Math.round(outcome.executions / seconds);
    if (!before) appendFileSync(file, `${JSON.stringify({ piece, ...outcome, seconds })}\n`);
    executions += outcome.executions;
    if (!outcome.holds) bad += 1;
    const time = before ? 'before' : `${seconds.toFixed(1)} s, ${rate}/s`;
    console.log(
      `${kind}:${name} ${under.join()} ${outcome.holds ? 'HOLDS' : 'FAILS'} ${outcome.executions} executions, ${outcome.text} (${time})`,
    );
  }
  console.log(
    `${kind}: ${pieces.length - bad} of ${pieces.length} hold, ${executions} executions; results are in ${file}`,
  );
  return bad > 0 ? 1 : 0;
}

process.exitCode = await main();
