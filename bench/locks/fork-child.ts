/**
 * The process of a fork: is told once what to measure, answers for each lock, and ends. It ends, too, when nobody listens any more.
 */
import { setFlagsFromString } from 'node:v8';
import { INLINING } from '../../harness/explore/inlining.ts';
import { findSubject } from '../../harness/torture/program.ts';
import type { AnyLock } from '../../src/locking/define.ts';
import { type ForkAnswer, type ForkOrder, measureFork } from './fork.ts';

/** What it says: of one lock, by its place in the order, or that it has said all; `again`: the locks of which it said nothing need a process of their own. */
export type ForkMessage =
  | { readonly at: number; readonly answer: ForkAnswer }
  | { readonly over: true; readonly again: boolean };

const say = (message: ForkMessage, then: () => void = () => {}): void => {
  if (process.connected) process.send?.(message, then);
  else then();
};

process.once('message', (order: ForkOrder) => {
  if (order.subjects.some(({ stat }) => stat !== undefined)) setFlagsFromString(INLINING);
  const measure = async (): Promise<boolean> => {
    const locks = await Promise.all(
      order.subjects.map(async (each) => (await findSubject({ definition: 'lock', ...each })) as AnyLock),
    );
    const subjects = locks.map((lock, at) => {
      const url = order.subjects[at]!.url;
      return { lock, ...(url === undefined ? {} : { url }) };
    });
    return measureFork(order, subjects, (at, answer) => say({ at, answer }));
  };
  measure().then(
    (all) => say({ over: true, again: !all }, () => process.exit(0)),
    (error: Error) => {
      process.stderr.write(`lockrig: ${error.message}\n`);
      process.exit(1);
    },
  );
});
// Ctrl-C is for whoever started it.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
