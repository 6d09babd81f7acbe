/**
 * The part of the host's WebAssembly that lockrig uses, typed here: neither the types of Node 20 nor plain ECMAScript ones have it, and a
 * library should not ask its users for the DOM's.
 */

/** A shared `WebAssembly.Memory`: the machine's memory. */
export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
}

interface WasmHost {
  Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => WasmMemory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (
    module: object,
    imports: Record<string, Record<string, unknown>>,
  ) => { exports: Record<string, unknown> };
}

/** The host's WebAssembly; undefined where it has none. */
export const webAssembly: WasmHost | undefined = (globalThis as unknown as { WebAssembly?: WasmHost })
  .WebAssembly;

/** Whether a value is a `WebAssembly.Memory`. */
export function isWasmMemory(value: unknown): value is WasmMemory {
  return webAssembly !== undefined && value instanceof webAssembly.Memory;
}
