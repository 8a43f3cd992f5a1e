// One question for many who ask at the same time.

/**
 * Asks one question at a time. Whoever comes while one is under way shares the next one: the one under way
 * may have been answered, as far as the server goes, before he came.
 */
export class SharedAnswer<T> {
  private running: Promise<T> | undefined;
  private next: Promise<T> | undefined;

  constructor(private readonly ask: () => Promise<T>) {}

  /** An answer to a question that is asked from now on. */
  fetch(): Promise<T> {
    if (this.running === undefined) return this.start();
    const begin = (): Promise<T> => {
      this.next = undefined;
      return this.start();
    };
    return (this.next ??= this.running.then(begin, begin));
  }

  private start(): Promise<T> {
    const asked = this.ask();
    this.running = asked;
    const over = (): void => {
      if (this.running === asked) this.running = undefined;
    };
    asked.then(over, over);
    return asked;
  }
}
