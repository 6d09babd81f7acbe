/**
 * Struct layouts: where the fields of a shared object lie, declared once.
 *
 * A layout maps field names to byte offsets, so that an access reads `isa.load(lock + Ticket.owner)`. What else is known of it (size, name, field
 * types) is reached through functions, so that a field may be called anything. Every field has 32-bit words. `ownLine()` puts a field at
 * the start of a cache line that it shares with no other field: for words that different CPUs write.
 *
 * A union overlays forms: the same words under other names, each form declared with the state of the object that owns it. Only code that has
 * established the state may use the form's names; that is what the state's name is there to say, to the reader and in evidence.
 */
import type { Addr } from '../arch/index.ts';
import { LINE, roundUp } from './layout.ts';

/** The type of a field. */
export interface Field {
  readonly type: 'u32' | 'i32' | 'ptr' | 'bits' | 'union';
  /** How many words. */
  readonly count: number;
  readonly alone: boolean;
  /** Of a `ptr`: the name of the struct it points to, where that is known. */
  readonly to?: string | undefined;
  /** Of `bits`: the bit fields by name. */
  readonly bits?: Readonly<Record<string, BitField>>;
  /** Of a `union`: the fields of each form, by the state that owns it. */
  readonly forms?: Readonly<Record<string, Readonly<Record<string, Field>>>>;
  /** The same field on a cache line of its own. */
  ownLine(): Field;
}

/** Some bits of a word: `(word & mask) >>> shift` is their value. */
export interface BitField {
  readonly shift: number;
  readonly width: number;
  /** The bits in place, as a signed word. */
  readonly mask: number;
}

/** A field made by {@link bits}. */
export interface BitsField<Names extends string = string> extends Field {
  readonly bits: { readonly [Name in Names]: BitField };
  ownLine(): BitsField<Names>;
}

/** The forms of an overlay: fields by the state that owns them. */
export type Forms = Readonly<Record<string, Readonly<Record<string, Field>>>>;

/** A field made by {@link union}. */
export interface UnionField<F extends Forms = Forms> extends Field {
  readonly forms: F;
  ownLine(): UnionField<F>;
}

/** A layout that cannot be: says which struct and field, and what would be right. */
export class LayoutError extends TypeError {
  readonly code = 'ELAYOUT';
  constructor(message: string) {
    super(message);
    this.name = 'LayoutError';
  }
}

type Parts = Pick<Field, 'type' | 'count'> & Partial<Pick<Field, 'to' | 'bits' | 'forms'>>;

function field<F extends Field = Field>(parts: Parts, alone = false): F {
  return Object.freeze({ ...parts, alone, ownLine: () => field(parts, true) }) as Field as F;
}

function counted(count: number, what: string): number {
  if (!Number.isInteger(count) || count < 1)
    throw new LayoutError(`${what} takes a whole number of words from 1, not ${count}`);
  return count;
}

/** An unsigned word (`isa` reads it as signed; compare with `ult`). */
export const u32: Field = field({ type: 'u32', count: 1 });
/** A signed word. */
export const i32: Field = field({ type: 'i32', count: 1 });

/** `count` words in a row. */
export function words(count: number): Field {
  return field({ type: 'u32', count: counted(count, 'words()') });
}

/**
 * An address.
 * @param to what it points to: a layout, or the name of one, so that structs can point to each other
 * @param count how many in a row
 */
export function ptr(to?: string | object, count = 1): Field {
  return field({ type: 'ptr', count: counted(count, 'ptr()'), to: typeof to === 'object' ? nameOf(to) : to });
}

/**
 * A word of bit fields, the first from bit 0 upwards: `bits({ locked: 1, dirty: 1, zone: 2 })`. Masks and shifts are reached through
 * {@link bitsOf}.
 * @param widths in bits, 32 in all at most
 * @throws LayoutError
 */
