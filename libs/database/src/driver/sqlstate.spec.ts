// Every code of the retry matrix, and what it becomes: one table for statements, one for connecting.
import { describe, expect, it } from '@jest/globals';
import { ConnectionError, QueryAbortedError, UsageError } from '../kernel/errors.js';
import {
  CheckViolationError,
  DeadlockError,
  ForeignKeyViolationError,
  NotNullViolationError,
  QueryError,
  ReadOnlyError,
  SerializationError,
  UniqueViolationError,
} from '../kernel/query-errors.js';
import type { DatabaseError } from '../kernel/errors.js';
import {
  translateClientError,
  translateConnectError,
  translateCopyError,
  translateQueryError,
} from './sqlstate.js';
import type { ConnectFailure } from './sqlstate.js';

/** An ErrorResponse as `pg` hands it over. */
function serverError(code: string, facts: Record<string, unknown> = {}): Error {
  return Object.assign(new Error('the server says no'), { code, severity: 'ERROR', ...facts });
}

/** An error of Node's network code. */
const netError = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

type Kind = abstract new (...args: never[]) => DatabaseError;

describe('what a statement fails with', () => {
  it.each<[string, Kind, string]>([
    ['40001', SerializationError, 'DB_SERIALIZATION'],
    ['40P01', DeadlockError, 'DB_DEADLOCK'],
    ['25006', ReadOnlyError, 'DB_READ_ONLY'],
    ['57014', QueryAbortedError, 'DB_QUERY_ABORTED'],
    ['23505', UniqueViolationError, 'DB_UNIQUE_VIOLATION'],
    ['23503', ForeignKeyViolationError, 'DB_FOREIGN_KEY_VIOLATION'],
    ['23502', NotNullViolationError, 'DB_NOT_NULL_VIOLATION'],
    ['23514', CheckViolationError, 'DB_CHECK_VIOLATION'],
    ['23P01', QueryError, 'DB_QUERY'],
    ['25P02', QueryError, 'DB_QUERY'],
    ['55P03', QueryError, 'DB_QUERY'],
    ['26000', QueryError, 'DB_QUERY'],
    ['42P05', QueryError, 'DB_QUERY'],
    ['0A000', QueryError, 'DB_QUERY'],
    ['22P02', QueryError, 'DB_QUERY'],
    ['22012', QueryError, 'DB_QUERY'],
    ['42601', QueryError, 'DB_QUERY'],
    ['42P01', QueryError, 'DB_QUERY'],
    ['42501', QueryError, 'DB_QUERY'],
    ['28000', QueryError, 'DB_QUERY'],
    ['53200', QueryError, 'DB_QUERY'],
    ['53300', QueryError, 'DB_QUERY'],
    ['08P01', QueryError, 'DB_QUERY'],
    ['P0001', QueryError, 'DB_QUERY'],
    ['XX000', QueryError, 'DB_QUERY'],
  ])('%s is the statement’s own fault, or that of its transaction', (code, kind, ours) => {
    const cause = serverError(code);
    const error = translateQueryError(cause);
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ code: ours, sqlState: code, safeToRetry: false, outage: false });
    expect(error.cause).toBe(cause);
    expect(error).not.toBeInstanceOf(ConnectionError);
  });

  it.each(['08000', '08003', '08006', '08007', '40003', '57P01', '57P02', '57P03', '57P05'])(
    '%s is a lost connection, after which nobody knows whether the statement took effect',
    (code) => {
      const error = translateQueryError(serverError(code));
      expect(error).toBeInstanceOf(ConnectionError);
      expect(error).toMatchObject({
        sqlState: code,
        safeToRetry: false,
        outage: true,
        transient: true,
      });
      expect(error.message).toMatch(/whether the statement took effect is unknown/);
    },
  );

  it.each(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENETDOWN'])(
    '%s is a lost connection as well',
    (code) => {
      expect(translateQueryError(netError(code))).toMatchObject({
        code: 'DB_CONNECTION',
        sqlState: undefined,
        safeToRetry: false,
        outage: true,
      });
    },
  );

  it.each([new Error('Connection terminated unexpectedly'), 'a text', undefined])(
    'anything else on a lost connection is that loss: %s',
    (reason) => {
      expect(translateQueryError(reason)).toMatchObject({
        code: 'DB_CONNECTION',
        safeToRetry: false,
      });
    },
  );

  it('keeps all that the server says as fields', () => {
    const facts = {
      severity: 'ERROR',
      detail: 'Key (id)=(1) already exists.',
      hint: 'a hint',
      schema: 'public',
      table: 'item',
      column: 'id',
      dataType: 'int4',
      constraint: 'item_pkey',
    };
    const error = translateQueryError(serverError('23505', { ...facts, position: '17' }));
    expect(error).toMatchObject({ ...facts, position: 17, message: 'the server says no' });
  });

  it('leaves what is ours as it is', () => {
    const ours = new UsageError('no');
    for (const translate of [translateQueryError, translateClientError])
      expect(translate(ours)).toBe(ours);
  });

  it('does not take an errno of five letters for a SQLSTATE', () => {
    expect(translateQueryError(netError('EPIPE'))).toMatchObject({ sqlState: undefined });
  });

  it('tells how to pass the right number of values', () => {
    expect(translateQueryError(serverError('08P01')).message).toMatch(/one value for each \$n/);
  });
});

