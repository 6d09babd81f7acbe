/**
 * The traced instruction set, complete: the read-modify-writes on top of {@link TracedAccess}. All forms are the full operation, as on hardware; the form
 * is recorded, and judged by the detectors.
 */
import type { Addr, Isa } from '../../../src/arch/index.ts';
import { OP } from '../trace.ts';
import { TracedAccess } from './access.ts';

const OP_fetchAdd = OP.fetchAdd!;
const OP_fetchAddAcquire = OP.fetchAddAcquire!;
const OP_fetchAddRelease = OP.fetchAddRelease!;
const OP_fetchAddRelaxed = OP.fetchAddRelaxed!;
const OP_fetchAnd = OP.fetchAnd!;
const OP_fetchAndAcquire = OP.fetchAndAcquire!;
const OP_fetchAndRelease = OP.fetchAndRelease!;
const OP_fetchAndRelaxed = OP.fetchAndRelaxed!;
const OP_fetchOr = OP.fetchOr!;
const OP_fetchOrAcquire = OP.fetchOrAcquire!;
const OP_fetchOrRelease = OP.fetchOrRelease!;
const OP_fetchOrRelaxed = OP.fetchOrRelaxed!;
const OP_fetchXor = OP.fetchXor!;
const OP_fetchXorAcquire = OP.fetchXorAcquire!;
const OP_fetchXorRelease = OP.fetchXorRelease!;
const OP_fetchXorRelaxed = OP.fetchXorRelaxed!;
const OP_exchange = OP.exchange!;
const OP_exchangeAcquire = OP.exchangeAcquire!;
const OP_exchangeRelease = OP.exchangeRelease!;
const OP_exchangeRelaxed = OP.exchangeRelaxed!;
const OP_compareExchange = OP.compareExchange!;
const OP_compareExchangeAcquire = OP.compareExchangeAcquire!;
const OP_compareExchangeRelease = OP.compareExchangeRelease!;
const OP_compareExchangeRelaxed = OP.compareExchangeRelaxed!;
const OP_casFailed = OP.casFailed!;
const OP_casFailedAcquire = OP.casFailedAcquire!;
const OP_casFailedRelease = OP.casFailedRelease!;
const OP_casFailedRelaxed = OP.casFailedRelaxed!;

/** {@link Isa} in which every access is recorded. */
export class TracedIsa extends TracedAccess implements Isa {
  fetchAdd(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAddTo(addr, operand);
    this.wrote(OP_fetchAdd, addr, (before + operand) | 0, before);
    return before;
  }

  fetchAddAcquire(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAddTo(addr, operand);
    this.wrote(OP_fetchAddAcquire, addr, (before + operand) | 0, before);
    return before;
  }

  fetchAddRelease(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAddTo(addr, operand);
    this.wrote(OP_fetchAddRelease, addr, (before + operand) | 0, before);
    return before;
  }

  fetchAddRelaxed(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAddTo(addr, operand);
    this.wrote(OP_fetchAddRelaxed, addr, (before + operand) | 0, before);
    return before;
  }

  fetchAnd(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAndTo(addr, operand);
    this.wrote(OP_fetchAnd, addr, before & operand, before);
    return before;
  }

  fetchAndAcquire(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAndTo(addr, operand);
    this.wrote(OP_fetchAndAcquire, addr, before & operand, before);
    return before;
  }

  fetchAndRelease(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAndTo(addr, operand);
    this.wrote(OP_fetchAndRelease, addr, before & operand, before);
    return before;
  }

  fetchAndRelaxed(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchAndTo(addr, operand);
    this.wrote(OP_fetchAndRelaxed, addr, before & operand, before);
    return before;
  }

  fetchOr(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchOrTo(addr, operand);
    this.wrote(OP_fetchOr, addr, before | operand, before);
    return before;
  }

  fetchOrAcquire(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchOrTo(addr, operand);
    this.wrote(OP_fetchOrAcquire, addr, before | operand, before);
    return before;
  }

  fetchOrRelease(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchOrTo(addr, operand);
    this.wrote(OP_fetchOrRelease, addr, before | operand, before);
    return before;
  }

  fetchOrRelaxed(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchOrTo(addr, operand);
    this.wrote(OP_fetchOrRelaxed, addr, before | operand, before);
    return before;
  }

  fetchXor(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchXorTo(addr, operand);
    this.wrote(OP_fetchXor, addr, before ^ operand, before);
    return before;
  }

  fetchXorAcquire(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchXorTo(addr, operand);
    this.wrote(OP_fetchXorAcquire, addr, before ^ operand, before);
    return before;
  }

  fetchXorRelease(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchXorTo(addr, operand);
    this.wrote(OP_fetchXorRelease, addr, before ^ operand, before);
    return before;
  }

  fetchXorRelaxed(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.fetchXorTo(addr, operand);
    this.wrote(OP_fetchXorRelaxed, addr, before ^ operand, before);
    return before;
  }

  exchange(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.exchangeTo(addr, operand);
    this.wrote(OP_exchange, addr, operand | 0, before);
    return before;
  }

  exchangeAcquire(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.exchangeTo(addr, operand);
    this.wrote(OP_exchangeAcquire, addr, operand | 0, before);
    return before;
  }

  exchangeRelease(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.exchangeTo(addr, operand);
    this.wrote(OP_exchangeRelease, addr, operand | 0, before);
    return before;
  }

  exchangeRelaxed(addr: Addr, operand: number): number {
    this.enter(addr);
    const before = this.exchangeTo(addr, operand);
    this.wrote(OP_exchangeRelaxed, addr, operand | 0, before);
    return before;
  }

  compareExchange(addr: Addr, expected: number, value: number): number {
    this.enter(addr);
    const before = this.compareExchangeTo(addr, expected, value);
    if (before === (expected | 0)) this.wrote(OP_compareExchange, addr, value | 0, before);
    else this.refused(OP_casFailed, addr, before);
    return before;
  }

  compareExchangeAcquire(addr: Addr, expected: number, value: number): number {
    this.enter(addr);
    const before = this.compareExchangeTo(addr, expected, value);
    if (before === (expected | 0)) this.wrote(OP_compareExchangeAcquire, addr, value | 0, before);
    else this.refused(OP_casFailedAcquire, addr, before);
    return before;
  }

  compareExchangeRelease(addr: Addr, expected: number, value: number): number {
    this.enter(addr);
    const before = this.compareExchangeTo(addr, expected, value);
    if (before === (expected | 0)) this.wrote(OP_compareExchangeRelease, addr, value | 0, before);
    else this.refused(OP_casFailedRelease, addr, before);
    return before;
  }

  compareExchangeRelaxed(addr: Addr, expected: number, value: number): number {
    this.enter(addr);
    const before = this.compareExchangeTo(addr, expected, value);
    if (before === (expected | 0)) this.wrote(OP_compareExchangeRelaxed, addr, value | 0, before);
    else this.refused(OP_casFailedRelaxed, addr, before);
    return before;
  }
}
