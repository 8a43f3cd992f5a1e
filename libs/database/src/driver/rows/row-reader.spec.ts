import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { BrokenRowError } from './broken-row.js';
import type { Column } from './column.js';
import { compiledReaders } from './compiled-reader.js';
import { loopingReaders } from './looping-reader.js';
import { parsersOf, watchParsers } from './parsers.js';
import { chooseFormats, planCells } from './plan.js';
import { newRowReader, RowPlan } from './row-reader.js';
import type { RowReader } from './row-reader.js';
import type { TypeParsers } from '../../query/query.js';

type Mode = 'object' | 'array';

const INT4 = 23;
const TEXT = 25;
const BYTEA = 17;
const TIMESTAMPTZ = 1184;

function column(name: string, dataTypeID = TEXT, format = 'text'): Column {
  return {
    ...{ name, dataTypeID, format, tableID: 0, columnID: 0 },
    ...{ dataTypeSize: -1, dataTypeModifier: -1 },
  };
}

/** A DataRow in the middle of a buffer, and where its content begins. */
function dataRow(values: readonly (string | Buffer | null)[]): { buffer: Buffer; at: number } {
  const parts = values.map((value) => {
    const bytes = value === null ? Buffer.alloc(0) : Buffer.from(value as string);
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === null ? -1 : bytes.length);
    return Buffer.concat([length, bytes]);
  });
  const head = Buffer.alloc(2 + 7);
  head.write('..D');
  const buffer = Buffer.concat([head, ...parts, Buffer.from('C...')]);
  buffer.writeInt32BE(buffer.length - 3 - 4, 3);
  buffer.writeUInt16BE(values.length, 7);
  return { buffer, at: 7 };
}

interface PgResult {
  addFields(columns: readonly Column[]): void;
  parseRow(values: readonly (string | null)[]): unknown;
}

/** The row as `pg` makes it of the same values. */
function pgRow(
  columns: readonly Column[],
  values: readonly (string | null)[],
  mode: Mode,
  types?: TypeParsers,
): unknown {
  const Result = pg.Result as unknown as new (mode: string, types: unknown) => PgResult;
  const result = new Result(mode, types);
  result.addFields(columns);
  return result.parseRow(values);
}

const maker =
  (readers: typeof compiledReaders) =>
  (...[columns, formats, mode, types]: Parameters<typeof newRowReader>): RowReader => {
    const parsers = parsersOf(columns, types);
    return readers(planCells(columns, formats, parsers), mode)(parsers);
  };

const makers: readonly (readonly [
  string,
  (...args: Parameters<typeof newRowReader>) => RowReader,
])[] = [
  ['compiled', maker(compiledReaders)],
  ['looping', maker(loopingReaders)],
];

/** To Jest no two invalid dates are equal. */
const plain = (value: unknown): unknown =>
  value instanceof Date ? `date ${value.getTime()}` : value;

/** Equal to the order of the keys and the kind of object. */
function expectSame(mine: unknown, theirs: unknown): void {
  expect(Object.values(mine as object).map(plain)).toEqual(
    Object.values(theirs as object).map(plain),
  );
  expect(Object.keys(mine as object)).toEqual(Object.keys(theirs as object));
  expect(Object.getPrototypeOf(mine)).toBe(Object.getPrototypeOf(theirs));
}

const HOSTILE = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', ''],
  ...[
    "it's",
    '"quoted"',
    '`${x}`',
    "'] } }; throw new Error('injected'); //",
    '\\',
    '\\"',
    '\n',
    '\r\n',
  ],
  ...['\u2028', '\u2029', '\u0000', '\ud800', '*/', '</script>', 'b', 'o', 'v0', 'p0', 'w', 'end'],
  ...['2', '10', '1', '-1', '01', '4294967295', 'grün', '💥', 'return', 'x y', '${1}', 'tools'],
];

