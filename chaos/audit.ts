// What the referee asks the servers at the end, straight and not through the proxies.
import { waitFor } from '../test/support/wait-for.js';
import { AUDIT_BALANCES, AUDIT_TRANSFERS, LOAD_ROLE } from './ledger.js';
import type { Servers } from './servers.js';

/** Longest that a transaction may rest when everything has healed, and a session stay after the close, in ms. */
const PATIENCE_MS = 5_000;

/** The books of the primary. */
export async function auditBooks(servers: Servers) {
  const { node } = servers.primary;
  const rows = await node.sql<{ id: string; times: number }>(AUDIT_TRANSFERS);
  const wrong = await node.sql<{ id: number; balance: string; booked: string }>(AUDIT_BALANCES);
  return {
    booked: new Map(rows.map(({ id, times }) => [id, times])),
    unbalancedAccounts: wrong.map(
      ({ id, balance, booked }) => `account ${id} holds ${balance}, its transfers make ${booked}`,
    ),
  };
}

/** Transactions that rest although nobody works any more. */
export function restingTransactions(servers: Servers): Promise<string[]> {
  return sessionsThatStay(servers, `state like 'idle in transaction%'`);
}

/** Sessions of the load that are left after its close. */
export function leftSessions(servers: Servers): Promise<string[]> {
  return sessionsThatStay(servers, 'true');
}

/** Sessions of which the condition is still true when patience ends. */
async function sessionsThatStay(servers: Servers, condition: string): Promise<string[]> {
  let sessions: string[] = [];
  const areGone = async (): Promise<boolean> => {
    const found = servers.stations.map(({ node }) =>
      node.sql<{ session: string }>(
        `select format('backend %s of %s: %s, %s', pid, $2::text, state, left(query, 80)) as session
         from pg_stat_activity where usename = $1 and ${condition}`,
        [LOAD_ROLE, node.name],
      ),
    );
    sessions = (await Promise.all(found)).flat().map(({ session }) => session);
    return sessions.length === 0;
  };
  await waitFor(areGone, { describe: 'sessions to go', timeoutMs: PATIENCE_MS }).catch(
    (error: unknown) => {
      if (sessions.length === 0) throw error;
    },
  );
  return sessions;
}
