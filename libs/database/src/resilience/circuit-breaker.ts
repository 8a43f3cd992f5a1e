// One circuit per node: closed, open, half-open; counts failures of server and network only.
import type { Clock } from '../kernel/clock.js';
import type { Events } from '../kernel/events.js';
import type { BreakerOptions } from './resilience.options.js';

/** Where a circuit stands. */
export type CircuitState = 'closed' | 'open' | 'half-open';

/** A circuit as it is seen from outside. */
export interface CircuitSnapshot {
  readonly node: string;
  readonly state: CircuitState;
  /** Calls and failures within the window, in the closed state. */
  readonly calls: number;
  readonly failures: number;
  /** Time until the next probe, in ms; 0 unless open. */
  readonly retryAfterMs: number;
  readonly lastError: string | undefined;
}

type State =
  | { readonly name: 'closed' }
  | { readonly name: 'open'; readonly untilMs: number }
  | { readonly name: 'half-open'; inFlight: number; succeeded: number };

/** Buckets of the sliding window. */
const BUCKETS = 10;

/**
 * Admission ticket of one call. Results of an older generation are ignored: a slow call that was
 * let in before the circuit opened says nothing about the present.
 */
export interface Ticket {
  readonly generation: number;
}

/** A sliding time window of calls with a minimum volume. Not a queue: what is refused is refused at once. */
export class CircuitBreaker {
  private state: State = { name: 'closed' };
  private generation = { generation: 0 };
  private readonly calls = new Array<number>(BUCKETS).fill(0);
  private readonly failures = new Array<number>(BUCKETS).fill(0);
  private bucket = 0;
  private lastErrorSeen: Error | undefined;

  constructor(
    private readonly node: string,
    private readonly options: BreakerOptions,
    private readonly clock: Clock,
    private readonly events: Events,
    /** Asked before the circuit opens: of several servers for the same work not all may be out. */
    private readonly mayOpen: () => boolean = () => true,
  ) {}

  /** The last failure that counted; the cause of a refusal. */
  get lastError(): Error | undefined {
    return this.lastErrorSeen;
  }

  /** Time until the next probe, in ms; 0 when calls are let in. */
  get retryAfterMs(): number {
    if (this.state.name !== 'open') return 0;
    return Math.max(0, this.state.untilMs - this.clock.monotonicMs());
  }

  /** Whether a call would be let in now; takes no ticket. */
  get isPassable(): boolean {
    if (this.state.name === 'open') return this.retryAfterMs === 0;
    return this.state.name === 'closed' || this.state.inFlight < this.options.probes;
  }

  /** A ticket, or undefined when the call is refused. Every ticket must be handed in again. */
  enter(): Ticket | undefined {
    if (this.state.name === 'open' && this.retryAfterMs === 0) this.halfOpen();
    if (this.state.name === 'closed') return this.generation;
    if (this.state.name === 'open' || this.state.inFlight >= this.options.probes) return undefined;
    this.state.inFlight++;
    return this.generation;
  }

  succeeded(ticket: Ticket): void {
    if (ticket !== this.generation) return;
    if (this.state.name === 'closed') this.count(false);
    else if (this.state.name === 'half-open') {
      this.state.inFlight--;
      this.state.succeeded++;
      if (this.state.succeeded >= this.options.probes) this.close();
    }
  }

  failed(ticket: Ticket, error: Error): void {
    this.lastErrorSeen = error;
    if (ticket !== this.generation) return;
    if (this.state.name === 'half-open') this.open(error);
    else if (this.state.name === 'closed' && this.count(true) && this.mayOpen()) this.open(error);
  }

  /** The call ended without saying anything about the node. */
  abandoned(ticket: Ticket): void {
    if (ticket === this.generation && this.state.name === 'half-open') this.state.inFlight--;
  }

  snapshot(): CircuitSnapshot {
    this.advance();
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
    return {
      node: this.node,
      state: this.state.name,
      calls: sum(this.calls),
      failures: sum(this.failures),
      retryAfterMs: this.retryAfterMs,
      lastError: this.lastErrorSeen?.message,
    };
  }

  /** Counts a call; true when the circuit has to open. */
  private count(isFailure: boolean): boolean {
    this.advance();
    const at = this.bucket % BUCKETS;
    this.calls[at] = (this.calls[at] ?? 0) + 1;
    if (!isFailure) return false;
    this.failures[at] = (this.failures[at] ?? 0) + 1;
    let calls = 0;
    let failures = 0;
    for (let i = 0; i < BUCKETS; i++) {
      calls += this.calls[i] ?? 0;
      failures += this.failures[i] ?? 0;
    }
    return calls >= this.options.minimumCalls && failures / calls >= this.options.failureRatio;
  }

  /** Empties the buckets that have left the window. */
  private advance(): void {
    const now = Math.floor(this.clock.monotonicMs() / (this.options.windowMs / BUCKETS));
    const stale = Math.min(now - this.bucket, BUCKETS);
    for (let i = 1; i <= stale; i++) this.calls[(this.bucket + i) % BUCKETS] = 0;
    for (let i = 1; i <= stale; i++) this.failures[(this.bucket + i) % BUCKETS] = 0;
    this.bucket = now;
  }

  private become(state: State): void {
    this.state = state;
    this.generation = { generation: this.generation.generation + 1 };
  }

  private open(error: Error): void {
    const { openMs } = this.options;
    this.become({ name: 'open', untilMs: this.clock.monotonicMs() + openMs });
    this.events.emit('circuit:opened', { node: this.node, openMs, error });
  }

  private halfOpen(): void {
    this.become({ name: 'half-open', inFlight: 0, succeeded: 0 });
    this.events.emit('circuit:half-opened', { node: this.node });
  }

  private close(): void {
    this.become({ name: 'closed' });
    this.calls.fill(0);
    this.failures.fill(0);
    this.events.emit('circuit:closed', { node: this.node });
  }
}
