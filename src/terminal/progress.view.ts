// A progress bar on a terminal; two plain lines where the output is a file or a pipe.

/** Where the lines go; `process.stdout` fits. */
export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const WIDTH = 28;
const CLEAR_LINE = '\r\u001b[K';
/** A terminal shows no more than this many pictures a second anyway. */
const FRAME_MS = 50;

/** Shows how far one piece of work has come. */
export class ProgressView {
  private shownAtMs = -Infinity;
  private readonly startedAtMs = performance.now();

  constructor(
    private readonly title: string,
    /** Amount that counts as all of it, in any unit. */
    private readonly total: number,
    private readonly terminal: Terminal = process.stdout,
  ) {
    if (!this.isDrawn) terminal.write(`… ${title}\n`);
  }

  /** @param done in the unit of `total`. @param note such as `3,512 rows` */
  show(done: number, note: string): void {
    const nowMs = performance.now();
    if (!this.isDrawn || nowMs - this.shownAtMs < FRAME_MS) return;
    this.shownAtMs = nowMs;
    const ratio = this.total === 0 ? 1 : Math.min(done / this.total, 1);
    const filled = Math.round(ratio * WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
    const percent = `${Math.round(ratio * 100)}`.padStart(3);
    this.terminal.write(`${CLEAR_LINE}… ${this.title} ${bar} ${percent} % ${note}`);
  }

  /** The last line, on which the figure stays. */
  finish(note: string): void {
    const seconds = ((performance.now() - this.startedAtMs) / 1_000).toFixed(2);
    this.end(`✓ ${this.title}: ${note} (${seconds} s)`);
  }

  /** Leaves the bar; the error itself is reported by whoever catches it. */
  fail(): void {
    this.end(`✗ ${this.title}`);
  }

  private get isDrawn(): boolean {
    return this.terminal.isTTY === true;
  }

  private end(line: string): void {
    this.terminal.write(`${this.isDrawn ? CLEAR_LINE : ''}${line}\n`);
  }
}
