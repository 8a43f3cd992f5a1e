// The only file of the library that writes logs: noteworthy events, through Nest's logger.
import { Logger } from '@nestjs/common';
import type { Clock } from '../kernel/clock.js';
import type { EventMap } from '../kernel/event-map.js';
import type { Events } from '../kernel/events.js';
import { EVENT_LINES } from './event-lines.js';
import type { LogLine } from './event-lines.js';
import { LineLimiter } from './line-limiter.js';
import type { TelemetryOptions } from './telemetry.options.js';

/** What an event log works with. */
export interface EventLogParts {
  readonly events: Events;
  readonly clock: Clock;
  readonly options: Pick<TelemetryOptions, 'logRepeatMs' | 'logBurst'>;
  /** Name before each line, as Nest shows it. */
  readonly context: string;
}

/** Writes from `start` to `stop`; stop it last, so that the closing of the pools is told too. */
export class EventLog {
  private readonly logger: Logger;
  private readonly limiter: LineLimiter;
  private deafen: Array<() => void> = [];

  constructor(private readonly parts: EventLogParts) {
    const { logRepeatMs: repeatMs, logBurst: burst } = parts.options;
    this.logger = new Logger(parts.context);
    this.limiter = new LineLimiter(parts.clock, { repeatMs, burst }, (line) => this.write(line));
  }

  start(): void {
    if (this.deafen.length > 0) return;
    const names = Object.keys(EVENT_LINES) as Array<keyof EventMap>;
    this.deafen = names.map((name) => this.listen(name));
  }

  /** Writes what was held back. */
  stop(): void {
    for (const deafen of this.deafen) deafen();
    this.deafen = [];
    this.limiter.stop();
  }

  private listen<Name extends keyof EventMap>(name: Name): () => void {
    const lineOf = EVENT_LINES[name];
    return this.parts.events.on(name, (facts) => {
      const line = lineOf?.(facts);
      if (line !== undefined) this.limiter.offer(line);
    });
  }

  private write({ level, text }: LogLine): void {
    this.logger[level](text);
  }
}
