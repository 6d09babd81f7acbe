/**
 * Event in one word (the manual-reset event of OS/2 and Windows NT, on a futex): set for everybody, until it is reset.
 *
 * word: 0 = not set, 1 = set, 2 = not set and somebody may be asleep
 *
 * wait returns at once while the word is 1. Else it makes the word 2, if it is not, and sleeps while it is. completeAll sets 1 and wakes everybody if
 * that replaced 2. reset takes a set word back to 0 and leaves any other alone, so it cannot forget those who sleep. There is no completion
 * for one: an event has no count.
 *
 * No wake-up is lost: a waiter sleeps only if the word was still 2 inside the futex, and who replaces that 2 notifies. One that is set, reset
 * and set again while it sleeps may find the word 0, and waits for the next time: an event tells of a state, not of how often.
 *
 * Ordering: who returns has read the 1 that the setter's exchange stored, so it sees what was written before.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of an {@link event}. */
export const Event = struct('event', { word: u32 });

const UNSET = 0;
const SET = 1;
/** The word: not set, somebody may sleep. */
export const EVENT_AWAITED = 2;

/** One-word event: set for all until it is reset. */
export const event = defineLock({
  name: 'event',
  kind: 'completion',
  layout: Event,
  promises: { sleeps: true },
  create: (isa) => {
    const { word } = Event;
    return {
      wait(lock) {
        const at = lock + word;
        if (isa.spinBriefly(at, UNSET) === SET) return;
        while (isa.load(at) !== SET) {
          if (isa.compareExchange(at, UNSET, EVENT_AWAITED) !== SET) isa.wait(at, EVENT_AWAITED);
        }
      },
      tryWait: (lock) => isa.load(lock + word) === SET,
      completeAll(lock) {
        if (isa.exchange(lock + word, SET) === EVENT_AWAITED) isa.notify(lock + word, -1);
      },
      reset(lock) {
        isa.compareExchange(lock + word, SET, UNSET);
      },
    };
  },
});