export function bits<Names extends string>(widths: Readonly<Record<Names, number>>): BitsField<Names> {
  const fields: Record<string, BitField> = {};
  let shift = 0;
  for (const [name, width] of Object.entries<number>(widths)) {
    if (!Number.isInteger(width) || width < 1)
      throw new LayoutError(`bit field '${name}' is ${width} bits wide; it takes 1 to 32`);
    if (shift + width > 32)
      throw new LayoutError(`bit field '${name}' ends at bit ${shift + width}; a word has 32 bits`);
    fields[name] = { shift, width, mask: (width === 32 ? -1 : ((1 << width) - 1) << shift) | 0 };
    shift += width;
  }
  return field({ type: 'bits', count: 1, bits: Object.freeze(fields) });
}

/**
 * Forms that share their words, each declared with the state of the object that owns it:
 * `union({ 'on a list': { lru: words(2) }, mlocked: { filler: u32, mlock_count: u32 } })`. All names become fields of the struct.
 * @throws LayoutError when a name occurs twice
 */
export function union<const F extends Forms>(forms: F): UnionField<F> {
  const seen = new Map<string, string>();
  let count = 0;
  for (const [state, form] of Object.entries(forms)) {
    let end = 0;
    for (const [name, member] of Object.entries(form)) {
      checkField(`the form '${state}' of a union`, name, member);
      if (seen.has(name))
        throw new LayoutError(
          `the field '${name}' is in two forms of a union, '${seen.get(name)}' and '${state}': give each its own name`,
        );
      if (member.alone || member.type === 'union') {
        throw new LayoutError(
          `the field '${name}' of the form '${state}' of a union is ${member.alone ? 'on its own line' : 'a union'}: only the whole union can be`,
        );
      }
      seen.set(name, state);
      end += member.count;
    }
    count = Math.max(count, end);
  }
  return field({ type: 'union', count: counted(count, 'union()'), forms });
}

function checkField(where: string, name: string, value: unknown): void {
  const { type, count } = (value ?? {}) as Partial<Field>;
  if (typeof type !== 'string' || typeof count !== 'number')
    throw new LayoutError(
      `the field '${name}' of ${where} has no type: use u32, i32, words(n), ptr(), bits({…}) or union({…})`,
    );
  if (/^\d+$/.test(name))
    throw new LayoutError(
      `the field '${name}' of ${where} is called by a number, which loses its place in the order: use a name`,
    );
}

declare const declared: unique symbol;

/** Byte offsets by field name. */
export type StructLayout<Names extends string = string, Fields = unknown> = {
  readonly [Name in Names]: Addr;
} & {
  /** For types only: what `bitsOf` finds. */
  readonly [declared]?: Fields;
};

/** The fields of a struct by name. */
export type Fields = Readonly<Record<string, Field>>;
/** The keys of each member of a union type. */
export type KeysOfEach<T> = T extends unknown ? keyof T & string : never;
/** The names of the fields in the overlays of a struct. */
export type Overlays<F> = F extends UnionField<infer U> ? KeysOfEach<U[keyof U]> : never;
/** The names of all fields of a struct, those of overlays among them. */
export type NamesIn<F extends Fields> = (keyof F & string) | Overlays<F[keyof F]>;

/** One field of a layout; a union's entry stands for all of its forms. */
export interface FieldInfo {
  readonly name: string;
  readonly offset: Addr;
  readonly field: Field;
}

/** What a layout knows beside its offsets. */
export interface StructInfo {
  readonly name: string;
  readonly bytes: number;
  readonly fields: readonly FieldInfo[];
}

const infos = new WeakMap<object, StructInfo>();
const layouts: object[] = [];

/** All layouts that this thread has declared: what a tag in shared memory may stand for. */
export function declaredLayouts(): readonly object[] {
  return layouts;
}

/** The fields of one form, with their offsets. */
export function formFields(form: Fields, start: Addr): FieldInfo[] {
  let end = start;
  return Object.entries(form).map(([name, member]) => {
    const offset = end;
    end += 4 * member.count;
    return { name, offset, field: member };
  });
}

