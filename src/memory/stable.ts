/**
 * Words of an object that may be accessed while it is free.
 *
 * In a type-stable slab a pointer that outlived its object still leads to an object of the kind: to one that is free, or to the next one. Who has such a pointer may touch the
 * words by which it finds out: the lock, the reference count, and what leads to them (Linux SLAB_TYPESAFE_BY_RCU, Documentation/RCU/rculist_nulls.rst). Everything else it may touch once it
 * has found out, and from there on the object must be the one it meant.
 *
 * So which words these are belongs to the protocol of a struct. It is declared once, beside the code that validates, and the detector of lifetimes asks here.
 */
import { infoOf, LayoutError, nameOf, type StructLayout } from './struct.ts';

const declared = new WeakMap<object, ReadonlySet<string>>();

/**
 * Declares the fields of a struct that may be accessed in a free object; replaces what was declared before.
 * @throws LayoutError when it has no such field
 */
export function typeStable<Names extends string>(
  layout: StructLayout<Names>,
  ...fields: readonly NoInfer<Names>[]
): void {
  const names = infoOf(layout).fields.map(({ name }) => name);
  for (const field of fields)
    if (!names.includes(field))
      throw new LayoutError(`struct '${nameOf(layout)}' has no field '${field}': it has ${names.join(', ')}`);
  declared.set(layout, new Set(fields));
}

/** Whether a field may be accessed in a free object. @param field as `fieldAt` names it */
export function isTypeStable(layout: object, field: string): boolean {
  return declared.get(layout)?.has(field.replace(/\[.*$/, '')) ?? false;
}
