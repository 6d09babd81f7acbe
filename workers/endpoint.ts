/**
 * A worker_threads port as a comlink endpoint. comlink's own node adapter does not resolve under `nodenext`; this is the same translation of
 * events to messages, typed. What comlink needs of the DOM's types is declared in `comlink-env.ts`.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Endpoint } from 'comlink';

type Listener = Parameters<Endpoint['addEventListener']>[1];

/** Wraps a port for comlink. */
export function endpoint(port: MessagePort): Endpoint {
  const wrapped = new WeakMap<Listener, (data: unknown) => void>();
  return {
    postMessage: (message, transfer) => port.postMessage(message, (transfer ?? []) as never[]),
    addEventListener: (_type, listener) => {
      const receive = (data: unknown): void => {
        const event = { data } as MessageEvent;
        if (typeof listener === 'function') listener(event);
        else listener.handleEvent(event);
      };
      wrapped.set(listener, receive);
      port.on('message', receive);
    },
    removeEventListener: (_type, listener) => {
      const receive = wrapped.get(listener);
      if (receive) port.off('message', receive);
      wrapped.delete(listener);
    },
    start: () => port.start(),
  };
}
