/** spinWhile and spinWhileAny: what ends them and what they answer. */
import { conform } from './conform.ts';
import { waitingRows } from './waiting.ts';

conform('waiting', waitingRows);
