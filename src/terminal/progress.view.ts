// A progress bar on a terminal; nothing where the output is a file or a pipe, which get the plain lines of the log.

/** Where the bar is drawn; `process.stdout` fits. */
export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const WIDTH = 28;
const CLEAR_LINE = '\r\u001b[K';
/** A terminal shows no more pictures a second anyway. */
const FRAME_MS = 50;

/** Shows how far one piece of work has come, on one line that is gone afterwards. */
export class ProgressView {
  private shownAtMs = -Infinity;

  constructor(
    private readonly title: string,
    /** Amount that counts as all of it, in any unit. */
    private readonly total: number,
    private readonly terminal: Terminal = process.stdout,
  ) {}

  /** @param done in the unit of `total`. @param note such as `3,512 rows` */
  show(done: number, note: string): void {
    const nowMs = performance.now();
    if (this.terminal.isTTY !== true || nowMs - this.shownAtMs < FRAME_MS) return;
    this.shownAtMs = nowMs;
    const ratio = this.total === 0 ? 1 : Math.min(done / this.total, 1);
    const filled = Math.round(ratio * WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
    const percent = `${Math.round(ratio * 100)}`.padStart(3);
    this.terminal.write(`${CLEAR_LINE}… ${this.title} ${bar} ${percent} % ${note}`);
  }

  /** Takes the line away; the outcome is the log's to tell. */
  clear(): void {
    if (this.terminal.isTTY === true) this.terminal.write(CLEAR_LINE);
  }
}
