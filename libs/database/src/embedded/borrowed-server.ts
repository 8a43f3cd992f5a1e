// A server that another process started: when that process ends and takes it along, we start it again.
import { systemClock, type Timer } from '../kernel/clock.js';
import type { OpenServer } from './open-server.js';

const CHECK_MS = 250;

/** Watches a borrowed server, and becomes the owner of its successor on the same port. */
export class BorrowedServer implements OpenServer {
  #current: OpenServer;
  #timer: Timer | undefined;
  #reopening: Promise<void> | undefined;
  #stopped = false;

  constructor(
    borrowed: OpenServer,
    private readonly reopen: (port: number) => Promise<OpenServer>,
    private readonly onProgress: (step: string) => void,
  ) {
    this.#current = borrowed;
    this.#watch();
  }

  get pid(): number {
    return this.#current.pid;
  }

  get port(): number {
    return this.#current.port;
  }

  get owned(): boolean {
    return this.#current.owned;
  }

  isRunning(): boolean {
    return this.#current.isRunning();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#reopening;
    await this.#current.stop();
  }

  #watch(): void {
    this.#timer = systemClock.schedule(() => {
      if (this.#current.isRunning()) this.#watch();
      else this.#reopening = this.#takeOver();
    }, CHECK_MS);
  }

  async #takeOver(): Promise<void> {
    this.onProgress('the process that started the server ended it: starting it again');
    try {
      this.#current = await this.reopen(this.port);
      if (!this.#current.owned && !this.#stopped) this.#watch();
    } catch (error) {
      // There is nobody to throw to: its users see refused connections, and this line says why.
      this.onProgress(error instanceof Error ? error.message : String(error));
    }
  }
}
