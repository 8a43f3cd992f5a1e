// Real prices from the npm package `vega-datasets` (BSD-3-Clause), read from its CSV files as they are:
// - sp500-2000.csv: the S&P 500 index, each trading day of 2000-01-03 to 2020-04-17: open, high, low, close, volume;
// - stocks.csv: one price a month of five companies, January 2000 (Google: August 2004) to March 2010.
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/** One instrument that the files have prices of. */
export interface Instrument {
  readonly symbol: string;
  readonly name: string;
  readonly kind: 'index' | 'stock';
  /** Spacing of its prices. */
  readonly resolution: 'day' | 'month';
}

/** symbol, day (YYYY-MM-DD), open, high, low, close, volume; numbers as the text of the file. */
export type PriceRow = readonly [
  symbol: string,
  day: string,
  open: string | null,
  high: string | null,
  low: string | null,
  close: string,
  volume: string | null,
];

/** The prices of the installed package. */
export interface PriceSource {
  /** Package and version, such as `vega-datasets@3.2.1`. */
  readonly id: string;
  readonly totalBytes: number;
  /** All prices, file by file. @param read is told the bytes of every line. */
  rows(read: (bytes: number) => void): AsyncIterable<PriceRow>;
}

/** The instruments of the two files; the files themselves carry no names. */
export const INSTRUMENTS: readonly Instrument[] = [
  { symbol: 'SP500', name: 'S&P 500', kind: 'index', resolution: 'day' },
  { symbol: 'AAPL', name: 'Apple', kind: 'stock', resolution: 'month' },
  { symbol: 'AMZN', name: 'Amazon', kind: 'stock', resolution: 'month' },
  { symbol: 'GOOG', name: 'Google', kind: 'stock', resolution: 'month' },
  { symbol: 'IBM', name: 'IBM', kind: 'stock', resolution: 'month' },
  { symbol: 'MSFT', name: 'Microsoft', kind: 'stock', resolution: 'month' },
];

interface PriceFile {
  readonly name: string;
  readonly header: string;
  row(fields: readonly string[]): PriceRow | undefined;
}

const FILES: readonly PriceFile[] = [
  {
    name: 'sp500-2000.csv',
    header: 'date,open,high,low,close,adjclose,volume',
    row: ([day, open, high, low, close, , volume]) =>
      day && open && high && low && close && volume
        ? ['SP500', day, open, high, low, close, volume]
        : undefined,
  },
  {
    name: 'stocks.csv',
    header: 'symbol,date,price',
    row: ([symbol, date, price]) =>
      symbol && date && price ? [symbol, dayOf(date), null, null, null, price, null] : undefined,
  },
];

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** `Jan 1 2000` -> `2000-01-01`, without a time zone on the way. */
function dayOf(date: string): string {
  const [month = '', day = '', year = ''] = date.split(' ');
  const number = MONTHS.indexOf(month) + 1;
  if (number === 0) throw new Error(`stocks.csv: "${date}" is not a date like "Jan 1 2000"`);
  return `${year}-${String(number).padStart(2, '0')}-${day.padStart(2, '0')}`;
}

/** Opens the installed package, or gives undefined when it is not installed (production without dev dependencies). */
export async function findPriceSource(): Promise<PriceSource | undefined> {
  const root = findPackage();
  if (root === undefined) return undefined;
  const text = await readFile(join(root, 'package.json'), 'utf8');
  const { name, version } = JSON.parse(text) as { name: string; version: string };
  const paths = FILES.map((file) => join(root, 'data', file.name));
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size));
  return {
    id: `${name}@${version}`,
    totalBytes: sizes.reduce((sum, size) => sum + size, 0),
    async *rows(read) {
      for (const [index, file] of FILES.entries()) yield* rowsOf(file, paths[index] ?? '', read);
    },
  };
}

/** Folder of the package. Its `exports` hide the data files, so they are found beside its entry point. */
function findPackage(): string | undefined {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve('vega-datasets')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

async function* rowsOf(
  file: PriceFile,
  path: string,
  read: (bytes: number) => void,
): AsyncGenerator<PriceRow> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
  let number = 0;
  for await (const line of lines) {
    number++;
    read(Buffer.byteLength(line) + 1);
    if (number === 1) requireHeader(file, line);
    else if (line !== '') yield requireRow(file, line, number);
  }
}

function requireHeader({ name, header }: PriceFile, line: string): void {
  if (line.trim() === header) return;
  throw new Error(`${name} has the columns "${line}", not "${header}": another vega-datasets?`);
}

function requireRow(file: PriceFile, line: string, number: number): PriceRow {
  const row = file.row(line.split(','));
  if (row === undefined) throw new Error(`${file.name}:${number} is incomplete: "${line}"`);
  return row;
}
