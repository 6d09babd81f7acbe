/**
 * The traced instruction set, complete: the read-modify-writes on top of {@link TracedAccess}. All forms are the full operation, as on hardware; the form
 * is recorded, and judged by the detectors.
 */
import type { Addr, Isa } from '../../../src/arch/index.ts';
import { OP } from '../trace.ts';
import { TracedAccess } from './access.ts';

/** An operation as it stands in a record. */
const op = (name: string): number => OP[name]! << 24;
const OP_fetchAdd = op('fetchAdd');
const OP_fetchAddAcquire = op('fetchAddAcquire');
const OP_fetchAddRelease = op('fetchAddRelease');
const OP_fetchAddRelaxed = op('fetchAddRelaxed');
const OP_fetchAnd = op('fetchAnd');
const OP_fetchAndAcquire = op('fetchAndAcquire');
const OP_fetchAndRelease = op('fetchAndRelease');
const OP_fetchAndRelaxed = op('fetchAndRelaxed');
const OP_fetchOr = op('fetchOr');
const OP_fetchOrAcquire = op('fetchOrAcquire');
const OP_fetchOrRelease = op('fetchOrRelease');
const OP_fetchOrRelaxed = op('fetchOrRelaxed');
const OP_fetchXor = op('fetchXor');
const OP_fetchXorAcquire = op('fetchXorAcquire');
const OP_fetchXorRelease = op('fetchXorRelease');
const OP_fetchXorRelaxed = op('fetchXorRelaxed');
const OP_exchange = op('exchange');
const OP_exchangeAcquire = op('exchangeAcquire');
const OP_exchangeRelease = op('exchangeRelease');
const OP_exchangeRelaxed = op('exchangeRelaxed');
const OP_compareExchange = op('compareExchange');
const OP_compareExchangeAcquire = op('compareExchangeAcquire');
const OP_compareExchangeRelease = op('compareExchangeRelease');
const OP_compareExchangeRelaxed = op('compareExchangeRelaxed');
const OP_casFailed = op('casFailed');
const OP_casFailedAcquire = op('casFailedAcquire');
const OP_casFailedRelease = op('casFailedRelease');
const OP_casFailedRelaxed = op('casFailedRelaxed');

/** {@link Isa} in which every access is recorded. */
export class TracedIsa extends TracedAccess implements Isa {
  fetchAdd(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAddTo(addr, operand);
    this.wrote(OP_fetchAdd | (addr >>> 2), (before + operand) | 0, before);
    return before;
  }

  fetchAddAcquire(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAddTo(addr, operand);
    this.wrote(OP_fetchAddAcquire | (addr >>> 2), (before + operand) | 0, before);
    return before;
  }

  fetchAddRelease(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAddTo(addr, operand);
    this.wrote(OP_fetchAddRelease | (addr >>> 2), (before + operand) | 0, before);
    return before;
  }

  fetchAddRelaxed(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAddTo(addr, operand);
    this.wrote(OP_fetchAddRelaxed | (addr >>> 2), (before + operand) | 0, before);
    return before;
  }

  fetchAnd(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAndTo(addr, operand);
    this.wrote(OP_fetchAnd | (addr >>> 2), before & operand, before);
    return before;
  }

  fetchAndAcquire(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAndTo(addr, operand);
    this.wrote(OP_fetchAndAcquire | (addr >>> 2), before & operand, before);
    return before;
  }

  fetchAndRelease(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAndTo(addr, operand);
    this.wrote(OP_fetchAndRelease | (addr >>> 2), before & operand, before);
    return before;
  }

  fetchAndRelaxed(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAndTo(addr, operand);
    this.wrote(OP_fetchAndRelaxed | (addr >>> 2), before & operand, before);
    return before;
  }

  fetchOr(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchOrTo(addr, operand);
    this.wrote(OP_fetchOr | (addr >>> 2), before | operand, before);
    return before;
  }

  fetchOrAcquire(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchOrTo(addr, operand);
    this.wrote(OP_fetchOrAcquire | (addr >>> 2), before | operand, before);
    return before;
  }

  fetchOrRelease(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchOrTo(addr, operand);
    this.wrote(OP_fetchOrRelease | (addr >>> 2), before | operand, before);
    return before;
  }

  fetchOrRelaxed(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchOrTo(addr, operand);
    this.wrote(OP_fetchOrRelaxed | (addr >>> 2), before | operand, before);
    return before;
  }

  fetchXor(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchXorTo(addr, operand);
    this.wrote(OP_fetchXor | (addr >>> 2), before ^ operand, before);
    return before;
  }

  fetchXorAcquire(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchXorTo(addr, operand);
    this.wrote(OP_fetchXorAcquire | (addr >>> 2), before ^ operand, before);
    return before;
  }

  fetchXorRelease(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchXorTo(addr, operand);
    this.wrote(OP_fetchXorRelease | (addr >>> 2), before ^ operand, before);
    return before;
  }

  fetchXorRelaxed(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchXorTo(addr, operand);
    this.wrote(OP_fetchXorRelaxed | (addr >>> 2), before ^ operand, before);
    return before;
  }

  exchange(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.exchangeTo(addr, operand);
    this.wrote(OP_exchange | (addr >>> 2), operand | 0, before);
    return before;
  }

  exchangeAcquire(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.exchangeTo(addr, operand);
    this.wrote(OP_exchangeAcquire | (addr >>> 2), operand | 0, before);
    return before;
  }

  exchangeRelease(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.exchangeTo(addr, operand);
    this.wrote(OP_exchangeRelease | (addr >>> 2), operand | 0, before);
    return before;
  }

  exchangeRelaxed(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.exchangeTo(addr, operand);
    this.wrote(OP_exchangeRelaxed | (addr >>> 2), operand | 0, before);
    return before;
  }

  compareExchange(addr: Addr, expected: number, value: number): number {
    this.enter(addr);
    const before = this.compareExchangeTo(addr, expected, value);
    if (before === (expected | 0)) this.wrote(OP_compareExchange | (addr >>> 2), value | 0, before);
    else this.refused(OP_casFailed | (addr >>> 2), before);
    return before;
  }

  compareExchangeAcquire(addr: Addr, expected: number, value: number): number {
    this.enter(addr);
    const before = this.compareExchangeTo(addr, expected, value);
    if (before === (expected | 0)) this.wrote(OP_compareExchangeAcquire | (addr >>> 2), value | 0, before);
    else this.refused(OP_casFailedAcquire | (addr >>> 2), before);
    return before;
  }

  compareExchangeRelease(addr: Addr, expected: number, value: number): number {
    this.enter(addr);
    const before = this.compareExchangeTo(addr, expected, value);
    if (before === (expected | 0)) this.wrote(OP_compareExchangeRelease | (addr >>> 2), value | 0, before);
    else this.refused(OP_casFailedRelease | (addr >>> 2), before);
    return before;
  }

  compareExchangeRelaxed(addr: Addr, expected: number, value: number): number {
    this.enter(addr);
    const before = this.compareExchangeTo(addr, expected, value);
    if (before === (expected | 0)) this.wrote(OP_compareExchangeRelaxed | (addr >>> 2), value | 0, before);
    else this.refused(OP_casFailedRelaxed | (addr >>> 2), before);
    return before;
  }
}
