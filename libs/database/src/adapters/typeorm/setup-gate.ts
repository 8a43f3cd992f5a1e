// Who may use a data source before its schema is ready: its own migrations, and nobody else.
import { AsyncLocalStorage } from 'node:async_hooks';
import { ConnectionError } from '../../kernel/errors.js';
import type { TypeormOptions } from './typeorm.options.js';

/** Closed while migrations or schema changes are still to come. */
export class SetupGate {
  private readonly inside = new AsyncLocalStorage<true>();
  private isOpen: boolean;
  private lastFailure: unknown;

  constructor(private readonly options: TypeormOptions) {
    const { dropSchema, migrationsRun, synchronize } = options;
    this.isOpen = dropSchema !== true && migrationsRun !== true && synchronize !== true;
  }

  /** Runs work on the schema: it is let in, and its statements may take long. */
  run<T>(work: () => T): T {
    return this.inside.run(true, work);
  }

  /** The schema is ready; from now on the gate costs nothing. */
  open(): void {
    this.isOpen = true;
    this.inside.disable();
  }

  /** The schema could not be made ready; it is tried again. */
  failed(error: unknown): void {
    this.lastFailure = error;
  }

  /** Why the code that asks is not let in. */
  readonly refusal = (): ConnectionError | undefined => {
    if (this.isOpen || this.inside.getStore() === true) return undefined;
    return new ConnectionError(
      'The data source is not ready: its migrations or schema changes have not run yet. ' +
        'They run by themselves as soon as the database can be reached.',
      { cause: this.lastFailure, safeToRetry: true },
    );
  };

  /** Limit for statements of the code that asks, in ms. */
  readonly timeoutMs = (): number | undefined =>
    this.inside.getStore() === true ? this.options.migrationTimeoutMs : undefined;
}
