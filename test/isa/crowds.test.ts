/** No hand-off chain of more CPUs than cores loses a wake-up. */
import { crowdRows } from './chains.ts';
import { conform } from './conform.ts';

conform('crowds', crowdRows);
