// Random values of the server's types, as text that it understands; the edges of each type among them.

/** Numbers that come again for the same seed. */
export interface Random {
  /** 0 ... below - 1. */
  below(below: number): number;
}

export function newRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { below: (below) => Math.floor(next() * below) };
}

type Values = (random: Random) => string;

const oneOf =
  (...values: readonly string[]): Values =>
  (random) =>
    values[random.below(values.length)] ?? '';

/** One of the edges a third of the time. */
const either =
  (edges: readonly string[], other: Values): Values =>
  (random) =>
    random.below(3) === 0 ? oneOf(...edges)(random) : other(random);

const digits =
  (most: number): Values =>
  (random) =>
    Array.from({ length: 1 + random.below(most) }, () => random.below(10)).join('');

const signed =
  (value: Values): Values =>
  (random) =>
    `${random.below(2) === 0 ? '-' : ''}${value(random)}`;

const int = (least: number, most: number): Values =>
  either([least, most, 0, 1].filter((edge) => edge >= least).map(String), (random) =>
    String(
      least + random.below(random.below(2) === 0 ? most - least : Math.min(most - least, 300)),
    ),
  );

const pad = (value: number, length: number): string => String(value).padStart(length, '0');

const PIECES = [
  'a',
  'Z',
  '0',
  ' ',
  '"',
  "'",
  '\\',
  '{',
  '}',
  ',',
  '\n',
  'é',
  'ß',
  '日',
  '💥',
  'NULL',
  'x',
];
const text: Values = (random) =>
  Array.from({ length: random.below(random.below(4) === 0 ? 90 : 14) }, () =>
    oneOf(...PIECES)(random),
  ).join('');

/** Years of all lengths, and those around which `pg` or JavaScript change their mind. */
const year: Values = (random) => {
  const kind = random.below(6);
  if (kind === 0) return pad(1 + random.below(110), 4);
  if (kind === 1) return String(10_000 + random.below(260_000));
  if (kind === 2) return pad(1800 + random.below(150), 4);
  return String(1950 + random.below(120));
};

/** Days of changes of the clock, here and there, and others. */
const date: Values = (random) => {
  if (random.below(4) === 0) {
    return oneOf('2024-03-31', '2024-10-27', '2023-11-05', '2023-03-12', '2011-12-30')(random);
  }
  return `${year(random)}-${pad(1 + random.below(12), 2)}-${pad(1 + random.below(28), 2)}`;
};

const time: Values = (random) => {
  const hour = random.below(3) === 0 ? 1 + random.below(3) : random.below(24);
  const clock = `${pad(hour, 2)}:${pad(random.below(60), 2)}:${pad(random.below(60), 2)}`;
  return random.below(3) === 0 ? clock : `${clock}.${digits(6)(random)}`;
};

/** BC now and then. 1 BC has a leap day that `pg` takes for the first of March: see the spec. */
const era: Values = (random) => (random.below(12) === 0 ? ' BC' : '');

const dates: Values = either(
  [
    'infinity',
    '-infinity',
    '0001-01-01',
    '0099-12-31',
    '0100-01-01',
    '9999-12-31',
    '10000-01-01',
    '2000-02-29',
    '4713-01-01 BC',
    '5874897-12-31',
    '0004-02-29',
    '0001-02-29 BC',
    '1970-01-01',
    '2000-01-01',
  ],
  (random) => {
    const isBc = era(random);
    return isBc === '' ? date(random) : `${pad(2 + random.below(4700), 4)}-05-06 BC`;
  },
);

const timestamps = either(
  [
    'infinity',
    '-infinity',
    '1970-01-01 00:00:00',
    '1969-12-31 23:59:59.999999',
    '2000-01-01 00:00:00.000001',
    '1999-12-31 23:59:59.9999',
    '294276-12-30 00:00:00',
    '0001-01-01 00:00:00',
    '0044-03-15 12:00:00 BC',
    '4713-06-01 00:00:00 BC',
    '0099-12-31 23:59:59.999',
    '1582-10-10 00:00:00',
  ],
  (random) => `${date(random)} ${time(random)}`,
);

const float: Values = (random) => {
  const kind = random.below(4);
  if (kind === 0) return `${signed(digits(6))(random)}.${digits(4)(random)}`;
  if (kind === 1) return signed(digits(17))(random);
  if (kind === 2) return `${signed(digits(1))(random)}.${digits(16)(random)}`;
  return `${signed(digits(1))(random)}.${digits(15)(random)}e${random.below(70) - 35}`;
};
const FLOAT_EDGES = [
  'NaN',
  'Infinity',
  '-Infinity',
  '-0',
  '0',
  '0.1',
  '1e-30',
  '-1e30',
  '0.30000000000000004',
];

