// The many forms of `query(...)` in `pg`, read into one.
import { UsageError } from '../kernel/errors.js';
import type { Statement } from '../query/query.js';
import type { Caller } from '../query/trip.js';
import { asPgError } from './pg-error.js';
import type { PgCallback, PgQueryConfig, PgResult, PgSubmittable } from './pg-pool.types.js';

/** One call of `query(...)`. */
export interface PgCall {
  readonly what: Statement | PgSubmittable;
  readonly callback: PgCallback | undefined;
  readonly timeoutMs: number | undefined;
}

/** Settings of a statement that change the protocol in a way that is not offered here. */
const REFUSED = ['binary', 'rows', 'portal', 'queryMode'] as const;

/** Whether this is a cursor, a stream or the like. */
export function isSubmittable(what: unknown): what is PgSubmittable {
  return typeof (what as Partial<PgSubmittable> | null | undefined)?.submit === 'function';
}

/** What most calls are: a text, and perhaps values. */
function statementOf(text: string, values: unknown): Statement {
  const given = (values ?? undefined) as readonly unknown[] | undefined;
  return { text, values: given, name: undefined, rowMode: undefined, types: undefined };
}

function toStatement(config: PgQueryConfig, values: unknown): Statement | UsageError {
  const refused = REFUSED.find((key) => (config as unknown as Record<string, unknown>)[key]);
  if (refused !== undefined) {
    return new UsageError(`query({ ${refused} }) is not supported here. Leave it out.`);
  }
  if (typeof config.text !== 'string') {
    return new UsageError('query() needs a text: query(text, values) or query({ text, values }).');
  }
  // As in `pg`: values beside the object go before those inside.
  const given = (values ?? config.values ?? undefined) as readonly unknown[] | undefined;
  const { text, name, rowMode, types } = config;
  return { text, values: given, name, rowMode, types };
}

/** Reads `(text | config | submittable, values?, callback?)` and `(..., callback)`; the error for anything else. */
export function readCall(args: readonly unknown[]): PgCall | UsageError {
  const [first, second, third] = args;
  const values = typeof second === 'function' ? undefined : second;
  const callback = (typeof second === 'function' ? second : third) as PgCallback | undefined;
  if (typeof first === 'string')
    return { what: statementOf(first, values), callback, timeoutMs: undefined };
  if (isSubmittable(first)) return { what: first, callback, timeoutMs: undefined };
  if (typeof first !== 'object' || first === null) {
    return new UsageError('query() takes a text, an object with a text, or a cursor or stream.');
  }
  const config = first as PgQueryConfig & { readonly callback?: PgCallback };
  const what = toStatement(config, values);
  if (what instanceof UsageError) return what;
  // As in `pg`, 0 sets no limit of its own.
  const timeoutMs = config.query_timeout === 0 ? undefined : config.query_timeout;
  return { what, callback: callback ?? config.callback, timeoutMs };
}

/** Throws when the promise that was settled by this one awaits it: the stack then leads to whom that promise was given. */
async function thrown(error: unknown): Promise<never> {
  await Promise.resolve();
  await Promise.resolve();
  throw asPgError(error);
}

/** The one promise of a call, for what `ask` tells its caller; what `ask` throws is told too. */
export function asked(ask: (caller: Caller<PgResult>) => void): Promise<PgResult> {
  return new Promise((resolve) => {
    const reject = (error: unknown): void => resolve(thrown(error));
    try {
      ask({ resolve, reject });
    } catch (error) {
      reject(error);
    }
  });
}

/** Tells the caller how a promise was settled. */
export function tell<Result>(caller: Caller<Result>, promise: Promise<Result>): void {
  promise.then(
    (result) => caller.resolve(result),
    (error: unknown) => caller.reject(error),
  );
}

/** Tells the callback, when there is one, outside of the promise: what it throws is its own affair. */
export function answer<T>(
  promise: Promise<T>,
  callback: ((error: Error | undefined, result: T) => void) | undefined,
): Promise<T> | undefined {
  if (callback === undefined) return promise;
  promise.then(
    (result) => process.nextTick(callback, undefined, result),
    (error: unknown) => process.nextTick(callback, error, undefined),
  );
  return undefined;
}
