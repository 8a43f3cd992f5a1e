// What moves money and shares, and what values them. Each deal computes in numeric, inside the server.

/** First statement of a deal: deals of one portfolio run one after the other, others are not held up. */
export const LOCK_PORTFOLIO = `select from portfolios where id = $1 for no key update`;

/** $1 symbol, $2 day or null, $3 quantity. */
export const PRICE_DEAL = `
  select close as price, day::text as day, round(close * $3::integer, 2)::text as amount
    from prices
   where symbol = $1 and day <= coalesce($2::date, 'infinity')
   order by day desc
   limit 1`;

/** No row changes when the cash does not suffice. */
export const TAKE_CASH = `update portfolios set cash = cash - $2::numeric where id = $1 and cash >= $2::numeric`;

export const GIVE_CASH = `update portfolios set cash = cash + $2::numeric where id = $1`;

/** No row changes when there are fewer shares. */
export const TAKE_SHARES = `
  update positions set quantity = quantity - $3::integer
   where portfolio_id = $1 and symbol = $2 and quantity >= $3::integer`;

/** No row changes when the position would grow beyond $4. */
export const GIVE_SHARES = `
  insert into positions as held (portfolio_id, symbol, quantity) values ($1, $2, $3::integer)
  on conflict (portfolio_id, symbol) do update
    set quantity = held.quantity + excluded.quantity
  where held.quantity <= $4::integer - excluded.quantity`;

/** One statement, so cash and positions are of the same moment. Amounts in JSON stay text. */
export const PORTFOLIO_VALUE = `
  with held as (
    select p.symbol, p.quantity, q.close, q.day, round(q.close * p.quantity, 2) as value
      from positions p
     cross join lateral
           (select close, day from prices where symbol = p.symbol order by day desc limit 1) q
     where p.portfolio_id = $1 and p.quantity > 0
  )
  select f.id, f.name, f.cash, f.created_at as "createdAt",
         (f.cash + coalesce((select sum(value) from held), 0))::text as total,
         coalesce((select json_agg(json_build_object(
             'symbol', symbol, 'quantity', quantity, 'price', close::text, 'priceDay', day::text, 'value', value::text)
             order by symbol) from held), '[]') as positions
    from portfolios f
   where f.id = $1`;
