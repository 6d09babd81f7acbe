/**
 * The conformance rows notice what they are for: each deliberately broken engine is caught by the row named
 * beside it, with the evidence that belongs to it. A row that lets its mutant pass is blunt; the budget grows
 * sixteenfold before that is said. The engines take turns: a fifth of them in a run.
 */
import * as assert from 'uvu/assert';
import type { EngineRef } from '../../bench/crew.ts';
import { seed } from '../seed.ts';
import { inTurn, suite } from '../suite.ts';
import { atomicityRows } from './atomicity.ts';
import { chainRows, crowdRows } from './chains.ts';
import { type MutantName, mutant, mutantNames, untimed } from './engines.ts';
import { futexRows } from './futex.ts';
import { orderingRows } from './ordering.ts';
import { isViolation, type Row } from './rows.ts';
import { type Subject, subjects, tso, twoCores } from './table.ts';
import { valueRows } from './values.ts';
import { waitingRows } from './waiting.ts';

interface Catch {
  readonly row: string;
  readonly evidence: RegExp;
  /** Whether it can show on this machine. */
  readonly here?: boolean;
}

const lost = /sleeps on a word that has changed: its wake-up was lost/;
const forbidden = (outcome: string) =>
  new RegExp(`forbidden outcomes[\\s\\S]*\\*>${outcome.replaceAll(/[+*]/g, '\\$&')}`);
const stores = /a CPU found its own bit changed|after every bit was cleared/;
const rmw = 'a read-modify-write answers the old value and leaves the new one, in all its forms';

