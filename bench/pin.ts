/**
 * Pinning a worker thread to a core, where the system lets us: Linux with /proc and `taskset`.
 *
 * Node has no call for it. A thread learns its kernel id from /proc/thread-self, which the kernel resolves for the thread that asks;
 * the main thread then runs `taskset` on that id. Whether it worked is read back from /proc and not believed from an exit code.
 * Elsewhere nothing happens and the answers are `undefined` and `false`: a benchmark says that it ran unpinned and goes on.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/**
 * The kernel's id of the calling thread, not Node's `threadId`. Call it on the worker that is to be pinned.
 * @returns undefined without /proc
 */
export function currentThreadId(): number | undefined {
  try {
    const tid = /^\d+\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1];
    return tid === undefined ? undefined : Number(tid);
  } catch {
    return undefined;
  }
}

/**
 * Binds a thread to one core. Blocks for the few milliseconds of a child process: call it on the main thread, before a machine runs.
 * @param tid what {@link currentThreadId} returned on that thread
 * @param core one of {@link cores}
 * @returns whether the thread can now run on that core only
 */
export function pinThread(tid: number | undefined, core: number): boolean {
  if (tid === undefined || !Number.isSafeInteger(tid) || tid <= 0) return false;
  if (!Number.isSafeInteger(core) || core < 0) return false;
  const { status } = spawnSync('taskset', ['-cp', String(core), String(tid)], { stdio: 'ignore' });
  return status === 0 && allowedCores(String(tid))?.join() === String(core);
}

/**
 * The cores that this process may run on, by the numbers `taskset` uses, so two of them may well be numbers 4 and 5.
 * @returns without /proc: as many numbers from 0 as Node says can run in parallel
 */
export function cores(): number[] {
  return allowedCores('self') ?? Array.from({ length: availableParallelism() }, (_, core) => core);
}

function allowedCores(task: string): number[] | undefined {
  try {
    const list = /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(readFileSync(`/proc/${task}/status`, 'utf8'))?.[1];
    return list === undefined ? undefined : parseCoreList(list);
  } catch {
    return undefined;
  }
}

/** `0-2,5` is 0, 1, 2 and 5. */
function parseCoreList(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
