// The live picture: a table that is drawn over itself on a terminal, a line a second elsewhere.
import type { Terminal } from '../terminal/progress.view.js';
import type { PoolFigures } from './pool-figures.js';
import type { Tally } from './tally.js';

/** What is shown at one moment. */
export interface Picture {
  readonly elapsedSeconds: number;
  readonly totalSeconds: number;
  /** The requests of the last second. */
  readonly span: Tally;
  readonly spanSeconds: number;
  readonly errors: number;
  readonly pools: readonly PoolFigures[];
}

const CURSOR_UP = (lines: number): string => (lines === 0 ? '' : `\u001b[${lines}A`);
const CLEAR_BELOW = '\u001b[J';
const BAR_WIDTH = 20;

/** Shows one picture after the other. */
export class ScreenView {
  private drawnLines = 0;

  constructor(private readonly terminal: Terminal = process.stdout) {}

  show(picture: Picture): void {
    if (this.terminal.isTTY !== true) {
      this.terminal.write(`${plain(picture)}\n`);
      return;
    }
    const lines = table(picture);
    this.terminal.write(`${CURSOR_UP(this.drawnLines)}\r${CLEAR_BELOW}${lines.join('\n')}\n`);
    this.drawnLines = lines.length;
  }
}

/** `3.14 ms`, `12.3 ms`, `1,234 ms`. */
export function milliseconds(ms: number): string {
  const digits = ms < 10 ? 2 : ms < 100 ? 1 : 0;
  return `${ms.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })} ms`;
}

/** `12,345`. */
export function whole(count: number): string {
  return Math.round(count).toLocaleString('en');
}

function rates({ span, spanSeconds, errors }: Picture): string {
  const rate = `${whole(span.count / spanSeconds)} requests/s`;
  const times = `p50 ${milliseconds(span.quantileMs(0.5))}   p99 ${milliseconds(span.quantileMs(0.99))}`;
  return `${rate}   ${times}   errors ${whole(errors)}`;
}

function plain(picture: Picture): string {
  const clock = `${picture.elapsedSeconds.toFixed(0)}/${picture.totalSeconds} s`;
  const pools = picture.pools.map(
    ({ name, leased, max, waiting }) => `${name} ${leased}/${max} leased, ${waiting} waiting`,
  );
  return [clock, rates(picture), ...pools].join(' | ');
}

function table(picture: Picture): string[] {
  const clock = `${picture.elapsedSeconds.toFixed(0)} of ${picture.totalSeconds} s`;
  return [
    `  ${rates(picture)}   ${clock}`,
    '',
    row('pool', ['open', 'idle', 'leased', 'waiting', 'max'], ''),
    ...picture.pools.map((pool) => {
      const { open, idle, leased, waiting, max } = pool;
      return row(pool.name, [open, idle, leased, waiting, max], bar(pool.utilizationRatio));
    }),
  ];
}

function row(name: string, cells: ReadonlyArray<string | number>, end: string): string {
  return `  ${name.padEnd(12)}${cells.map((cell) => String(cell).padStart(9)).join('')}   ${end}`;
}

function bar(ratio: number): string {
  const filled = Math.round(Math.min(ratio, 1) * BAR_WIDTH);
  const percent = `${Math.round(ratio * 100)}`.padStart(3);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${percent} %`;
}
