/**
 * Objects as text, for evidence: `next=5 owner=4`.
 *
 * Words are read relaxed and each once, so that a value is one that the word really held; words of a running machine may stem from different
 * moments. Which form of a union is the valid one only the object's state says; unless the reader knows it, all forms are shown.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { type Field, type FieldInfo, formFields, infoOf, LayoutError } from './struct.ts';

const MOST_WORDS = 8;

function wordText(type: Field, value: number): string {
  if (type.type === 'i32') return String(value);
  if (type.type === 'ptr') return value === 0 ? 'NULL' : `0x${(value >>> 0).toString(16)}`;
  if (!type.bits) return String(value >>> 0);
  let rest = value;
  const set: string[] = [];
  for (const [name, { mask, shift, width }] of Object.entries(type.bits)) {
    const part = (value & mask) >>> shift;
    rest &= ~mask;
    if (part !== 0) set.push(width === 1 ? name : `${name}:${part}`);
  }
  if (rest !== 0) set.push(`0x${(rest >>> 0).toString(16)}`);
  return set.length === 0 ? '0' : set.join('|');
}

function fieldText({ name, offset, field: type }: FieldInfo, values: readonly number[]): string {
  const own = values.slice(offset >>> 2, (offset >>> 2) + type.count);
  if (type.count === 1) return `${name}=${wordText(type, own[0]!)}`;
  const shown = own.slice(0, MOST_WORDS).map((value) => wordText(type, value));
  return `${name}=[${shown.join(' ')}${own.length > MOST_WORDS ? ` …${own.length - MOST_WORDS} more` : ''}]`;
}

/**
 * The fields of an object as text.
 * @param states for each union, by name, the state the object is in; without it all forms are shown
 * @throws LayoutError when the address is not a multiple of 4, or a state is unknown
 */
export function decode(
  isa: Pick<Isa, 'readOnce'>,
  layout: object,
  addr: Addr,
  states: Readonly<Record<string, string>> = {},
): string {
  const info = infoOf(layout);
  if (addr % 4 !== 0)
    throw new LayoutError(`${addr} is not the address of a ${info.name}: addresses are multiples of 4`);
  const values = Array.from({ length: Math.ceil(info.bytes / 4) }, (_, at) => isa.readOnce(addr + 4 * at));
  const formText = (entry: FieldInfo, state: string): string => {
    const form = entry.field.forms?.[state];
    if (!form) throw new LayoutError(`'${state}' owns no form of '${entry.name}' in struct '${info.name}'`);
    return formFields(form, entry.offset)
      .map((each) => fieldText(each, values))
      .join(' ');
  };
  return info.fields
    .map((entry) => {
      if (!entry.field.forms) return fieldText(entry, values);
      const state = states[entry.name];
      if (state !== undefined) return formText(entry, state);
      return `${entry.name}={${Object.keys(entry.field.forms)
        .map((each) => `${each}: ${formText(entry, each)}`)
        .join('; ')}}`;
    })
    .join(' ');
}
