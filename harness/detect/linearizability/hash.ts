/** Hashes of values and states. They choose where to look; what is found there is always compared. */

/** A hash of a value, not yet mixed: integers are their own (strings: FNV-1a, Fowler, Noll and Vo 1991). */
export function hashOf(value: number | string | boolean | undefined): number {
  if (typeof value === 'number' && Number.isInteger(value)) return value | 0;
  const text = String(value);
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** Spreads every bit of a word over all of it (the finalizer of murmur3, Appleby 2011). */
export function mixed(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
