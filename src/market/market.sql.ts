// What the market asks. `close` of a monthly source stands for all four prices of its day.

export const INSTRUMENTS = `
  select i.symbol, i.name, i.kind, i.resolution,
         min(p.day)::text as "firstDay", max(p.day)::text as "lastDay", count(*)::int as prices
    from instruments i join prices p using (symbol)
   group by i.symbol
   order by i.symbol`;

export const INSTRUMENT = `
  select symbol, name, kind, resolution from instruments where symbol = $1`;

/** Two steps down the primary key for each instrument; a window function would read every price. */
const QUOTE = `
  select i.symbol, i.name, last.close as price, last.day::text as day, trim_scale(last.close - previous.close) as change,
         round((last.close / previous.close - 1) * 100, 2) as "changePercent"
    from instruments i
   cross join lateral
         (select day, close from prices where symbol = i.symbol order by day desc limit 1) last
    left join lateral
         (select close from prices where symbol = i.symbol order by day desc offset 1 limit 1) previous on true`;

export const QUOTES = `${QUOTE} order by i.symbol`;

export const QUOTE_OF_SYMBOL = `${QUOTE} where i.symbol = $1`;

/**
 * $1 symbol, $2 interval, $3 from, $4 to, $5 limit. The range is widened to whole spans, so that a candle
 * never depends on where the range was cut. Through `timestamp`, since `date_trunc` of a date goes through
 * `timestamptz` and so through the session's time zone.
 */
export const CANDLES = `
  with priced as (
    select date_trunc($2, day::timestamp)::date as start, day,
           coalesce(open, close) as open, coalesce(high, close) as high, coalesce(low, close) as low, close, volume
      from prices
     where symbol = $1
       and day >= date_trunc($2, coalesce($3::date, '0001-01-01')::timestamp)
       and day < date_trunc($2, coalesce($4::date, '9999-01-01')::timestamp) + ('1 ' || $2)::interval
  )
  select start::text,
         (array_agg(open order by day))[1] as open, max(high) as high, min(low) as low,
         (array_agg(close order by day desc))[1] as close,
         sum(volume)::text as volume, count(*)::int as prices
    from priced
   group by start
   order by start
   limit $5`;
