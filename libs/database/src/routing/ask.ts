// One question to one server, on a connection that nobody else uses, answered in time or not at all.
import type { Clock } from '../kernel/clock.js';
import { QueryTimeoutError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';

/** The little that a question needs of a connection. */
export interface AskedConnection {
  readonly backendPid: number;
  readonly isUsable: boolean;
  execute(
    statement: { readonly text: string },
    reply: { replied(error: DatabaseError | undefined, result: unknown): void },
  ): void;
  destroy(): void;
}

/** Time for an answer that has arrived to be read, in ms. */
const LAST_CHANCE_MS = 10;

/**
 * The rows that a text gives; of several statements none. `received` is called with the answer, before whatever the
 * server sent behind it. A connection that does not answer in time is destroyed.
 * @throws QueryTimeoutError then; else what the statement failed with.
 */
export function ask<Row>(
  connection: AskedConnection,
  text: string,
  limits: { readonly clock: Clock; readonly timeoutMs: number },
  received?: () => void,
): Promise<Row[]> {
  const { clock, timeoutMs } = limits;
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      // Before the destroy, whose own error would say less.
      reject(new QueryTimeoutError(timeoutMs, { outage: true }));
      connection.destroy();
    };
    // When the event loop was blocked the timer is late, and the answer may lie unread: one more turn for it.
    let timer = clock.schedule(() => {
      timer = clock.schedule(giveUp, LAST_CHANCE_MS);
    }, timeoutMs);
    const replied = (error: DatabaseError | undefined, result: unknown): void => {
      timer.cancel();
      if (error !== undefined) {
        reject(error);
        return;
      }
      received?.();
      resolve((result as { readonly rows?: Row[] }).rows ?? []);
    };
    connection.execute({ text }, { replied });
  });
}
