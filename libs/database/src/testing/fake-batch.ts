// Statements that a fake server answers together, as a real one does for all that share a Sync.
import { SkippedError } from '../driver/driver.js';
import type { Reply } from '../driver/driver.js';
import { ConnectionError } from '../kernel/errors.js';
import type { DatabaseError } from '../kernel/errors.js';

interface Ended {
  readonly reply: Reply;
  readonly error: DatabaseError | undefined;
  readonly result: unknown;
}

/** Holds the answers back until the last one is there. */
export class FakeBatch {
  private readonly ended: Ended[] = [];
  private joined = 0;
  private isClosed = false;
  private failure: DatabaseError | undefined;

  /** True once one has failed: those behind it are not run. */
  get hasFailed(): boolean {
    return this.failure !== undefined;
  }

  /** Wraps the reply of one more statement. */
  join(reply: Reply): Reply {
    this.joined++;
    return {
      replied: (error, result) => {
        if (!(error instanceof SkippedError)) this.failure ??= error;
        this.ended.push({ reply, error, result });
        this.tell();
      },
    };
  }

  /** Nothing more joins. */
  close(): void {
    this.isClosed = true;
    this.tell();
  }

  private tell(): void {
    if (!this.isClosed || this.ended.length < this.joined) return;
    const { failure } = this;
    for (const { reply, error, result } of this.ended.splice(0)) {
      if (failure instanceof ConnectionError) reply.replied(failure, undefined);
      else if (failure !== undefined && error !== failure)
        reply.replied(new SkippedError(), undefined);
      else reply.replied(error, result);
    }
  }
}
