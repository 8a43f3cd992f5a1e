// What a client was asked for: one thing at a time, in the order in which it was given.
import type { UsageError } from '../kernel/errors.js';
import type { Caller } from '../query/trip.js';

/** One thing that was asked for, from its giving to its end. */
export class Turn<Result> implements Caller<Result> {
  constructor(
    private readonly caller: Caller<Result>,
    private readonly work: (turn: Turn<Result>) => void,
    private readonly turns: Turns,
  ) {}

  /** Begins it. */
  go(): void {
    try {
      this.work(this);
    } catch (error) {
      this.reject(error);
    }
  }

  resolve(result: Result): void {
    this.turns.over();
    this.caller.resolve(result);
  }

  reject(error: unknown): void {
    this.turns.over();
    this.caller.reject(error);
  }

  /** Ends it before it was begun. */
  refuse(error: UsageError): void {
    this.caller.reject(error);
  }
}

/** The turns of one client. */
export class Turns {
  private isTaken = false;
  private readonly waiting: Array<Turn<never>> = [];

  /** `seat.giveBack` is called when a turn is over and nothing waits, before the caller is told. */
  constructor(private readonly seat: { giveBack(): void }) {}

  /** True while something is under way. */
  get isBusy(): boolean {
    return this.isTaken;
  }

  /** True while something waits for what is under way. */
  get isAwaited(): boolean {
    return this.waiting.length > 0;
  }

  /** Calls `work` when its turn comes, which is over when the caller is told. */
  add<Result>(caller: Caller<Result>, work: (turn: Turn<Result>) => void): void {
    const turn = new Turn(caller, work, this);
    if (this.isTaken) this.waiting.push(turn);
    else {
      this.isTaken = true;
      turn.go();
    }
  }

  /** Refuses what waits. */
  refuse(newError: () => UsageError): void {
    if (this.waiting.length === 0) return;
    const error = newError();
    for (const turn of this.waiting.splice(0)) turn.refuse(error);
  }

  /** @internal */
  over(): void {
    // Not at once: thousands that end without the server, one inside the other, would overflow the stack.
    if (this.waiting.length > 0) queueMicrotask(() => this.next());
    else this.rest();
  }

  private next(): void {
    const turn = this.waiting.shift();
    if (turn === undefined) this.rest();
    else turn.go();
  }

  private rest(): void {
    this.isTaken = false;
    this.seat.giveBack();
  }
}
