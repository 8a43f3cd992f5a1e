// Keeps an outage from flooding the log: a few lines a topic, then their number and the last one.
import type { Clock, Timer } from '../kernel/clock.js';
import type { LogLine } from './event-lines.js';
import { durationText } from './log-text.js';

/** How many lines are let through. */
export interface LineLimits {
  /** Time over which lines of a topic are counted, in ms. */
  readonly repeatMs: number;
  /** Lines of a topic before the rest is only counted. */
  readonly burst: number;
}

/** Topics that are watched at a time; lines of further ones share one. */
const MAX_TOPICS = 200;

interface Topic {
  written: number;
  held: number;
  last: LogLine | undefined;
  timer: Timer;
}

/** Lets lines through, or holds them back until their window ends. */
export class LineLimiter {
  private readonly topics = new Map<string, Topic>();

  constructor(
    private readonly clock: Clock,
    private readonly limits: LineLimits,
    private readonly write: (line: LogLine) => void,
  ) {}

  offer(line: LogLine): void {
    const name =
      this.topics.has(line.topic) || this.topics.size < MAX_TOPICS ? line.topic : 'other';
    const topic = this.topics.get(name) ?? this.open(name, 0);
    if (topic.written < this.limits.burst) {
      topic.written++;
      this.write(line);
    } else {
      topic.held++;
      topic.last = line;
    }
  }

  /** Writes what is held back and forgets everything. */
  stop(): void {
    for (const topic of this.topics.values()) {
      topic.timer.cancel();
      this.summarise(topic);
    }
    this.topics.clear();
  }

  private open(name: string, written: number): Topic {
    const timer = this.clock.schedule(() => this.close(name), this.limits.repeatMs);
    const topic = { written, held: 0, last: undefined, timer };
    this.topics.set(name, topic);
    return topic;
  }

  private close(name: string): void {
    const topic = this.topics.get(name);
    this.topics.delete(name);
    if (topic === undefined || topic.held === 0) return;
    this.summarise(topic);
    // It goes on: from here one line a window is enough.
    this.open(name, this.limits.burst);
  }

  private summarise({ held, last }: Topic): void {
    if (last === undefined) return;
    const times = held === 1 ? 'once more' : `${held} more times`;
    const within = durationText(this.limits.repeatMs);
    this.write({ ...last, text: `${last.text} (${times} within ${within})` });
  }
}
