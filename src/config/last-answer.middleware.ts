// Ends kept-alive connections while the app shuts down.
import {
  type BeforeApplicationShutdown,
  Injectable,
  type NestMiddleware,
} from '@nestjs/common';

/** The part of an answer that Express and Fastify's raw one have in common. */
interface Answer {
  setHeader(name: string, value: string): unknown;
}

/**
 * Node's `server.close()` waits for open connections and closes the idle ones, once. A client that keeps one busy would
 * be served for ever, and hold up the end of the process (measured on Node 20): its next answer has to be its last.
 */
@Injectable()
export class LastAnswerMiddleware implements NestMiddleware<unknown, Answer>, BeforeApplicationShutdown {
  private isClosing = false;

  beforeApplicationShutdown(): void {
    this.isClosing = true;
  }

  use(_request: unknown, answer: Answer, next: () => void): void {
    if (this.isClosing) answer.setHeader('Connection', 'close');
    next();
  }
}
