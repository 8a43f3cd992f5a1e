// The accounts and transfers that a run is about, and the books as the server keeps them.
import type { TransferKind } from './journal.js';
import type { Random } from './random.js';

/** Something that sends a statement. */
export interface Teller {
  query(text: string, values: readonly unknown[]): Promise<unknown>;
}

/** Money from one account to another. */
export interface Transfer {
  readonly id: string;
  readonly kind: TransferKind;
  readonly source: number;
  readonly target: number;
  readonly amount: number;
}

/** Few enough for transfers to meet, and to deadlock now and then. */
const ACCOUNTS = 60;
const INITIAL_BALANCE = 1_000_000;
const MAX_COMMIT_SECONDS = 0.02;
/** Role of the load: no superuser, for those are above connection limits. */
export const LOAD_ROLE = 'chaos';
/** Where `exactlyOnce` leaves its proofs. */
export const COMMIT_TABLE = 'proof';
/** What the balances add up to, in every snapshot of every server. */
export const TOTAL_BALANCE = ACCOUNTS * INITIAL_BALANCE;

/**
 * Statements that set the books up, one by one. `transfer.id` is not unique on purpose: a transfer that is made
 * twice has to be seen, not prevented.
 */
export const LEDGER_SCHEMA: readonly string[] = [
  `create role ${LOAD_ROLE} login password '${LOAD_ROLE}'`,
  'create table account (id int primary key, balance bigint not null)',
  'create table transfer (id text not null, kind text not null, source int not null, target int not null, amount int not null)',
  'create index transfer_id on transfer (id)',
  // Deferred to COMMIT, where the outcome of a transfer hangs: most of the faults are to meet it there.
  `create function close_books() returns trigger language plpgsql as $$
   begin perform pg_sleep(random() * ${MAX_COMMIT_SECONDS}); return null; end $$`,
  `create constraint trigger close_books after insert on transfer
   deferrable initially deferred for each row execute function close_books()`,
  `insert into account select id, ${INITIAL_BALANCE} from generate_series(1, ${ACCOUNTS}) id`,
  `create table ${COMMIT_TABLE} (token uuid primary key)`,
  `grant select, insert, update on account, transfer to ${LOAD_ROLE}`,
  `grant select, insert, delete on ${COMMIT_TABLE} to ${LOAD_ROLE}`,
];

/** Draws a transfer. */
export function drawTransfer(id: string, kind: TransferKind, random: Random): Transfer {
  const source = random.whole(1, ACCOUNTS);
  const step = random.whole(1, ACCOUNTS - 1);
  const target = ((source + step - 1) % ACCOUNTS) + 1;
  return { id, kind, source, target, amount: random.whole(1, 100) };
}

const BOOKED =
  'insert into transfer (id, kind, source, target, amount) values ($1, $2, $3, $4, $5)';
const MOVED = 'update account set balance = balance + $2 where id = $1';

/** Makes a transfer by three statements; the teller has a transaction open. */
export async function transfer(teller: Teller, made: Transfer): Promise<void> {
  const { id, kind, source, target, amount } = made;
  await teller.query(MOVED, [source, -amount]);
  await teller.query(MOVED, [target, amount]);
  await teller.query(BOOKED, [id, kind, source, target, amount]);
}

const AT_ONCE = `
  with moved as (
    update account set balance = balance + case id when $3::int then -$5::int else $5::int end
    where id in ($3::int, $4::int)
  )
  insert into transfer (id, kind, source, target, amount) values ($1::text, $2::text, $3::int, $4::int, $5::int)`;

/** Makes a transfer by one statement. */
export async function transferAtOnce(teller: Teller, made: Transfer): Promise<void> {
  const { id, kind, source, target, amount } = made;
  await teller.query(AT_ONCE, [id, kind, source, target, amount]);
}

/** How often a transfer is there. */
export const COUNT_TRANSFER = 'select count(*)::int as found from transfer where id = $1';

/** What all balances add up to. */
export const SUM_BALANCES = 'select sum(balance)::int as found from account';

/** All transfers, and how often each of them is there. */
export const AUDIT_TRANSFERS = 'select id, count(*)::int as times from transfer group by id';

/** Accounts whose balance is not what the transfers have made of it: one that was made in part. */
export const AUDIT_BALANCES = `
  select account.id, balance::text as balance, booked::text as booked
  from account cross join lateral (
    select ${INITIAL_BALANCE} + coalesce(sum(case target when account.id then amount else -amount end), 0) as booked
    from transfer where account.id in (source, target)
  ) books
  where balance <> booked`;
