// Makes a data source ready: at once when the database is there, by itself later when it is not.
import type { Clock } from '../../kernel/clock.js';
import { findDatabaseError } from '../../kernel/error-chain.js';
import {
  CircuitOpenError,
  ConnectionError,
  PoolOverloadedError,
  PoolTimeoutError,
} from '../../kernel/errors.js';
import type { Events } from '../../kernel/events.js';
import { Ticker } from '../../kernel/ticker.js';
import type { PooledDataSource } from './pooled-data-source.js';

/** What a start depends on. */
export interface StarterParts {
  readonly clock: Clock;
  readonly events: Events;
  /** False starts the application without its database. */
  readonly waitsForDatabase: boolean;
  /** Looks now; resolves within the limits of a probe. */
  readonly findPrimary: () => Promise<boolean>;
  /** What the last look saw. */
  readonly isPrimaryReachable: () => boolean;
  /** Adds a step that is done before the pools close. */
  readonly onClose: (step: () => void) => void;
}

const EVERY_MS = 1_000;
/** Pause after a failure that was not the absence of the database. */
const PAUSE_MS = { initial: 1_000, max: 30_000 };

/** True when the database could not be reached, which says nothing about the data source. */
function isAbsence(error: unknown): boolean {
  const ours = findDatabaseError(error);
  return (
    (ours instanceof ConnectionError && ours.transient) ||
    ours instanceof CircuitOpenError ||
    ours instanceof PoolTimeoutError ||
    ours instanceof PoolOverloadedError
  );
}

/**
 * Starts the data source, in the background when the database is absent and the application does not wait for it.
 * @throws what is wrong with its entities, its migrations or its schema.
 */
export async function startDataSource(
  dataSource: PooledDataSource,
  parts: StarterParts,
): Promise<void> {
  await dataSource.prepare();
  if (parts.waitsForDatabase) {
    await dataSource.initialize();
    return;
  }
  try {
    if (await parts.findPrimary()) {
      await dataSource.initialize();
      return;
    }
  } catch (error) {
    if (!isAbsence(error)) throw error;
  }
  startLater(dataSource, parts);
}

function startLater(dataSource: PooledDataSource, parts: StarterParts): void {
  const { clock, events } = parts;
  let notBeforeMs = 0;
  let pauseMs = PAUSE_MS.initial;
  const failed = (error: unknown): void => {
    events.emit('work:failed', { work: 'start of the TypeORM data source', error });
    if (isAbsence(error)) return;
    notBeforeMs = clock.monotonicMs() + pauseMs;
    pauseMs = Math.min(pauseMs * 2, PAUSE_MS.max);
  };
  const run = async (): Promise<void> => {
    if (!parts.isPrimaryReachable() || clock.monotonicMs() < notBeforeMs) return;
    if (!dataSource.isInitialized) await dataSource.initialize();
    void ticker.stop();
  };
  const ticker = new Ticker({ clock, everyMs: EVERY_MS, run, failed });
  // Not awaited: a migration under way is cancelled by its pool.
  parts.onClose(() => void ticker.stop());
  ticker.start();
}
