// The error of a promise that has to fail.
import { expect } from '@jest/globals';

/** The rejection of `promise`, which has to be of `kind`. Handled from the moment of the call. */
export async function failure<T extends Error>(
  promise: Promise<unknown>,
  kind: abstract new (...args: never[]) => T,
): Promise<T> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(kind);
  return error as T;
}