const bytes: Values = (random) =>
  `\\x${Array.from({ length: random.below(40) }, () => pad(random.below(256), 3))
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .join('')}`;

const hex =
  (length: number): Values =>
  (random) =>
    Array.from({ length }, () => random.below(16).toString(16)).join('');

const json: Values = (random) =>
  JSON.stringify({ a: random.below(100), b: [text(random), null, true], ü: { c: 1.5 } });

const quotedItem = (value: string): string => `"${value.replace(/[\\"]/g, '\\$&')}"`;
const array =
  (item: Values): Values =>
  (random) =>
    random.below(5) === 0
      ? '{}'
      : `{${Array.from({ length: 1 + random.below(4) }, () => (random.below(5) === 0 ? 'NULL' : quotedItem(item(random)))).join(',')}}`;

const interval: Values = (random) =>
  `${random.below(20) - 10} years ${random.below(30)} mons ${random.below(40)} days ${time(random)}`;

/** Of every type, by its name; those named `row_...` are made by the spec. */
export const valuesByType: Readonly<Record<string, Values>> = {
  int2: int(-32_768, 32_767),
  int4: int(-2_147_483_648, 2_147_483_647),
  int8: either(['-9223372036854775808', '9223372036854775807', '0'], signed(digits(18))),
  oid: int(0, 4_294_967_295),
  bool: oneOf('true', 'false'),
  float4: either(
    FLOAT_EDGES,
    (random) => `${signed(digits(5))(random)}.${digits(5)(random)}e${random.below(40) - 20}`,
  ),
  float8: either([...FLOAT_EDGES, '1.7976931348623157e308', '5e-324'], float),
  numeric: either(
    ['NaN', '0', '0.10', '-0.000'],
    (random) => `${signed(digits(30))(random)}.${digits(12)(random)}`,
  ),
  'numeric(10,2)': (random) => `${signed(digits(7))(random)}.${digits(2)(random)}`,
  money: (random) => `${signed(digits(6))(random)}.25`,
  text,
  varchar: text,
  'char(20)': (random) => Array.from(text(random)).slice(0, 8).join(''),
  name: (random) => Array.from(text(random)).slice(0, 8).join(''),
  '"char"': oneOf('a', 'Z', ''),
  uuid: (random) => hex(32)(random),
  bytea: bytes,
  json,
  jsonb: json,
  timestamptz: (random) => `${timestamps(random)}`,
  timestamp: timestamps,
  date: dates,
  time,
  timetz: (random) => `${time(random)}+05:45`,
  interval,
  inet: oneOf('10.0.0.1', '10.0.0.0/8', '::1', '2001:db8::/32'),
  cidr: oneOf('10.0.0.0/8', '2001:db8::/32'),
  macaddr: (random) => hex(12)(random),
  'bit(5)': oneOf('00101', '11111'),
  varbit: oneOf('', '1', '10101010101'),
  point: (random) => `(${float(random)},1)`,
  circle: (random) => `<(1,${digits(3)(random)}.5),2>`,
  box: oneOf('(1,2),(3,4)'),
  tsvector: oneOf('a b', 'fat:2 rat:3'),
  int4range: oneOf('[1,5)', 'empty', '(,3)'),
  tstzrange: oneOf('[2024-01-01 00:00:00+00,)', 'empty'),
  pg_lsn: oneOf('0/0', '16/B374D848'),
  'int2[]': array(int(-300, 300)),
  'int4[]': array(int(-2_147_483_648, 2_147_483_647)),
  'int8[]': array(signed(digits(18))),
  'float8[]': array(float),
  'numeric[]': array(oneOf('1.50', '-2', 'NaN')),
  'bool[]': array(oneOf('t', 'f')),
  'text[]': array(text),
  'uuid[]': array(hex(32)),
  'jsonb[]': array(json),
  'bytea[]': array(bytes),
  'date[]': array(date),
  'timestamp[]': array(timestamps),
  'timestamptz[]': array(timestamps),
  'interval[]': array(interval),
  'int4[][]': oneOf('{{1,2},{3,4}}', '{{1},{NULL}}'),
  row_mood: oneOf('glad', 'so so'),
  row_positive: int(1, 99_999),
  row_day: date,
  row_pair: oneOf('(1,"a b")', '(,)'),
};
