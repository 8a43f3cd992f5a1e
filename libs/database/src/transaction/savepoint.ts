// A savepoint as a scope of its own: opened, then kept or taken back.
import { UsageError } from '../kernel/errors.js';
import type { Events } from '../kernel/events.js';
import type { TripDesk } from '../query/trip-desk.js';
import type { Ambient } from './ambient.js';
import { callHooks } from './hooks.js';
import type { Scope } from './scope.js';

const STRAY = 'The savepoint ended while this statement waited. Await all statements inside it.';

/** What a savepoint works with. */
export interface SavepointParts {
  readonly desk: TripDesk;
  readonly ambient: Ambient;
  readonly events: Events;
}

/** A part of a transaction with a fate of its own. While it is open, statements of the outer scope wait. */
export class Savepoint {
  private constructor(
    readonly scope: Scope,
    private readonly outer: Scope,
    private readonly parts: SavepointParts,
  ) {}

  /**
   * Waits until `outer` has no other one open.
   * @throws UsageError when `outer` is over.
   */
  static async open(outer: Scope, parts: SavepointParts): Promise<Savepoint> {
    outer.requireActive();
    const scope = await outer.openInner();
    const savepoint = new Savepoint(scope, outer, parts);
    try {
      await savepoint.send(`SAVEPOINT ${savepoint.name}`);
    } catch (error) {
      savepoint.close(error);
      throw error;
    }
    return savepoint;
  }

  /** Keeps what was done inside. When this throws, roll back. */
  async release(): Promise<void> {
    const { scope, outer } = this;
    if (scope.doomedBy !== undefined) throw scope.doomedBy as Error;
    scope.requireNoInner();
    scope.end();
    await this.send(`RELEASE SAVEPOINT ${this.name}`);
    outer.afterCommit.push(...scope.afterCommit);
    outer.afterRollback.push(...scope.afterRollback);
    outer.closeInner();
  }

  /** Takes back what was done inside, because of `cause`. */
  async rollBack(cause?: unknown): Promise<void> {
    const { scope, outer, name } = this;
    scope.end(new UsageError(STRAY, cause));
    try {
      // Otherwise the end of the outer one takes it back, or has done so.
      if (outer.isActive && outer.lease.isUsable) {
        await this.send(`ROLLBACK TO SAVEPOINT ${name}; RELEASE SAVEPOINT ${name}`);
      }
    } finally {
      outer.closeInner();
    }
    await callHooks(scope.afterRollback, this.parts);
  }

  private get name(): string {
    return `sp_${this.scope.depth}`;
  }

  private close(cause: unknown): void {
    this.scope.end(new UsageError(STRAY, cause));
    this.outer.closeInner();
  }

  /** Past the gate of the outer scope, which waits for this one. */
  private async send(text: string): Promise<void> {
    await this.parts.desk.sendOn(this.outer.lease, { text });
  }
}
