// The last so many rows of figures, in one block of memory.

/** A ring of rows; the newest replaces the oldest. */
export class Ring {
  private readonly cells: Float64Array;
  private readonly width: number;
  private pushed = 0;

  constructor(
    private readonly capacity: number,
    columns: number,
  ) {
    this.width = columns + 1;
    this.cells = new Float64Array(capacity * this.width);
  }

  /** Memory it takes, full or empty. */
  get bytes(): number {
    return this.cells.byteLength;
  }

  /** Rows it holds. */
  get length(): number {
    return Math.min(this.pushed, this.capacity);
  }

  /** True when it still has every row that was ever pushed, or its oldest row is not after `atMs`. */
  reachesBackTo(atMs: number): boolean {
    if (this.pushed <= this.capacity) return true;
    return (this.cells[this.row(0)] as number) <= atMs;
  }

  /** Adds a row; `atMs` does not go back. */
  push(atMs: number, values: readonly number[]): void {
    const at = (this.pushed % this.capacity) * this.width;
    this.cells[at] = atMs;
    this.cells.set(values, at + 1);
    this.pushed++;
  }

  /** Values of a column with times from `fromMs` to `toMs`, the oldest first. */
  column(column: number, fromMs: number, toMs: number): Array<readonly [number, number]> {
    const found: Array<readonly [number, number]> = [];
    for (let index = 0; index < this.length; index++) {
      const at = this.row(index);
      const atMs = this.cells[at] as number;
      if (atMs >= fromMs && atMs <= toMs) {
        found.push([atMs, this.cells[at + 1 + column] as number]);
      }
    }
    return found;
  }

  /** Offset of the row with this age; 0 is the oldest one. */
  private row(index: number): number {
    const first = Math.max(0, this.pushed - this.capacity);
    return ((first + index) % this.capacity) * this.width;
  }
}
