/**
 * The configurations that a search has been in (Lowe 2017): how far it is in the events, which open operations it has placed, and the state.
 *
 * A configuration that was met before was explored to its end before, or is being explored, so meeting it again is a dead end. Membership is
 * exact: a hash chooses where to look, and everything is compared, for a collision taken for a match would make a wrong verdict.
 * Entries lie in arrays that double, with an open-addressed table of at most half load; the caller decides how many there may be.
 */
import { hashOf, mixed } from './hash.ts';
import type { SequentialModel } from './history.ts';

const FIRST_ENTRIES = 128;
/** A cache that grew beyond this is not swept for the next part but replaced. */
const KEPT_ENTRIES = 1024;

/** A set of configurations. */
export class Configurations<State> {
  size = 0;
  private readonly model: SequentialModel<State, never>;
  private words = 1;
  private table = new Int32Array(0); // entry number plus one; 0 is empty
  private hashes = new Int32Array(0);
  private places = new Int32Array(0);
  private masks = new Int32Array(0);
  private keys: (string | number)[] = [];
  private states: State[] = [];

  private readonly spread: (word: number) => number;

  /** @param spread mixes hashes; a bad one makes it slow, never wrong */
  constructor(model: SequentialModel<State, never>, spread = mixed) {
    this.model = model;
    this.spread = spread;
  }

  /** Empties it, for masks of so many words. */
  reset(words: number): void {
    const capacity = this.hashes.length;
    this.size = 0;
    this.keys = [];
    this.states = [];
    if (capacity === 0 || capacity > KEPT_ENTRIES || words !== this.words) {
      this.words = words;
      this.table = new Int32Array(4 * FIRST_ENTRIES);
      this.hashes = new Int32Array(FIRST_ENTRIES);
      this.places = new Int32Array(FIRST_ENTRIES);
      this.masks = new Int32Array(FIRST_ENTRIES * words);
    } else {
      this.table.fill(0);
    }
  }

  /** Adds a configuration; false if it is in already. */
  add(place: number, mask: Int32Array, state: State): boolean {
    const { words, spread } = this;
    const key = this.model.key(state);
    let hash = spread(place) ^ hashOf(key);
    for (let i = 0; i < words; i += 1) hash = spread(hash + Math.imul(mask[i]!, 0x9e3779b1));

    const wrap = this.table.length - 1;
    let at = hash & wrap;
    for (let entry = this.table[at]!; entry !== 0; entry = this.table[at]!) {
      if (this.hashes[entry - 1] === hash && this.is(entry - 1, place, mask, key, state)) return false;
      at = (at + 1) & wrap;
    }
    if (this.size === this.hashes.length) {
      this.grow();
      at = this.emptyFor(hash);
    }
    const entry = this.size;
    this.size += 1;
    this.table[at] = entry + 1;
    this.hashes[entry] = hash;
    this.places[entry] = place;
    for (let i = 0; i < words; i += 1) this.masks[entry * words + i] = mask[i]!;
    this.keys.push(key);
    if (this.model.equal) this.states.push(state);
    return true;
  }

  private is(entry: number, place: number, mask: Int32Array, key: string | number, state: State): boolean {
    if (this.places[entry] !== place || this.keys[entry] !== key) return false;
    for (let i = 0; i < this.words; i += 1) {
      if (this.masks[entry * this.words + i] !== mask[i]) return false;
    }
    return !this.model.equal || this.model.equal(this.states[entry]!, state);
  }

  private emptyFor(hash: number): number {
    const wrap = this.table.length - 1;
    let at = hash & wrap;
    while (this.table[at] !== 0) at = (at + 1) & wrap;
    return at;
  }

  private grow(): void {
    const capacity = this.hashes.length * 2;
    const longer = (old: Int32Array, length: number) => {
      const copy = new Int32Array(length);
      copy.set(old);
      return copy;
    };
    this.hashes = longer(this.hashes, capacity);
    this.places = longer(this.places, capacity);
    this.masks = longer(this.masks, capacity * this.words);
    this.table = new Int32Array(4 * capacity);
    for (let entry = 0; entry < this.size; entry += 1) {
      this.table[this.emptyFor(this.hashes[entry]!)] = entry + 1;
    }
  }
}
