/**
 * A stack of numbers as a scenario that records its operations: what judges them is a sequential stack. `hurried` pushes by a load and a store.
 */
import { defineScenario, type Isa, struct, u32, words } from 'lockrig';

const Stack = struct('my_stack', { size: u32, items: words(4) });
type Push = (isa: Isa, stack: number, value: number) => void;

const scenario = (name: string, push: Push) =>
  defineScenario({
    name,
    cpus: 2,
    state: Stack,
    model: 'stack',
    actors: ({ isa, state, cpu, record }) => {
      const value = cpu.id + 1;
      record({ name: 'push', value }, () => push(isa, state, value));
    },
    // What `check` records comes after everything else.
    check: ({ isa, state, record }) => {
      for (let at = isa.read(state + Stack.size) - 1; at >= 0; at -= 1)
        record({ name: 'pop' }, () => isa.read(state + Stack.items + 4 * at));
      record({ name: 'pop' }, () => undefined);
    },
  });

export const reserved = scenario('reserved', (isa, stack, value) => {
  isa.write(stack + Stack.items + 4 * isa.fetchAdd(stack + Stack.size, 1), value);
});

export const hurried = scenario('hurried', (isa, stack, value) => {
  const at = isa.readOnce(stack + Stack.size);
  isa.writeOnce(stack + Stack.items + 4 * at, value);
  isa.writeOnce(stack + Stack.size, at + 1);
});
