/** No hand-off chain loses a wake-up. */

import { chainRows } from './chains.ts';
import { conform } from './conform.ts';

conform('chains', chainRows, 100);