describe('what a client fails with on a connection that stands', () => {
  it('is an error of the statement, not of the network', () => {
    const cause = new Error('Prepared statements must be unique');
    expect(translateClientError(cause)).toMatchObject({ code: 'DB_QUERY', outage: false, cause });
    expect(translateClientError('text').message).toBe('text');
    expect(translateClientError(serverError('40001'))).toBeInstanceOf(SerializationError);
  });
});

describe('what a COPY fails with', () => {
  it('is the server’s answer, or the trouble of the source', () => {
    expect(translateCopyError(serverError('22P04'))).toMatchObject({ sqlState: '22P04' });
    const cause = new Error('the disk is gone');
    const error = translateCopyError(cause);
    expect(error).toMatchObject({ code: 'DB_QUERY', cause });
    expect(error.message).toMatch(/the disk is gone\. Nothing of it was stored/);
  });
});

describe('what connecting fails with', () => {
  const seen: ConnectFailure = {
    label: 'db:5432/app',
    wantsTls: false,
    hasTls: false,
    wasClosed: false,
  };

  it.each<[string, Error, Partial<ConnectFailure>, RegExp]>([
    ['ECONNREFUSED', netError('ECONNREFUSED'), {}, /Nothing listens there/],
    ['ENOTFOUND', netError('ENOTFOUND'), {}, /does not resolve/],
    ['EAI_AGAIN', netError('EAI_AGAIN'), {}, /name server/],
    ['ETIMEDOUT', netError('ETIMEDOUT'), {}, /firewall/],
    ['ENOENT', netError('ENOENT'), {}, /socket does not exist/],
    ['ECONNRESET', netError('ECONNRESET'), {}, /See the cause/],
    ['EHOSTUNREACH', netError('EHOSTUNREACH'), {}, /See the cause/],
    ['57P03', serverError('57P03'), {}, /starting up or shutting down/],
    ['53300', serverError('53300'), {}, /max_connections/],
    ['57P01', serverError('57P01'), {}, /See the cause/],
    ['08006', serverError('08006'), {}, /See the cause/],
    ['a socket closed at once', new Error('terminated'), { wasClosed: true }, /other side closed/],
  ])('%s may pass: it is tried again, and counts as an outage', (_, cause, facts, mend) => {
    const error = translateConnectError(cause, { ...seen, ...facts });
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ safeToRetry: true, outage: true, transient: true, cause });
    expect(error.message).toMatch(/^Cannot connect to db:5432\/app: /);
    expect(error.message).toMatch(mend);
  });

  it.each<[string, unknown, Partial<ConnectFailure>, RegExp]>([
    ['28P01', serverError('28P01'), {}, /user and the password/],
    ['28000', serverError('28000'), {}, /pg_hba\.conf/],
    ['3D000', serverError('3D000'), {}, /Create the database/],
    ['42501', serverError('42501'), {}, /Grant/],
    ['08P01', serverError('08P01'), {}, /ignore_startup_parameters/],
    ['22023', serverError('22023'), {}, /See the cause/],
    ['a self-signed certificate', netError('DEPTH_ZERO_SELF_SIGNED_CERT'), {}, /tls\.ca/],
    ['another name', netError('ERR_TLS_CERT_ALTNAME_INVALID'), {}, /tls\.servername/],
    ['an expired certificate', netError('CERT_HAS_EXPIRED'), {}, /Renew/],
    ['no TLS there', new Error('no SSL'), { wantsTls: true }, /Turn on ssl/],
    ['a password of the wrong kind', new Error('SASL'), {}, /Check the password/],
  ])('%s will be the same next time: it is not tried again', (_, cause, facts, mend) => {
    const error = translateConnectError(cause, { ...seen, ...facts });
    expect(error).toMatchObject({ safeToRetry: true, outage: false, transient: false });
    expect(error.message).toMatch(mend);
  });

  it('carries the SQLSTATE only when the server gave one', () => {
    expect(translateConnectError(serverError('28P01'), seen).sqlState).toBe('28P01');
    expect(translateConnectError(netError('EPIPE'), seen).sqlState).toBeUndefined();
  });

  it('says something about an error without a message', () => {
    expect(translateConnectError(new AggregateError([]), seen).message).toMatch(/AggregateError/);
    expect(translateConnectError(undefined, seen).message).toMatch(/undefined/);
  });
});
