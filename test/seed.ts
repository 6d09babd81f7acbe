/** The seed of a run's choices: what LOCKRIG_SEED says, so that a run can be had again, else another with each millisecond. Tests print it. */
const MOST = 2 ** 31;

function fromEnvironment(): number {
  const given = process.env.LOCKRIG_SEED;
  if (given === undefined) return Date.now() % MOST;
  const whole = Number(given);
  if (given.trim() === '' || !Number.isInteger(whole) || whole < 0 || whole >= MOST)
    throw new RangeError(`LOCKRIG_SEED is a whole number below 2^31, not '${given}'`);
  return whole;
}

export const seed = fromEnvironment();
