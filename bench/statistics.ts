// From the samples of interleaved rounds to one line a peer: medians, and ratios taken within each round.

/** What one peer did in one round. */
export interface Sample {
  readonly opsPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU of this process for one call, in us; null for what runs in a process of its own. */
  readonly cpuUs: number | null;
  /** What only this workload counts, by name. */
  readonly extra?: Readonly<Record<string, number>>;
}

/** Of this process with all peers in it, after the last round and a collection of garbage. */
export interface Memory {
  readonly heapUsedMb: number;
  readonly rssMb: number;
}

/** What one peer did in a workload: medians over the rounds. */
export interface Result extends Sample, Memory {
  readonly name: string;
  /** Median of `opsPerS` to that of the baseline in the same round. */
  readonly ratio: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
}

/** The samples of one peer, one a round. */
export interface Series {
  readonly name: string;
  readonly samples: readonly Sample[];
}

/** The middle of some figures, the mean of the two middle ones when they are even in number. */
export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new RangeError('No figures, no median.');
  return (lower + upper) / 2;
}

/** The figure that `share` (0 to 1) of all do not exceed, by nearest rank; `sorted` ascends. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.min(Math.max(Math.ceil(sorted.length * share), 1), sorted.length);
  const figure = sorted[rank - 1];
  if (figure === undefined) throw new RangeError('No figures, no quantile.');
  return figure;
}

/** Three significant figures; a whole number from 100 on. */
export function rounded(figure: number): number {
  if (!Number.isFinite(figure) || Math.abs(figure) >= 100) return Math.round(figure);
  return Number(figure.toPrecision(3));
}

function medianOfExtras(samples: readonly Sample[]): Record<string, number> | undefined {
  const names = Object.keys(samples[0]?.extra ?? {});
  if (names.length === 0) return undefined;
  return Object.fromEntries(
    names.map((name) => [name, rounded(median(samples.map(({ extra }) => extra?.[name] ?? 0)))]),
  );
}

function summarize({ name, samples }: Series, baseline: Series, memory: Memory): Result {
  const of = (figure: (sample: Sample) => number): number => rounded(median(samples.map(figure)));
  const ratios = samples.map(({ opsPerS }, round) => {
    const base = baseline.samples[round];
    if (base === undefined) throw new RangeError(`${baseline.name} has no round ${round + 1}.`);
    return opsPerS / base.opsPerS;
  });
  const cpus = samples.flatMap(({ cpuUs }) => (cpuUs === null ? [] : [cpuUs]));
  const extra = medianOfExtras(samples);
  return {
    name,
    opsPerS: of(({ opsPerS }) => opsPerS),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    cpuUs: cpus.length === samples.length ? rounded(median(cpus)) : null,
    ratio: rounded(median(ratios)),
    ratioMin: rounded(Math.min(...ratios)),
    ratioMax: rounded(Math.max(...ratios)),
    heapUsedMb: rounded(memory.heapUsedMb),
    rssMb: rounded(memory.rssMb),
    ...(extra && { extra }),
  };
}

/**
 * One line for each series, in their order.
 * @throws RangeError without the series that is called `baseline`, or with fewer rounds of it.
 */
export function summarizeAll(all: readonly Series[], baseline: string, memory: Memory): Result[] {
  const base = all.find(({ name }) => name === baseline);
  if (base === undefined) throw new RangeError(`There is no ${baseline} to compare with.`);
  return all.map((series) => summarize(series, base, memory));
}
