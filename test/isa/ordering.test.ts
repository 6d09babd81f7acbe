/** What one CPU may see, and must see, of the accesses of another. */
import { conform } from './conform.ts';
import { orderingRows } from './ordering.ts';

conform('ordering', orderingRows);
