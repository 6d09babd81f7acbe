/**
 * The gated instruction set, complete: the read-modify-writes on top of loads, stores and waiting. All forms are the full operation, as on hardware; the form
 * is recorded, and judged by the detectors.
 */
import type { Addr, Isa } from '../../../src/arch/index.ts';
import { OP } from '../trace.ts';
import { GatedWaiting } from './waiting.ts';

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

/** {@link Isa} in which every access waits for its turn. */
export class GatedIsa extends GatedWaiting implements Isa {
  fetchAdd(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchAdd, addr);
    return this.wrote(OP_fetchAdd, addr, before, (before + operand) | 0);
  }

  fetchAddAcquire(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchAddAcquire, addr);
    return this.wrote(OP_fetchAddAcquire, addr, before, (before + operand) | 0);
  }

  fetchAddRelease(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchAddRelease, addr);
    return this.wrote(OP_fetchAddRelease, addr, before, (before + operand) | 0);
  }

  fetchAddRelaxed(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchAddRelaxed, addr);
    return this.wrote(OP_fetchAddRelaxed, addr, before, (before + operand) | 0);
  }

  fetchAnd(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchAnd, addr);
    return this.wrote(OP_fetchAnd, addr, before, before & operand);
  }

  fetchAndAcquire(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchAndAcquire, addr);
    return this.wrote(OP_fetchAndAcquire, addr, before, before & operand);
  }

  fetchAndRelease(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchAndRelease, addr);
    return this.wrote(OP_fetchAndRelease, addr, before, before & operand);
  }

  fetchAndRelaxed(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchAndRelaxed, addr);
    return this.wrote(OP_fetchAndRelaxed, addr, before, before & operand);
  }

  fetchOr(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchOr, addr);
    return this.wrote(OP_fetchOr, addr, before, before | operand);
  }

  fetchOrAcquire(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchOrAcquire, addr);
    return this.wrote(OP_fetchOrAcquire, addr, before, before | operand);
  }

  fetchOrRelease(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchOrRelease, addr);
    return this.wrote(OP_fetchOrRelease, addr, before, before | operand);
  }

  fetchOrRelaxed(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchOrRelaxed, addr);
    return this.wrote(OP_fetchOrRelaxed, addr, before, before | operand);
  }

  fetchXor(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchXor, addr);
    return this.wrote(OP_fetchXor, addr, before, before ^ operand);
  }

  fetchXorAcquire(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchXorAcquire, addr);
    return this.wrote(OP_fetchXorAcquire, addr, before, before ^ operand);
  }

  fetchXorRelease(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchXorRelease, addr);
    return this.wrote(OP_fetchXorRelease, addr, before, before ^ operand);
  }

  fetchXorRelaxed(addr: Addr, operand: number): number {
    const before = this.before(OP_fetchXorRelaxed, addr);
    return this.wrote(OP_fetchXorRelaxed, addr, before, before ^ operand);
  }

  exchange(addr: Addr, operand: number): number {
    const before = this.before(OP_exchange, addr);
    return this.wrote(OP_exchange, addr, before, operand | 0);
  }

  exchangeAcquire(addr: Addr, operand: number): number {
    const before = this.before(OP_exchangeAcquire, addr);
    return this.wrote(OP_exchangeAcquire, addr, before, operand | 0);
  }

  exchangeRelease(addr: Addr, operand: number): number {
    const before = this.before(OP_exchangeRelease, addr);
    return this.wrote(OP_exchangeRelease, addr, before, operand | 0);
  }

  exchangeRelaxed(addr: Addr, operand: number): number {
    const before = this.before(OP_exchangeRelaxed, addr);
    return this.wrote(OP_exchangeRelaxed, addr, before, operand | 0);
  }

  compareExchange(addr: Addr, expected: number, value: number): number {
    const before = this.before(OP_compareExchange, addr);
    if (before !== (expected | 0)) return this.failed(OP_casFailed, addr, before);
    return this.wrote(OP_compareExchange, addr, before, value | 0);
  }

  compareExchangeAcquire(addr: Addr, expected: number, value: number): number {
    const before = this.before(OP_compareExchangeAcquire, addr);
    if (before !== (expected | 0)) return this.failed(OP_casFailedAcquire, addr, before);
    return this.wrote(OP_compareExchangeAcquire, addr, before, value | 0);
  }

  compareExchangeRelease(addr: Addr, expected: number, value: number): number {
    const before = this.before(OP_compareExchangeRelease, addr);
    if (before !== (expected | 0)) return this.failed(OP_casFailedRelease, addr, before);
    return this.wrote(OP_compareExchangeRelease, addr, before, value | 0);
  }

  compareExchangeRelaxed(addr: Addr, expected: number, value: number): number {
    const before = this.before(OP_compareExchangeRelaxed, addr);
    if (before !== (expected | 0)) return this.failed(OP_casFailedRelaxed, addr, before);
    return this.wrote(OP_compareExchangeRelaxed, addr, before, value | 0);
  }
}
