/** No hand-off chain of two CPUs loses a wake-up. */
import { chainRows } from './chains.ts';
import { conform } from './conform.ts';

conform('chains', chainRows);
