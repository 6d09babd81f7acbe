// The names of the DOM's types that comlink's declarations use, for programs without the DOM.
import type { MessagePort as NodePort, Transferable as NodeTransferable } from 'node:worker_threads';

declare global {
  interface MessagePort extends NodePort {}
  type Transferable = NodeTransferable;
  interface EventListenerObject {
    handleEvent(event: Event): void;
  }
  type EventListenerOrEventListenerObject = ((event: Event) => void) | EventListenerObject;
  interface MessageEvent<T = unknown> extends Event {
    readonly data: T;
  }
}
