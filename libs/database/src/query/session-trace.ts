// What a statement leaves in its session: whether the next one may run on another connection.
import { PURE_FUNCTIONS, TRACELESS_FUNCTIONS } from './functions.js';

/**
 * `none`: nothing. `transaction`: nothing beyond the transaction it begins, ends or runs in. `session`: something
 * that stays, or it asks which session it runs in; also whatever is not known to do neither.
 */
export type SessionTrace = 'none' | 'transaction' | 'session';

type Tree = Readonly<Record<string, unknown>>;

/** Statements that read or change rows; their functions decide. */
const ROW_STATEMENTS = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
]);
/** Statements whose effect ends with the transaction. */
const OF_TRANSACTION = new Set(['LockStmt', 'ConstraintsSetStmt', 'NotifyStmt']);
/** Kinds of BEGIN, COMMIT and the like; those of two-phase commit are left out. */
const BOUNDARIES = /^TRANS_STMT_(?:BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|ROLLBACK_TO)$/;
/** Computes, and yet its answer is another one on the next connection. */
const IDENTIFYING = 'pg_backend_pid';

function isTraceless(call: Tree): boolean {
  const parts = (call['funcname'] as Array<{ String: { sval: string } }>).map((p) => p.String.sval);
  const name = parts.at(-1) ?? '';
  const isBuiltIn = parts.length === 1 || parts[0] === 'pg_catalog';
  if (!isBuiltIn || name === IDENTIFYING) return false;
  return PURE_FUNCTIONS.has(name) || TRACELESS_FUNCTIONS.has(name);
}

function hasTrace(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(hasTrace);
  if (node === null || typeof node !== 'object') return false;
  return Object.entries(node).some(([key, value]) => {
    // SELECT INTO makes a table, which may be a temporary one.
    if (key === 'intoClause') return true;
    if (key === 'FuncCall' && !isTraceless(value as Tree)) return true;
    return hasTrace(value);
  });
}

/** What one parsed statement leaves. A function of the application's may leave anything; triggers are trusted. */
export function traceOf(statement: Tree): SessionTrace {
  const [[kind, node] = ['', {}]] = Object.entries(statement) as Array<[string, Tree]>;
  if (ROW_STATEMENTS.has(kind)) return hasTrace(node) ? 'session' : 'none';
  if (kind === 'ExplainStmt') return traceOf(node['query'] as Tree);
  if (kind === 'VariableShowStmt') return 'none';
  if (OF_TRANSACTION.has(kind)) return 'transaction';
  if (kind === 'TransactionStmt')
    return BOUNDARIES.test(String(node['kind'])) ? 'transaction' : 'session';
  const isLocal = node['is_local'] === true || node['name'] === 'TRANSACTION';
  return kind === 'VariableSetStmt' && isLocal ? 'transaction' : 'session';
}

const RANK: Readonly<Record<SessionTrace, number>> = { none: 0, transaction: 1, session: 2 };

/** The greater one of two traces: that of a text with both. */
export function moreTrace(a: SessionTrace, b: SessionTrace): SessionTrace {
  return RANK[b] > RANK[a] ? b : a;
}
