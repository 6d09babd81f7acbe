/** Errors of system calls, by the kernel's names: an operation returns the number negated. What was asked wrongly (EINVAL, EFAULT) has changed nothing then. */

/** Error numbers (include/uapi/asm-generic/errno-base.h). */
export const ERRNO = {
  EPERM: 1,
  ESRCH: 3,
  EINTR: 4,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EINVAL: 22,
} as const;

/** The name of an error number. */
export type ErrnoName = keyof typeof ERRNO;

export const { EPERM, ESRCH, EINTR, EAGAIN, ENOMEM, EACCES, EFAULT, EBUSY, EINVAL } = ERRNO;

/** The name of what an operation returned; undefined where that is no error. @param result a negative number is an error */
export function errnoName(result: number): ErrnoName | undefined {
  return (Object.keys(ERRNO) as ErrnoName[]).find((name) => ERRNO[name] === -result);
}