describe.each(makers)('the %s reader', (_name, make) => {
  const read = (
    columns: readonly Column[],
    values: readonly (string | Buffer | null)[],
    mode: Mode,
    types?: TypeParsers,
    formats?: readonly (0 | 1)[],
  ): unknown => {
    const { buffer, at } = dataRow(values);
    return make(columns, formats, mode, types)(buffer, at);
  };

  it('takes any name for a name', () => {
    const columns = HOSTILE.map((name) => column(name));
    const values = HOSTILE.map((_, i) => (i % 5 === 4 ? null : `value of ${i}`));
    expectSame(read(columns, values, 'object'), pgRow(columns, values, 'object'));
    for (const name of HOSTILE) {
      const row = read([column(name)], ['x'], 'object');
      expect(Object.entries(row as object)).toEqual([[name, 'x']]);
      expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('gives the last of several columns of one name, at the place of the first', () => {
    const columns = [column('a'), column('b'), column('a', INT4), column('__proto__'), column('b')];
    for (const values of [
      ['1', '2', '3', '4', '5'],
      ['1', '2', null, null, null],
    ]) {
      expectSame(read(columns, values, 'object'), pgRow(columns, values, 'object'));
      expectSame(read(columns, values, 'array'), pgRow(columns, values, 'array'));
    }
  });

  it('reads rows without columns', () => {
    expectSame(read([], [], 'object'), {});
    expectSame(read([], [], 'array'), []);
  });

  it('reads the most columns that a result can have', () => {
    const columns = Array.from({ length: 1664 }, (_, i) =>
      column(`c${i}`, i % 3 === 0 ? INT4 : TEXT),
    );
    const values = columns.map((_, i) => (i % 7 === 0 ? null : String(i)));
    expectSame(read(columns, values, 'object'), pgRow(columns, values, 'object'));
  });

  it('cuts short strings out of one without a change to any', () => {
    const pieces = [
      '',
      'a',
      'twelve chars',
      'thirteen char',
      'é',
      'naïve',
      '💥',
      'x'.repeat(300),
      '日本',
    ];
    const oids = [TEXT, TEXT, TEXT, 1700, 20, 2950];
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let round = 0; round < 300; round++) {
      const columns = Array.from({ length: 1 + random(40) }, (_, i) =>
        column(`c${i}`, oids[random(3)]),
      );
      const values = columns.map(() => (random(6) === 0 ? null : pieces[random(pieces.length)]!));
      expectSame(read(columns, values, 'object'), pgRow(columns, values, 'object'));
      const ascii = columns.map((c) => ({ ...c, dataTypeID: oids[3 + random(3)]! }));
      const digits = columns.map(() => String(random(2_000_000_000)).slice(random(9)));
      expectSame(read(ascii, digits, 'array'), pgRow(ascii, digits, 'array'));
    }
  });

  it.each([
    [16, ['t', 'f']],
    [20, ['0', '-9223372036854775808', '9223372036854775807', '12']],
    [21, ['0', '-32768', '32767']],
    [INT4, ['0', '-2147483648', '2147483647', '10']],
    [26, ['0', '4294967295']],
    [700, ['0.1', '-0', '3.4028235e+38', '1e-45', 'NaN', 'Infinity', '-Infinity', '0.3', '-1.5']],
    [701, ['0', '-0', '-0.5', '0.1', '1e300', '5e-324', '123456789012345', '1234567890123456']],
    [701, ['0.30000000000000004', '0.000001', '12345678.1234567', '99999999999999.9', 'NaN']],
    [
      701,
      ['1.7976931348623157e+308', '-Infinity', '100', '0.00001234567890123', '9007199254740993'],
    ],
    [
      1082,
      ['2024-02-29', '0001-01-01', '0001-02-29 BC', '4713-01-01 BC', '0099-12-31', '0100-01-01'],
    ],
    [1082, ['10000-01-01', '5874897-12-31', 'infinity', '-infinity', '15.03.2024', '03/15/2024']],
    [
      1114,
      ['2024-03-31 02:30:00', '1999-12-31 23:59:59.999999', '0044-03-15 12:00:00 BC', 'infinity'],
    ],
    [1114, ['2024-01-01 00:00:00.5', '0099-01-01 00:00:00', '294276-12-31 23:59:59.999999']],
    [1114, ['Fri Mar 15 10:00:00 2024', '15.03.2024 10:00:00', '03/15/2024 10:00:00']],
    [
      1184,
      [
        '2024-01-01 00:00:00+00',
        '0044-03-15 12:00:00+00 BC',
        '4713-06-01 00:00:00+00 BC',
        '1900-01-01 00:00:00.001-03:30',
        '1880-01-01 00:19:32+00:19:32',
      ],
    ],
    [1184, ['1969-12-31 23:59:59.9999+00', '0044-03-15 12:00:00+00 BC', 'infinity', '-infinity']],
    [1184, ['15.03.2024 10:00:00 CET', 'Fri Mar 15 10:00:00 2024 CET', '0033-01-01 00:00:00+01']],
    [1184, ['0001-02-29 12:00:00+00 BC', '275760-09-13 02:00:00+02', '294276-12-31 23:59:59+00']],
    [17, ['\\x', '\\xDEADbeef']],
    [114, ['{"a":[1,null]}', '"grün"', 'null']],
    [600, ['(1,2.5)']],
    [1007, ['{1,NULL,3}', '{{1,2},{3,4}}']],
    [1186, ['1 year 2 mons 3 days 04:05:06.789', '-00:00:01']],
    [99_999, ['of an unknown type']],
  ])('reads type %i as pg does: %j', (oid, values) => {
    for (const value of values) {
      const columns = [column('v', oid), column('w', oid)];
      expectSame(read(columns, [value, null], 'object'), pgRow(columns, [value, null], 'object'));
      expectSame(read(columns, [null, value], 'array'), pgRow(columns, [null, value], 'array'));
    }
  });

  it('cuts each fraction of a second as pg does', () => {
    const columns = [column('v', 1184)];
    for (let micros = 1; micros < 1_000_000; micros += 997) {
      const fraction = String(micros).padStart(6, '0').replace(/0+$/, '');
      const value = `1969-07-20 20:17:40.${fraction}+00`;
      expect(read(columns, [value], 'object')).toEqual(pgRow(columns, [value], 'object'));
    }
  });

  it('gives every value of a BINARY cursor to the parser that pg gives it to', () => {
    const seen: unknown[] = [];
    const types: TypeParsers = {
      getTypeParser: (_oid, format) => (value) => seen.push([format, value]),
    };
    const columns = [column('v', INT4, 'binary')];
    read(columns, ['abcd'], 'object', types);
    pgRow(columns, ['abcd'], 'object', types);
    expect(seen).toEqual([
      ['binary', Buffer.from('abcd')],
      ['binary', Buffer.from('abcd')],
    ]);
    expect(chooseFormats(columns, undefined)).toBeUndefined();
  });

  it('uses the parsers of the statement, and reads fast what they leave to pg', () => {
    const types: TypeParsers = {
      getTypeParser: (oid, format) =>
        oid === 20 ? BigInt : (pg.types as TypeParsers).getTypeParser(oid, format),
    };
    const columns = [column('a', 20), column('b', BYTEA)];
    expect(chooseFormats(columns, types)).toEqual([0, 1]);
    const bytes = Buffer.from([0, 255]);
    expect(read(columns, ['7', bytes], 'object', types, [0, 1])).toEqual({ a: 7n, b: bytes });
  });

  it('lets the error of a parser through, and reads on', () => {
    const broken = new Error('not today');
    const parse = (value: string): string => {
      if (value === 'bad') throw broken;
      return value;
    };
    const reader = make([column('a')], undefined, 'object', { getTypeParser: () => parse });
    const bad = dataRow(['bad']);
    const good = dataRow(['good']);
    expect(() => reader(bad.buffer, bad.at)).toThrow(broken);
    expect(reader(good.buffer, good.at)).toEqual({ a: 'good' });
  });

  it('keeps nothing of the memory that the message lies in', () => {
    const columns = [column('a', 17), column('b'), column('c')];
    const { buffer, at } = dataRow([Buffer.from([1, 2, 3]), 'short', 'a text of some length']);
    const row = make(columns, [1, 0, 0], 'object', undefined)(buffer, at);
    buffer.fill(0);
    expect(row).toEqual({ a: Buffer.from([1, 2, 3]), b: 'short', c: 'a text of some length' });
  });

  it('refuses a message that is not such a row, and reads nothing outside of it', () => {
    const columns = [column('a'), column('b', TIMESTAMPTZ)];
    const reader = make(columns, [0, 1], 'object', undefined);
    const whole = dataRow(['text', Buffer.alloc(8)]);
    const { at } = whole;
    expect(reader(whole.buffer, at)).toEqual({ a: 'text', b: new Date('2000-01-01T00:00:00Z') });
    const changed = (change: (buffer: Buffer) => Buffer | undefined): (() => unknown) => {
      const copy = Buffer.from(whole.buffer);
      const buffer = change(copy) ?? copy;
      return () => reader(buffer, at);
    };
    const int32 = (offset: number, value: number): (() => unknown) =>
      changed((buffer) => void buffer.writeInt32BE(value, offset));
    for (const length of [0, -1, 5, 25, 27, 1000, 0x7fff_ffff, -0x8000_0000]) {
      expect(int32(at - 4, length)).toThrow(BrokenRowError);
    }
    for (const count of [0, 1, 3, 0xffff]) {
      expect(changed((buffer) => void buffer.writeUInt16BE(count, at))).toThrow(BrokenRowError);
    }
    for (const length of [3, 5, 7, 9, 13, 1000, -2, 0x7fff_ffff, -0x8000_0000]) {
      expect(int32(at + 2, length)).toThrow(BrokenRowError);
      expect(int32(at + 10, length)).toThrow(BrokenRowError);
    }
    for (let end = 0; end < at + 22; end++) {
      expect(changed((buffer) => buffer.subarray(0, end))).toThrow(BrokenRowError);
    }
    expect(() => reader(whole.buffer, 2)).toThrow(BrokenRowError);
    const short = dataRow(['x', Buffer.from([1, 2])]);
    expect(() => reader(short.buffer, short.at)).toThrow('a value of 2 bytes as a type of 8');
  });

  it('refuses a binary form that nobody here reads', () => {
    expect(() => make([column('a', 3802)], [1], 'object', undefined)).toThrow(
      'Column "a" (type 3802) has no binary reading',
    );
  });
});

describe('parsers that the application sets', () => {
  const own = [INT4, TIMESTAMPTZ].map(
    (oid) => [oid, (pg.types as TypeParsers).getTypeParser(oid)] as const,
  );
  const restore = (): void => own.forEach(([oid, parse]) => pg.types.setTypeParser(oid, parse));
  afterEach(restore);

  it('take the place of the fast ones, in both forms, and are noticed', () => {
    const columns = [column('a', INT4), column('b', TIMESTAMPTZ), column('c', BYTEA)];
    const isCurrent = watchParsers(columns, undefined);
    expect([isCurrent(), chooseFormats(columns, undefined)]).toEqual([true, [0, 1, 1]]);
    for (const [oid] of own) pg.types.setTypeParser(oid, (value: string) => `<${value}>`);
    expect([isCurrent(), chooseFormats(columns, undefined)]).toEqual([false, [0, 0, 1]]);
    const { buffer, at } = dataRow(['7', '2024-01-01 00:00:00+00', Buffer.from([1])]);
    expect(newRowReader(columns, [0, 0, 1], 'array', undefined)(buffer, at)).toEqual([
      '<7>',
      '<2024-01-01 00:00:00+00>',
      Buffer.from([1]),
    ]);
    restore();
    expect([isCurrent(), chooseFormats(columns, undefined)]).toEqual([true, [0, 1, 1]]);
  });

  it('are noticed for another type too', () => {
    const isCurrent = watchParsers([column('a', 16)], undefined);
    pg.types.setTypeParser(INT4, Number);
    expect(isCurrent()).toBe(true);
  });
});

describe('a plan', () => {
  const columns = [column('a', INT4), column('b')];
  /** New parsers at each call, as a query builder brings them. */
  const marked = (mark: string): TypeParsers => ({ getTypeParser: () => (value) => mark + value });
  const row = dataRow(['7', 'x']);
  const read = (plan: RowPlan, types: TypeParsers | undefined): unknown =>
    plan.readerOf(parsersOf(columns, types))(row.buffer, row.at);

  it('reads by the parsers of each caller', () => {
    const plan = new RowPlan(columns, undefined, 'array', parsersOf(columns, marked('1:')));
    expect(plan.fits(undefined, parsersOf(columns, marked('2:')))).toBe(true);
    const first = plan.readerOf(parsersOf(columns, marked('1:')));
    expect(read(plan, marked('2:'))).toEqual(['2:7', '2:x']);
    expect(first(row.buffer, row.at)).toEqual(['1:7', '1:x']);
  });

  it('fits no others by which a column is read in another way', () => {
    const plan = new RowPlan(columns, undefined, 'object', parsersOf(columns, undefined));
    expect(read(plan, undefined)).toEqual({ a: 7, b: 'x' });
    expect(plan.fits(undefined, parsersOf(columns, undefined))).toBe(true);
    expect(plan.fits(undefined, parsersOf(columns, marked('')))).toBe(false);
    expect(plan.fits([0, 1], parsersOf(columns, undefined))).toBe(false);
  });
});

it("knows pg's own parsers, so that its types are read fast", () => {
  expect(chooseFormats([column('a', BYTEA), column('b', TIMESTAMPTZ)], undefined)).toEqual([1, 1]);
  expect(chooseFormats([column('a'), column('b', INT4)], undefined)).toBeUndefined();
  const oids = [16, 21, INT4, 26, 700, 701, 1082, 1114, TIMESTAMPTZ, 20, 1700, 2950, TEXT];
  const columns = oids.map((oid) => column('c', oid));
  const cells = planCells(columns, undefined, parsersOf(columns, undefined));
  expect(cells.map(({ kind }) => kind)).toEqual([
    ...Array.from({ length: 9 }, () => 'text'),
    ...['ascii', 'ascii', 'ascii', 'string'],
  ]);
});

it('a process that may not compile code reads the same rows', () => {
  const script = `
    const { newRowReader } = await import(${JSON.stringify(join(import.meta.dirname, 'row-reader.ts'))});
    const column = { name: '__proto__', dataTypeID: 23, format: 'text' };
    const reader = newRowReader([column], undefined, 'object', undefined);
    const row = reader(Buffer.from([0, 0, 0, 12, 0, 1, 0, 0, 0, 2, 52, 50]), 4);
    let isRefused = false;
    try { new Function(''); } catch { isRefused = true; }
    console.log(JSON.stringify([isRefused, Object.entries(row)]));`;
  const hooks = join(import.meta.dirname, '../../../../../test/support/register-ts.mjs');
  const args = ['--disallow-code-generation-from-strings', '--import', hooks];
  const answer = execFileSync(process.execPath, [...args, '--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  expect(JSON.parse(answer)).toEqual([true, [['__proto__', 42]]]);
});
