// What the import of prices asks.

export const FIND_IMPORT = `select from imports where source = $1`;

export const RECORD_IMPORT = `insert into imports (source, rows) values ($1, $2)`;

export const UPSERT_INSTRUMENT = `
  insert into instruments (symbol, name, kind, resolution) values ($1, $2, $3, $4)
  on conflict (symbol) do update
    set name = excluded.name, kind = excluded.kind, resolution = excluded.resolution`;

/** COPY knows no conflict clause: rows land here first, so that a newer version of the source can correct older rows. */
export const CREATE_STAGING = `
  create temp table incoming_prices
    (symbol text, day date, open numeric, high numeric, low numeric, close numeric, volume bigint)
    on commit drop`;

/** `trim_scale`: the index comes with six decimals whether they say something or not. */
export const MERGE_STAGING = `
  insert into prices (symbol, day, open, high, low, close, volume)
  select symbol, day, trim_scale(open), trim_scale(high), trim_scale(low), trim_scale(close), volume
    from incoming_prices
  on conflict (symbol, day) do update
    set open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume`;
