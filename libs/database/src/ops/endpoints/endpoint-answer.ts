// Sends an answer on any HTTP platform, past interceptors and filters of the application.
import type { HttpAdapterHost } from '@nestjs/core';

/** What is sent. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** A body as JSON. */
export function jsonAnswer(status: number, body: object): Answer {
  return { status, contentType: 'application/json; charset=utf-8', text: JSON.stringify(body) };
}

/** Sends it; `NoStoreGuard` has forbidden to cache it. */
export function send({ httpAdapter }: HttpAdapterHost, response: unknown, answer: Answer): void {
  const { status, contentType, text } = answer;
  httpAdapter.setHeader(response, 'Content-Type', contentType);
  if (httpAdapter.getType() === 'express') {
    // Express' send() would add an ETag and answer 304, which a probe takes for a failure.
    httpAdapter.status(response, status);
    httpAdapter.end(response, text);
  } else httpAdapter.reply(response, text, status);
}