const catches: Readonly<Record<MutantName, Catch | readonly Catch[]>> = {
  'fetchAdd loads, then stores': {
    row: 'fetchAdd of two CPUs loses nothing',
    evidence: /additions are lost/,
  },
  'fetchAnd loads, then stores': { row: 'fetchOr and fetchAnd of two CPUs lose nothing', evidence: stores },
  'fetchOrRelease loads, then stores': {
    row: 'fetchOr and fetchAnd of two CPUs lose nothing',
    evidence: stores,
  },
  'fetchXorRelaxed loads, then stores': { row: 'fetchXor of two CPUs loses nothing', evidence: stores },
  'exchangeAcquire loads, then stores': {
    row: 'exchange of two CPUs neither loses nor doubles a value',
    evidence: /of the tokens 1, 2 and 3 there are/,
  },
  'compareExchangeRelease compares, then stores': {
    row: 'compareExchange of two CPUs succeeds once for each value',
    evidence: /two CPUs succeeded on one value/,
  },

  'fetchAddRelaxed answers the new value': { row: rmw, evidence: /^fetchAddRelaxed\(.*answers/ },
  'fetchXorAcquire is fetchOr': { row: rmw, evidence: /^fetchXorAcquire\(.*leaves/ },
  'load answers unsigned': {
    row: 'an access reads and writes its word and no other',
    evidence: /^load of -0x.* answers/,
  },
  'compareExchange answers whether it stored': { row: rmw, evidence: /^compareExchange\(.*answers/ },
  'compareExchangeRelaxed does not know unsigned values': {
    row: rmw,
    evidence: /^compareExchangeRelaxed\(.*leaves/,
  },
  'readOnce clamps its address': {
    row: 'an address that cannot be does what the table says',
    evidence: /^readOnce at \d+, outside the memory/,
  },

  'store is a plain store': {
    row: 'litmus SB seqcst',
    evidence: forbidden('0:a=0; 1:a=0;'),
    here: tso && twoCores,
  },
  'storeWake stores with release only': {
    row: 'litmus SB storeWake+load',
    evidence: forbidden('0:a=0; 1:a=0;'),
    here: tso && twoCores,
  },
  'mb does nothing': {
    row: 'litmus SB once+mb',
    evidence: forbidden('0:a=0; 1:a=0;'),
    here: tso && twoCores,
  },
  'a read-modify-write is no barrier': {
    row: 'litmus SB once+rmw',
    evidence: forbidden('0:a=0; 1:a=0;'),
    here: tso && twoCores,
  },
  'stores pass stores, storeRelease': [
    { row: 'litmus MP relacq', evidence: forbidden('1:a=1; 1:b=0;') },
    { row: 'litmus S relacq', evidence: forbidden('1:a=1; x=2;') },
  ],
  'stores pass stores, wmb': [
    { row: 'litmus MP once+wmb+rmb', evidence: forbidden('1:a=1; 1:b=0;') },
    { row: 'litmus 2+2W once+wmb+rmb', evidence: forbidden('x=1; y=1;') },
  ],
  'stores pass stores, mb': { row: 'litmus R once+mb', evidence: forbidden('1:a=0; y=2;') },
  'loads pass loads': { row: 'litmus MP relacq', evidence: forbidden('1:a=1; 1:b=0;') },
  'stores pass loads': { row: 'litmus LB relacq', evidence: forbidden('0:a=1; 1:a=1;') },
  'readOnce is hoisted': {
    row: 'readOnce in a hot loop is performed each time',
    evidence: /never saw more than a few|did not finish/,
  },
  'writeOnce is fused': { row: 'writeOnce in a hot loop is performed each time', evidence: /did not finish/ },
  'readOnce goes back in time': { row: 'litmus CoRR once', evidence: forbidden('1:a=1; 1:b=0;') },

  'wait does not compare': {
    row: 'wait on a word that differs answers so at once (park)',
    evidence: /answers 2, 2, 2, not 1 \(not equal\)/,
  },
  'wait mistakes its timeout for a wake-up': { row: 'wait times out (park)', evidence: /none has timed out/ },
  'wait spins until the word changes': {
    row: 'notify ends a wait whose word is unchanged (spin)',
    evidence: /did not finish/,
  },
  'notify wakes everybody': {
    row: 'notify wakes as many as asked and says how many',
    evidence: /notify of up to \d says that it woke/,
  },
  'notify miscounts': {
    row: 'notify wakes as many as asked and says how many',
    evidence: /never woke more than/,
  },
  'notify wakes the neighbours': {
    row: 'notify wakes nobody who waits on another word',
    evidence: /that wait on word/,
  },
  'notify serves the latest comer first': {
    row: 'notify wakes first who came first',
    // On a busy machine they arrive otherwise than they were asked to, so the orders need not be the exact reverse.
    evidence: /arrived as 1,2,3,4,5, resumed as (?!1,2,3,4,5)/,
  },

  'storeWake forgets the wake': [
    { row: 'a ring of 8 CPUs, park', evidence: lost },
    { row: 'a timed ring at the edge of the sleep, park', evidence: /wake-ups come too late/ },
  ],
  'storeWake forgets one wake in a thousand': { row: 'a ring of 8 CPUs, park', evidence: lost },
  'storeWakeOne forgets the wake': { row: 'a ring of 8 CPUs, park', evidence: lost },
  'wake does nothing': { row: 'a ring of 8 CPUs, park', evidence: lost },
  'wake answers how many it woke': {
    row: 'barriers, annotations and wake-ups of nobody leave memory alone',
    evidence: /^wake answers 0/,
  },
  'storeWake wakes one of many': { row: 'a herd of 4 CPUs on one word, park', evidence: lost },
  'wake looks at the counter before the store': {
    row: 'a ring at the edge of the sleep, park',
    evidence: lost,
  },
  'wake looks at the counter of another word': { row: 'a ring of 8 CPUs, spin-then-park', evidence: lost },
  'spinWhile returns too early': {
    row: 'a ring of 2 CPUs, spin-then-park',
    evidence: /spinWhile for (\d+) answers \1, not/,
  },
  'spinWhile answers what it waited for': {
    row: 'a ring of 2 CPUs, park',
    evidence: /spinWhile for (\d+) answers \1, not/,
  },
  'spinBriefly answers what it waited for': {
    row: 'an access reads and writes its word and no other',
    evidence: /^spinBriefly\(.* answers/,
  },
  'spinWhile does not know unsigned values': {
    row: 'spinWhile takes its value in either spelling (park)',
    evidence: /spinWhile for \d+ ended while the word was still -/,
  },
  'the wait record outlives the wait': {
    row: 'the wait record says what a parked CPU waits for (park)',
    evidence: /of a CPU that goes on says that it is blocked/,
  },
  'spinWhileAny answers the first pair': {
    row: 'spinWhileAny answers the first word that has changed (park)',
    evidence: /answers 0 where word [12] is the first/,
  },
  'spinWhileAny watches the first pair only': {
    row: 'spinWhileAny answers the first word that has changed (spin-then-park)',
    evidence: /did not finish/,
  },
  'spinWhile parks whatever its policy': {
    row: 'a spinning CPU never sleeps (spin)',
    evidence: /a CPU that must spin/,
  },
  'a parked CPU stays counted': {
    row: 'a ring of 2 CPUs, spin',
    evidence: /1 CPUs are counted as parked .* when nobody is/,
  },
};

const rows = new Map<string, Row>(
  [valueRows, atomicityRows, orderingRows, futexRows, waitingRows, chainRows, crowdRows]
    .flat()
    .map((row) => [row.name, row]),
);

/**
 * Milliseconds of growing budgets before a row counts as blunt: two CPUs that share their cores with many are
 * seldom awake together.
 */
const SEARCH = 100_000;

/** What a row says of a subject; undefined when it finds nothing wrong. */
async function verdict(row: Row, subject: Subject, seed: number): Promise<string | undefined> {
  const start = performance.now();
  for (let times = 0.25; times < 0.5 || performance.now() - start < SEARCH; times *= 4) {
    try {
      await row.run(subject, { times, seed, patience: 1000 });
    } catch (error) {
      if (isViolation(error)) return error.message;
      throw error;
    }
  }
  return undefined;
}

console.log(`seed ${seed}`);
const sound = subjects.find(({ name }) => name === 'wasm')!;
const sharp = suite('isa sharpness');
const some = inTurn(sharp, 5);

function declare(name: string, engine: EngineRef, { row: rowName, evidence, here = true }: Catch): void {
  const title = `${name}: caught by "${rowName}"`;
  if (!here) {
    sharp.skip(title, 'this processor, or one core, hides it');
    return;
  }
  const handler = async () => {
    const row = rows.get(rowName);
    assert.ok(row, `there is no row '${rowName}'`);
    const said = await verdict(row, { ...sound, name, engines: [engine] }, seed);
    assert.ok(said !== undefined, `'${rowName}' lets '${name}' pass (LOCKRIG_SEED=${seed})`);
    assert.match(said, evidence);
  };
  some(title, handler, { deadline: 240_000 });
}

for (const name of mutantNames) {
  for (const one of [catches[name]].flat()) declare(name, mutant('wasm', name), one);
}
declare('a park has no timeout', untimed('wasm'), {
  row: 'a forgotten wake-up costs time and is counted (park)',
  evidence: /did not finish[\s\S]*waits for a change of word (\d+), which was (\d+) and is (?!\2 )/,
});
sharp.run();
