// What the report concludes from what was measured. Pure.
import type { HistoryPoint, TrendFigures } from './monitor.types.js';

/** Mean and peak of what was measured; null where nothing was. */
export function trendOf(points: readonly HistoryPoint[]): TrendFigures {
  const values = points.map(({ value }) => value).filter((value) => value !== null);
  if (values.length === 0) return { mean: null, max: null, points: 0 };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, max: Math.max(...values), points: values.length };
}

/** Share of queries that failed; null when there were none. */
export function errorRatio(total: number, errors: number): number | null {
  return total === 0 ? null : errors / total;
}