/**
 * Declares a layout.
 * @param name as in the field's literature, e.g. `page`
 * @param fields in order
 * @throws LayoutError
 */
export function struct<const F extends Fields>(name: string, fields: F): StructLayout<NamesIn<F>, F> {
  const offsets = new Map<string, Addr>();
  const list: FieldInfo[] = [];
  const place = (key: string, offset: Addr): void => {
    if (offsets.has(key))
      throw new LayoutError(
        `struct '${name}' has two fields '${key}': a union's names are fields of the struct, too`,
      );
    offsets.set(key, offset);
  };
  let end = 0;
  let lines = false;
  for (const [key, value] of Object.entries(fields)) {
    checkField(`struct '${name}'`, key, value);
    if (value.alone) {
      end = roundUp(end, LINE);
      lines = true;
    }
    place(key, end);
    for (const form of Object.values(value.forms ?? {})) {
      for (const member of formFields(form, end)) place(member.name, member.offset);
    }
    list.push({ name: key, offset: end, field: value });
    end += 4 * value.count;
    if (value.alone) end = roundUp(end, LINE);
  }
  // Made in one go: an object that grew by more than a dozen keys is a hash table, and an offset would be looked up at each access instead of being a constant.
  const layout = Object.freeze(Object.fromEntries(offsets)) as StructLayout<NamesIn<F>, F>;
  layouts.push(layout);
  infos.set(layout, { name, bytes: lines ? roundUp(end, LINE) : end, fields: list });
  return layout;
}

/** Everything known of a layout. @throws TypeError when it was not made by `struct` */
export function infoOf(layout: object): StructInfo {
  const info = infos.get(layout);
  if (!info) throw new TypeError('not a struct layout');
  return info;
}

/** Bytes of a struct. */
export function sizeOf(layout: object): number {
  return infoOf(layout).bytes;
}

/** The name a layout was declared with. */
export function nameOf(layout: object): string {
  return infoOf(layout).name;
}

/**
 * The bit fields of a word: `bitsOf(Page, 'flags').locked.mask`.
 * @throws LayoutError when the field has none
 */
export function bitsOf<F extends Fields, Name extends keyof F & string>(
  layout: StructLayout<never, F>,
  name: Name,
): F[Name] extends BitsField<infer N> ? { readonly [K in N]: BitField } : never {
  const info = infoOf(layout);
  const found = info.fields.find((entry) => entry.name === name)?.field.bits;
  if (!found) throw new LayoutError(`struct '${info.name}' has no bit fields '${name}'`);
  return found as ReturnType<typeof bitsOf<F, Name>>;
}

/** A field as code sees it: those of a union's forms stand beside the others, each with the state that owns it. */
export interface MemberInfo extends FieldInfo {
  readonly state?: string;
}

/** All fields that can be accessed, the forms of unions included and the unions themselves left out. */
export function membersOf(layout: object): MemberInfo[] {
  return infoOf(layout).fields.flatMap((entry): MemberInfo[] => {
    const { forms } = entry.field;
    if (!forms) return [entry];
    return Object.entries(forms).flatMap(([state, form]) =>
      formFields(form, entry.offset).map((member) => ({ ...member, state })),
    );
  });
}

const wordNames = new WeakMap<object, (string | undefined)[]>();

function namesOfWords(layout: object): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (const { name, offset, field: type } of membersOf(layout)) {
    for (let word = 0; word < type.count; word += 1) {
      const at = offset / 4 + word;
      const own = type.count === 1 ? name : `${name}[${word}]`;
      names[at] = names[at] === undefined ? own : `${names[at]}|${own}`;
    }
  }
  wordNames.set(layout, names);
  return names;
}

/**
 * The name of the word at `offset` bytes from the start of an object: `refcount`, `lru[1]`, or all its names where forms share it.
 * @returns undefined for padding and for offsets outside
 */
export function fieldAt(layout: object, offset: number): string | undefined {
  return (wordNames.get(layout) ?? namesOfWords(layout))[Math.floor(offset / 4)];
}
