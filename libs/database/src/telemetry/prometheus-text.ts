// Prometheus' text format 0.0.4: names, escapes, order.
import type { BucketFigures } from './histogram.js';

/** What a scrape is answered with. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Labels of a sample; names as Prometheus takes them, values as they are. */
export type Labels = Readonly<Record<string, string>>;

/** A value with its labels; undefined is left out. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number | undefined;
}

/** A histogram with its labels. */
export interface HistogramSample {
  readonly labels: Labels;
  readonly buckets: BucketFigures;
}

function escapedHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapedLabel(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return escapedHelp(value).replaceAll('"', '\\"');
}

function shownPairs(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapedLabel(value)}"`)
    .join(',');
}

function shownNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** Collects families of metrics; one without samples is left out. */
export class PrometheusText {
  private readonly lines: string[] = [];

  counter(name: string, help: string, samples: readonly Sample[]): void {
    this.family(name, 'counter', help, samples);
  }

  gauge(name: string, help: string, samples: readonly Sample[]): void {
    this.family(name, 'gauge', help, samples);
  }

  histogram(name: string, help: string, samples: readonly HistogramSample[]): void {
    if (samples.length === 0) return;
    this.head(name, 'histogram', help);
    for (const { labels, buckets } of samples) {
      const pairs = shownPairs(labels);
      const before = pairs === '' ? '' : `${pairs},`;
      buckets.counts.forEach((count, index) => {
        const le = shownNumber(buckets.bounds[index] ?? Number.POSITIVE_INFINITY);
        this.lines.push(`${name}_bucket{${before}le="${le}"} ${shownNumber(count)}`);
      });
      this.line(`${name}_sum`, labels, buckets.sum);
      this.line(`${name}_count`, labels, buckets.counts.at(-1) ?? 0);
    }
  }

  toString(): string {
    return this.lines.length === 0 ? '' : `${this.lines.join('\n')}\n`;
  }

  private family(
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    samples: readonly Sample[],
  ): void {
    const known = samples.filter(({ value }) => value !== undefined);
    if (known.length === 0) return;
    this.head(name, type, help);
    for (const { labels, value } of known) this.line(name, labels, value as number);
  }

  private head(name: string, type: string, help: string): void {
    this.lines.push(`# HELP ${name} ${escapedHelp(help)}`, `# TYPE ${name} ${type}`);
  }

  private line(name: string, labels: Labels, value: number): void {
    const pairs = shownPairs(labels);
    this.lines.push(`${name}${pairs === '' ? '' : `{${pairs}}`} ${shownNumber(value)}`);
  }
}
