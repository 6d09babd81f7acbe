/** How big a machine can be. */

/** Addresses stay below this, so that they are positive in every engine. */
export const MAX_MACHINE_BYTES = 2 ** 30;
/** The most CPUs of a machine. */
export const MAX_CPUS = 1024;
