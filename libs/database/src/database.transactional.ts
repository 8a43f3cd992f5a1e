// Methods as transactions: @Transactional() on a provider's or controller's method.
import { Inject } from '@nestjs/common';
import { DEFAULT_INSTANCE } from './database.instance.js';
import type { DatabaseService } from './database.service.js';
import { getDatabaseToken } from './database.tokens.js';
import { UsageError } from './kernel/errors.js';
import type { TransactionOptions } from './transaction/transaction.options.js';

/** Options of {@link Transactional}: those of `db.transaction`, and the instance. */
export interface TransactionalOptions extends Omit<TransactionOptions, 'signal'> {
  /** Name of the instance of the module. @default 'default' */
  readonly instance?: string | undefined;
}

type Method = (...args: never[]) => unknown;

/** Where Nest puts the service of an instance; a symbol, so that it meets no property of the class. */
const keyOf = (instance: string): symbol => Symbol.for(`nestjs-database:transactional:${instance}`);

/**
 * Runs the method in a transaction: COMMIT when its promise resolves, ROLLBACK when it rejects. A call from inside
 * another one joins it, unless `propagation` says otherwise; after 40001, 40P01 or a connection lost before COMMIT
 * the method runs again. The class has to be made by Nest, which injects the service; the method becomes async, and
 * what other decorators have noted on it is kept.
 * @throws UsageError, at the call, when the object was not made by Nest.
 */
export function Transactional(options: TransactionalOptions = {}): MethodDecorator {
  const { instance = DEFAULT_INSTANCE, ...transaction } = options;
  const key = keyOf(instance);
  return (target: object, name: string | symbol, descriptor: PropertyDescriptor) => {
    const method = descriptor.value as Method | undefined;
    if (typeof method !== 'function') {
      throw new UsageError(`@Transactional() stands on ${String(name)}, which is no method.`);
    }
    Inject(getDatabaseToken(instance))(target, key);
    const wrapped = async function (this: Record<symbol, DatabaseService>, ...args: never[]) {
      const db = this[key];
      if (db === undefined) {
        throw new UsageError(
          `${String(name)}() is @Transactional(), and its object was not made by Nest. Add its class to the providers of a module.`,
        );
      }
      return db.transaction(async () => method.apply(this, args), transaction);
    };
    keepMetadata(method, wrapped);
    Object.defineProperty(wrapped, 'name', { value: method.name });
    descriptor.value = wrapped;
  };
}

/** Routes, guards and interceptors are noted on the function itself. */
function keepMetadata(from: object, to: object): void {
  for (const key of Reflect.getMetadataKeys(from)) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, from), to);
  }
}
