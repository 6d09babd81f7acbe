/** wait and notify. */
import { conform } from './conform.ts';
import { futexRows } from './futex.ts';

conform('futex', futexRows);
