// Turns errors of the database into HTTP answers; everything else goes on.
import { Catch } from '@nestjs/common';
import type { ArgumentsHost, HttpServer } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { findDatabaseError } from '../../kernel/error-chain.js';
import { DatabaseError } from '../../kernel/errors.js';
import { httpAnswerOf } from './exception.rules.js';
import type { HttpAnswer } from './exception.rules.js';

/**
 * Errors of TypeORM and Drizzle around one of ours. Recognised by their fields, for neither library need
 * be installed. An application's own error with ours as its cause is the application's to answer.
 */
abstract class WrappedDatabaseError {
  static [Symbol.hasInstance](error: unknown): boolean {
    if (!(error instanceof Error) || error instanceof DatabaseError) return false;
    const { driverError, query, params } = error as { [field: string]: unknown } & Error;
    const isTypeOrm = driverError !== undefined;
    const isDrizzle = typeof query === 'string' && params !== undefined;
    return (isTypeOrm || isDrizzle) && findDatabaseError(error) !== undefined;
  }
}

interface Socket {
  readonly readyState?: unknown;
  send?(text: string): void;
  emit?(event: string, body: object): void;
}

/** Nest passes nothing on in a gateway: what a filter catches there, it has to tell the client. */
function tellSocket(socket: Socket, { code, message }: HttpAnswer): void {
  const body = { status: 'error', code, message };
  if (typeof socket.readyState === 'number') {
    socket.send?.(JSON.stringify({ event: 'exception', data: body }));
  } else socket.emit?.('exception', body);
}

/**
 * `{ provide: APP_FILTER, useClass: DatabaseExceptionFilter }` answers `{ statusCode, code, message }`: 409
 * for what exists, 404 for `one()` without a row, 422 for a value that is refused, 503 with Retry-After for
 * overload and outage, 504 for a timeout, else 500, which Nest logs as any unknown error. GraphQL and
 * microservices get the error as it is.
 */
@Catch(DatabaseError, WrappedDatabaseError)
export class DatabaseExceptionFilter extends BaseExceptionFilter<Error> {
  override catch(exception: Error, host: ArgumentsHost): void {
    const error = findDatabaseError(exception);
    const kind = host.getType<string>();
    if (error === undefined) super.catch(exception, host);
    else if (kind === 'http') this.answer(error, host);
    else if (kind === 'ws') tellSocket(host.switchToWs().getClient<Socket>(), httpAnswerOf(error));
  }

  private answer(error: DatabaseError, host: ArgumentsHost): void {
    const { status, code, message, retryAfterSeconds } = httpAnswerOf(error);
    const adapter = (this.applicationRef ?? this.httpAdapterHost?.httpAdapter) as HttpServer;
    const response: unknown = host.switchToHttp().getResponse();
    const body = { statusCode: status, code, message };
    if (status === 500) {
      // Logs the error, and not its wrapper: that one holds the statement and its values.
      this.handleUnknownError(error, host, withBody(adapter, body));
    } else if (adapter.isHeadersSent(response)) adapter.end(response);
    else {
      if (retryAfterSeconds !== undefined) {
        adapter.setHeader(response, 'Retry-After', String(retryAfterSeconds));
      }
      adapter.reply(response, body, status);
    }
  }
}

/** The part of the adapter that Nest answers an unknown error with, but for the body. */
function withBody(adapter: HttpServer, body: object): HttpServer {
  const answering: Pick<HttpServer, 'isHeadersSent' | 'end' | 'reply'> = {
    isHeadersSent: (response: unknown) => adapter.isHeadersSent(response),
    end: (response: unknown) => adapter.end(response) as unknown,
    reply: (response: unknown, _body: unknown, status?: number) =>
      adapter.reply(response, body, status) as unknown,
  };
  return answering as HttpServer;
}
