// Errors of the database as HTTP answers, on Express and on Fastify; and what is passed on.
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { BadRequestException, Catch, Controller, Get, Logger, Module, Param } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter, INestApplication } from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { DrizzleQueryError } from 'drizzle-orm/errors';
import { QueryFailedError } from 'typeorm';
import { NotFoundRowError, PoolTimeoutError } from '../../kernel/errors.js';
import { QueryError, UniqueViolationError } from '../../kernel/query-errors.js';
import { DatabaseExceptionFilter } from './database-exception.filter.js';

const unique = new UniqueViolationError('duplicate key "users_email" at db.internal', {
  sqlState: '23505',
  detail: 'Key (email)=(ada@example.org) already exists.',
});
const broken = new QueryError('relation "salaries" does not exist', { sqlState: '42P01' });

class OrderError extends Error {}

const THROWN: Readonly<Record<string, () => unknown>> = {
  unique: () => unique,
  missing: () => new NotFoundRowError('one() found no row.'),
  busy: () => new PoolTimeoutError('primary', 5_000, { leased: 20, max: 20, waiting: 3 }, 1_200),
  broken: () => broken,
  typeorm: () => new QueryFailedError('INSERT INTO users VALUES ($1)', ['ada'], unique),
  'typeorm-sqlstate': () =>
    new QueryFailedError(
      'INSERT',
      [],
      Object.assign(Object.create(unique) as Error, { code: '23505' }),
    ),
  'typeorm-foreign': () => new QueryFailedError('INSERT', [], new Error('no such driver')),
  drizzle: () => new DrizzleQueryError('insert into users', ['hunter2'], unique),
  'drizzle-broken': () => new DrizzleQueryError('select', ['hunter2'], broken),
  domain: () => new OrderError('the order failed', { cause: unique }),
  http: () => new BadRequestException('bad', { cause: unique }),
  plain: () => new Error('something else'),
  text: () => 'a text',
};

@Controller()
class ThrowingController {
  @Get('throw/:what')
  fail(@Param('what') what: string): never {
    throw THROWN[what]?.();
  }
}

@Catch(OrderError)
class OrderFilter implements ExceptionFilter<OrderError> {
  constructor(private readonly host: HttpAdapterHost) {}

  catch(error: OrderError, host: ArgumentsHost): void {
    const response: unknown = host.switchToHttp().getResponse();
    this.host.httpAdapter.reply(response, { order: error.message }, 418);
  }
}

@Module({
  controllers: [ThrowingController],
  providers: [
    {
      provide: APP_FILTER,
      inject: [HttpAdapterHost],
      useFactory: (host: HttpAdapterHost) => new OrderFilter(host),
    },
    { provide: APP_FILTER, useClass: DatabaseExceptionFilter },
  ],
})
class AppModule {}

describe.each([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
] as const)('DatabaseExceptionFilter on %s', (_platform, adapter) => {
  let app: INestApplication;
  let logged: string[];

  beforeEach(async () => {
    logged = [];
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = testing.createNestApplication(adapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    Logger.overrideLogger({
      log: () => undefined,
      warn: () => undefined,
      error: (...parts: unknown[]) =>
        logged.push(
          parts.map((part) => (part instanceof Error ? part.message : String(part))).join(),
        ),
    });
  });

  afterEach(async () => {
    Logger.overrideLogger(false);
    await app.close();
  });

  const fail = async (
    what: string,
  ): Promise<{ status: number; body: unknown; headers: Headers }> => {
    const response = await fetch(`${await app.getUrl()}/throw/${what}`);
    return { status: response.status, body: await response.json(), headers: response.headers };
  };

  it('answers with status, code and a message that tells nothing of the database', async () => {
    const { status, body } = await fail('unique');
    expect(status).toBe(409);
    expect(body).toEqual({
      statusCode: 409,
      code: 'DB_UNIQUE_VIOLATION',
      message: 'It exists already.',
    });
    expect(logged).toEqual([]);
  });

  it('answers 404 for one() without a row', async () => {
    expect(await fail('missing')).toMatchObject({
      status: 404,
      body: { code: 'DB_NOT_FOUND_ROW' },
    });
  });

  it('answers 503 with Retry-After in whole seconds', async () => {
    const { status, headers } = await fail('busy');
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('2');
  });

  it('answers 500 with the code, and the error is logged as any unknown one', async () => {
    const { status, body } = await fail('broken');
    expect(status).toBe(500);
    expect(body).toEqual({ statusCode: 500, code: 'DB_QUERY', message: 'Internal server error' });
    expect(logged).toEqual([expect.stringContaining('salaries')]);
  });

  it.each(['typeorm', 'typeorm-sqlstate', 'drizzle'])(
    'finds our error inside that of %s',
    async (what) => {
      expect(await fail(what)).toMatchObject({
        status: 409,
        body: { code: 'DB_UNIQUE_VIOLATION' },
      });
    },
  );

  it('logs our error and not its wrapper, which holds the values', async () => {
    expect((await fail('drizzle-broken')).status).toBe(500);
    expect(logged.join()).toContain('salaries');
    expect(logged.join()).not.toContain('hunter2');
  });

  it.each([
    ['domain', 418, { order: 'the order failed' }],
    ['http', 400, { message: 'bad' }],
    ['plain', 500, { message: 'Internal server error' }],
    ['text', 500, { message: 'Internal server error' }],
    ['typeorm-foreign', 500, { message: 'Internal server error' }],
  ])('leaves %s to the application', async (what, status, body) => {
    const answer = await fail(what);
    expect(answer).toMatchObject({ status, body });
    expect(answer.body).not.toHaveProperty('code');
  });
});

describe('DatabaseExceptionFilter outside HTTP', () => {
  const filter = new DatabaseExceptionFilter();
  const hostOf = (kind: string, client: object = {}): ArgumentsHost =>
    ({ getType: () => kind, switchToWs: () => ({ getClient: () => client }) }) as never;

  it.each(['rpc', 'graphql'])('returns nothing, so that %s gets the error as it is', (kind) => {
    expect(filter.catch(unique, hostOf(kind))).toBeUndefined();
  });

  it('tells a client of Socket.IO', () => {
    const emit = jest.fn();
    filter.catch(unique, hostOf('ws', { emit }));
    const body = { status: 'error', code: 'DB_UNIQUE_VIOLATION', message: 'It exists already.' };
    expect(emit).toHaveBeenCalledWith('exception', body);
  });

  it('tells a client of a bare WebSocket', () => {
    const send = jest.fn<(text: string) => void>();
    filter.catch(unique, hostOf('ws', { readyState: 1, send, emit: jest.fn() }));
    expect(JSON.parse(send.mock.calls[0]![0])).toMatchObject({
      event: 'exception',
      data: { code: 'DB_UNIQUE_VIOLATION' },
    });
  });
});
