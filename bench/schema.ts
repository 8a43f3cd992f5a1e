// The tables of the workloads, and the rows that every peer has to find in them.
import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import { EntitySchema } from 'typeorm';

/** Rows of `point` and of `account`: keys 0 to ROWS - 1. */
export const ROWS = 10_000;
/** Rows of `wide` and of `wide_typed`: keys 1 to WIDE_ROWS. */
const WIDE_ROWS = 1_000;

/** Statements that make the tables. */
export const SCHEMA: readonly string[] = [
  'create table point (id int primary key, value text not null)',
  `insert into point select i, 'v' || i from generate_series(0, ${ROWS - 1}) i`,
  'create table account (id int primary key, note text not null) with (fillfactor = 50)',
  `insert into account select i, 'n' || i from generate_series(0, ${ROWS - 1}) i`,
  'create table entry (id bigserial primary key, value text not null)',
  `create table wide (id int primary key, big bigint not null, name text not null, active bool not null,
     score float8 not null, price numeric(12, 2) not null, seen timestamptz not null, born date not null,
     token uuid not null, doc jsonb not null)`,
  `insert into wide
     select i, 9007199254740993 + i, 'name ' || i, i % 2 = 0, i / 4::float8, i + 0.25,
       timestamptz '2024-01-01 00:00:00Z' + i * interval '1 minute', date '2000-01-01' + i,
       lpad(to_hex(i), 32, '0')::uuid, jsonb_build_object('n', i, 'tags', array['a', 'b'])
     from generate_series(1, ${WIDE_ROWS}) i`,
  `create table wide_typed (id int primary key, n int not null, yes bool not null, no bool not null,
     made timestamptz not null, seen timestamptz not null, score float8 not null, share float8 not null,
     name text not null, label text not null)`,
  `insert into wide_typed
     select i, i * 3, i % 2 = 0, i % 2 = 1, timestamptz '2024-01-01 00:00:00Z' + i * interval '1 minute',
       timestamptz '2025-01-01 00:00:00Z' + i * interval '1 second', i / 4::float8, i / 8::float8,
       'name ' || i, 'label ' || i
     from generate_series(1, ${WIDE_ROWS}) i`,
  'vacuum analyze',
];

/** The texts that all peers send who send texts. */
export const TEXTS = {
  point: 'select id, value from point where id = $1',
  account: 'select id, note from account where id = $1',
  wide: 'select id, big, name, active, score, price, seen, born, token, doc from wide where id <= $1 order by id',
  wideTyped:
    'select id, n, yes, no, made, seen, score, share, name, label from wide_typed where id <= $1 order by id',
  insert: 'insert into entry (value) values ($1) returning id',
  update: 'update account set note = $2 where id = $1',
  failing: 'insert into point (id, value) values ($1, $2)',
} as const;

/** A row as a driver or an ORM gives it. */
export type Row = Readonly<Record<string, unknown>>;

/** TypeORM's view of `point`. */
export const PointEntity = new EntitySchema<{ id: number; value: string }>({
  name: 'point',
  columns: { id: { type: 'int', primary: true }, value: { type: 'text' } },
});
/** TypeORM's view of `account`. */
export const AccountEntity = new EntitySchema<{ id: number; note: string }>({
  name: 'account',
  columns: { id: { type: 'int', primary: true }, note: { type: 'text' } },
});
/** TypeORM's view of `entry`. */
export const EntryEntity = new EntitySchema<{ id: string; value: string }>({
  name: 'entry',
  columns: {
    id: { type: 'bigint', primary: true, generated: 'increment' },
    value: { type: 'text' },
  },
});
/** TypeORM's view of `wide`. */
export const WideEntity = new EntitySchema<{ id: number }>({
  name: 'wide',
  columns: {
    id: { type: 'int', primary: true },
    ...({
      big: { type: 'bigint' },
      name: { type: 'text' },
      active: { type: 'bool' },
      score: { type: 'float8' },
      price: { type: 'numeric', precision: 12, scale: 2 },
      seen: { type: 'timestamptz' },
      born: { type: 'date' },
      token: { type: 'uuid' },
      doc: { type: 'jsonb' },
    } as object),
  },
});
export const ENTITIES = [PointEntity, AccountEntity, EntryEntity, WideEntity];

/** A day as text; drivers give it as text, or as midnight of here or of UTC. */
function dayOf(value: unknown): string {
  if (!(value instanceof Date)) return String(value);
  const isUtc = value.getTime() % 86_400_000 === 0;
  const offsetMs = isUtc ? 0 : value.getTimezoneOffset() * 60_000;
  return new Date(value.getTime() - offsetMs).toISOString().slice(0, 10);
}

/** Drivers differ in the types that they give to these columns; what they hold has to be the same. */
const READERS: Readonly<Record<string, (value: unknown) => unknown>> = {
  big: String,
  price: Number,
  born: dayOf,
  seen: (value) => new Date(value as string).getTime(),
  made: (value) => new Date(value as string).getTime(),
};

function plain(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, READERS[name]?.(value) ?? value]),
  );
}

/** @throws AssertionError unless it is the row `id` of `point`. */
export function checkPoint(row: unknown, id: number): void {
  deepStrictEqual({ ...(row as object) }, { id, value: `v${id}` });
}

function expectedWide(i: number): Row {
  return {
    id: i,
    big: String(9007199254740993n + BigInt(i)),
    name: `name ${i}`,
    active: i % 2 === 0,
    score: i / 4,
    price: i + 0.25,
    seen: Date.UTC(2024, 0, 1, 0, i),
    born: new Date(Date.UTC(2000, 0, 1 + i)).toISOString().slice(0, 10),
    token: i
      .toString(16)
      .padStart(32, '0')
      .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    doc: { n: i, tags: ['a', 'b'] },
  };
}

function expectedWideTyped(i: number): Row {
  return {
    id: i,
    n: i * 3,
    yes: i % 2 === 0,
    no: i % 2 === 1,
    made: Date.UTC(2024, 0, 1, 0, i),
    seen: Date.UTC(2025, 0, 1, 0, 0, i),
    score: i / 4,
    share: i / 8,
    name: `name ${i}`,
    label: `label ${i}`,
  };
}

function checkRows(rows: unknown, count: number, expected: (i: number) => Row): void {
  const given = rows as readonly Row[];
  strictEqual(given.length, count);
  given.forEach((row, index) => deepStrictEqual(plain(row), expected(index + 1)));
}

/** @throws AssertionError unless they are the first `count` rows of `wide`. */
export function checkWide(rows: unknown, count: number): void {
  checkRows(rows, count, expectedWide);
}

/** @throws AssertionError unless they are the first `count` rows of `wide_typed`. */
export function checkWideTyped(rows: unknown, count: number): void {
  checkRows(rows, count, expectedWideTyped);
}
