/** RCU read sections of the model: they say that a type-stable object may be looked at, and nothing about which one it is. */
import type { AnonVmaKernel } from '../../anon-vma-form.ts';

/** Begin and end of a read section; they nest. */
export interface ReadSection {
  begin(): void;
  end(): void;
}

export function readSection({ locks, world }: Pick<AnonVmaKernel, 'locks' | 'world'>): ReadSection {
  const { readLock, readUnlock } = locks.rcu;
  return {
    begin() {
      readLock(world.rcu);
    },
    // Sections of this flavour have no token: one may end where another function began it.
    end: () => readUnlock(world.rcu, 0),
  };
}
