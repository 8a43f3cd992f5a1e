// A failure of the start that the reader of the terminal can act on.

/** What went wrong, and what to do about it. Printed without a stack. */
export class StartFailure extends Error {
  constructor(
    problem: string,
    /** A command or a setting that cures it. */
    readonly mend: string,
    cause?: unknown,
  ) {
    super(problem, cause === undefined ? undefined : { cause });
    this.name = 'StartFailure';
  }
}
