// The pools as GET /health/metrics of the app reports them.

/** One pool at one moment. */
export interface PoolFigures {
  readonly name: string;
  readonly open: number;
  readonly idle: number;
  readonly leased: number;
  readonly waiting: number;
  readonly max: number;
  /** leased / max, 0 to 1. */
  readonly utilizationRatio: number;
}

/** One pool over the whole time, as far as it was looked at. */
export interface PoolPeaks {
  readonly name: string;
  readonly max: number;
  readonly peakLeased: number;
  readonly peakWaiting: number;
  readonly meanRatio: number;
}

/** Part of the answer of /health/metrics. */
interface HealthMetrics {
  readonly pools: Readonly<
    Record<
      string,
      {
        readonly totalCount: number;
        readonly idleCount: number;
        readonly waitingCount: number;
        readonly maxCount: number;
        readonly utilization: number;
      }
    >
  >;
}

const TIMEOUT_MS = 2_000;

/** Looks at the pools and remembers their peaks. */
export class PoolWatch {
  latest: readonly PoolFigures[] = [];
  private readonly sums = new Map<string, PoolPeaks & { looks: number; ratios: number }>();

  constructor(private readonly url: string) {}

  /** Looks once; an app that does not answer keeps the last figures. */
  async look(): Promise<void> {
    try {
      const answer = await fetch(`${this.url}/health/metrics`, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (answer.ok) this.keep((await answer.json()) as HealthMetrics);
      else await answer.body?.cancel();
    } catch {
      // The traffic counts network errors already.
    }
  }

  get peaks(): readonly PoolPeaks[] {
    return [...this.sums.values()];
  }

  private keep({ pools }: HealthMetrics): void {
    this.latest = Object.entries(pools).map(([name, pool]) => ({
      name,
      open: pool.totalCount,
      idle: pool.idleCount,
      leased: Math.round(pool.utilization * pool.maxCount),
      waiting: pool.waitingCount,
      max: pool.maxCount,
      utilizationRatio: pool.utilization,
    }));
    for (const { name, max, leased, waiting, utilizationRatio } of this.latest) {
      const before = this.sums.get(name);
      const looks = (before?.looks ?? 0) + 1;
      const ratios = (before?.ratios ?? 0) + utilizationRatio;
      const peakLeased = Math.max(before?.peakLeased ?? 0, leased);
      const peakWaiting = Math.max(before?.peakWaiting ?? 0, waiting);
      this.sums.set(name, {
        name,
        max,
        peakLeased,
        peakWaiting,
        meanRatio: ratios / looks,
        looks,
        ratios,
      });
    }
  }
}
