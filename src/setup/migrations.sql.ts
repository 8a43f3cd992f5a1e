// The schema, as numbered steps that only ever grow: a step that was released is never edited.
//
// Plain SQL rather than TypeORM migrations: half of the app asks the tables without entities, constraints
// and indexes are the half of the design that entities cannot express, and forty lines run it.
//
// Prices and money are `numeric`, never floating point. They leave the server as text, travel as decimal
// strings and are added, multiplied and compared by PostgreSQL only: no JavaScript number touches them.

/** One step, run in one transaction with all others that are missing. */
export interface Migration {
  /** Unique; also the order for a reader. */
  readonly id: string;
  readonly statements: readonly string[];
}

/** All steps in the order of their running. */
export const MIGRATIONS: readonly Migration[] = [
  {
    id: '0001-market',
    statements: [
      `create table instruments (
         symbol text primary key check (symbol ~ '^[A-Z0-9.]{1,12}$'),
         name text not null,
         kind text not null check (kind in ('index', 'stock')),
         resolution text not null check (resolution in ('day', 'month'))
       )`,
      // Sources that give one price a month leave everything but the close empty.
      `create table prices (
         symbol text not null references instruments,
         day date not null,
         open numeric check (open > 0),
         high numeric check (high >= close),
         low numeric check (low <= close and low > 0),
         close numeric not null check (close > 0),
         volume bigint check (volume >= 0),
         primary key (symbol, day)
       )`,
      `create table imports (
         source text primary key,
         rows integer not null,
         imported_at timestamptz not null default now()
       )`,
    ],
  },
  {
    id: '0002-portfolio',
    statements: [
      `create table portfolios (
         id uuid primary key,
         name text not null check (length(name) between 1 and 100),
         cash numeric(20, 2) not null check (cash >= 0),
         created_at timestamptz not null default now()
       )`,
      `create table positions (
         portfolio_id uuid not null references portfolios on delete cascade,
         symbol text not null references instruments,
         quantity integer not null check (quantity >= 0),
         primary key (portfolio_id, symbol)
       )`,
      `create table orders (
         id bigint generated always as identity primary key,
         portfolio_id uuid not null references portfolios on delete cascade,
         idempotency_key text not null,
         symbol text not null references instruments,
         side text not null check (side in ('buy', 'sell')),
         quantity integer not null check (quantity > 0),
         requested_day date,
         price numeric not null check (price > 0),
         price_day date not null,
         amount numeric(20, 2) not null,
         created_at timestamptz not null default now(),
         unique (portfolio_id, idempotency_key)
       )`,
      `create index orders_by_portfolio on orders (portfolio_id, id)`,
      `create index portfolios_by_age on portfolios (created_at, id)`,
    ],
  },
];
