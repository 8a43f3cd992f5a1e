// The past at three resolutions: seconds, minutes, hours.
import { METRIC_NAMES } from './metrics.js';
import type { MonitorMetric } from './metrics.js';
import type { HistoryPoint } from './monitor.types.js';
import { Ring } from './ring.js';
import { Interval } from './sample.js';
import type { Sample } from './sample.js';

/** 1 s for 10 minutes, 1 min for 24 hours, 1 h for 30 days: 353 kB. */
const RESOLUTIONS = {
  seconds: { stepMs: 1_000, rows: 600 },
  minutes: { stepMs: 60_000, rows: 1_440 },
  hours: { stepMs: 3_600_000, rows: 720 },
} as const;

/** Samples come with jitter; an interval may end this much early, in ms. */
const TOLERANCE_MS = 500;

interface Level {
  readonly stepMs: number;
  readonly ring: Ring;
  readonly interval: Interval;
}

function levelOf({ stepMs, rows }: { readonly stepMs: number; readonly rows: number }): Level {
  return { stepMs, ring: new Ring(rows, METRIC_NAMES.length), interval: new Interval() };
}

/** Keeps samples; its memory is taken once and never grows. */
export class Timeline {
  private readonly levels = [
    levelOf(RESOLUTIONS.seconds),
    levelOf(RESOLUTIONS.minutes),
    levelOf(RESOLUTIONS.hours),
  ] as const;

  /** Memory of the rings. */
  get bytes(): number {
    return this.levels.reduce((sum, { ring }) => sum + ring.bytes, 0);
  }

  /** `atMs` is wall time. An interval that is not full yet is not part of the past. */
  record(sample: Sample, atMs: number): void {
    for (const { stepMs, ring, interval } of this.levels) {
      interval.add(sample);
      if (interval.elapsedMs >= stepMs - TOLERANCE_MS) ring.push(atMs, interval.take());
    }
  }

  /** At the finest resolution that reaches back to `fromMs`. */
  read(
    metric: MonitorMetric,
    fromMs: number,
    toMs: number,
  ): { readonly stepMs: number; readonly points: HistoryPoint[] } {
    const column = METRIC_NAMES.indexOf(metric);
    const [seconds, minutes, hours] = this.levels;
    const finer = [seconds, minutes].find(({ ring }) => ring.reachesBackTo(fromMs));
    const level = finer ?? hours;
    const points = level.ring
      .column(column, fromMs, toMs)
      .map(([atMs, value]) => ({ atMs, value: Number.isNaN(value) ? null : value }));
    return { stepMs: level.stepMs, points };
  }
}
