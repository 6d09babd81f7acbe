/** No read-modify-write loses that of another CPU. */
import { atomicityRows } from './atomicity.ts';
import { conform } from './conform.ts';

conform('atomicity', atomicityRows);
