// Ends kept-alive connections before the server closes, so that no client meets a dead one.
import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, type NestMiddleware } from '@nestjs/common';

/** The part of an answer that Express and Fastify's raw one have in common. */
interface Answer {
  setHeader(name: string, value: string): unknown;
}

/** Time for clients to learn that they should go, in ms; every busy connection sees several requests in it. */
const LAST_ANSWERS_MS = 250;

/**
 * From the signal on, each answer is the last one of its connection. Node's `server.close()` alone is not enough: it
 * cuts connections that are idle, though a request may be on its way, and serves those that are busy for as long as
 * they stay so, which holds up the end of the process for ever (both measured on Node 20).
 */
@Injectable()
export class LastAnswerMiddleware
  implements NestMiddleware<unknown, Answer>, BeforeApplicationShutdown
{
  private isClosing = false;

  async beforeApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await sleep(LAST_ANSWERS_MS);
  }

  use(_request: unknown, answer: Answer, next: () => void): void {
    if (this.isClosing) answer.setHeader('Connection', 'close');
    next();
  }
}
