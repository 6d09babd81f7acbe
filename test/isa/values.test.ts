/** What every operation answers and leaves behind. */
import { conform } from './conform.ts';
import { valueRows } from './values.ts';

conform('values', valueRows);
