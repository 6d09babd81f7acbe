/** The instruction set and its engines. */
export { AtomicsIsa } from './atomics.ts';
export {
  type Addr,
  type Cas,
  type Isa,
  type Load,
  type Rmw,
  type Store,
  ult,
  WAIT_NOT_EQUAL,
  WAIT_TIMED_OUT,
  WAIT_WOKEN,
  type WaitingPolicy,
  type WaitResult,
} from './isa.ts';
export {
  BLOCKED_NO,
  BLOCKED_SPIN,
  BLOCKED_WAIT,
  ENGINE_BYTES,
  type IsaHost,
  parkersOf,
  WAIT_RECORD_BYTES,
  WaitRecord,
} from './waiting.ts';
export { WasmIsa } from './wasm.ts';
export { isWasmMemory, type WasmMemory, webAssembly } from './webassembly.ts';
