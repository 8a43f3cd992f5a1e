// What the log says about each event: one line, with what to do about it.
import type { EventMap, LeaseFacts } from '../kernel/event-map.js';
import { callSites, durationText, errorText, statementText } from './log-text.js';

/** How loud a line is; the names are those of Nest's logger. */
export type LogLevel = 'error' | 'warn' | 'log' | 'debug';

/** One line for the log. */
export interface LogLine {
  /** Lines of one topic are limited together; the last one of them is always written. */
  readonly topic: string;
  readonly level: LogLevel;
  readonly text: string;
}

type Lines = {
  readonly [Name in keyof EventMap]?: (facts: EventMap[Name]) => LogLine | undefined;
};

function line(level: LogLevel, topic: string, text: string): LogLine {
  return { level, topic, text };
}

function heldText({ node, backendPid, heldMs, lastText }: LeaseFacts): string {
  const statement = lastText === undefined ? 'none' : statementText(lastText);
  return `A connection of "${node}" (backend ${backendPid}, held for ${durationText(heldMs)}, last statement: ${statement})`;
}

function borrowedText(facts: LeaseFacts): string {
  const calls = callSites(facts.borrowedAt, 3);
  return calls === undefined ? '' : ` Borrowed at ${calls}.`;
}

function whereText(error: unknown): string {
  const call = error instanceof Error ? callSites(error.stack, 1) : undefined;
  return call === undefined ? '' : ` (at ${call})`;
}

/** Events that are not listed are not noteworthy: every query, every connection of a healthy pool. */
export const EVENT_LINES: Lines = {
  'node:connected': ({ node, role }) =>
    line('log', `reach ${node}`, `"${node}" is connected; it is ${role}.`),
  'node:disconnected': ({ node, error }) =>
    line(
      'error',
      `reach ${node}`,
      `"${node}" is lost: ${errorText(error)} It is probed until it answers; check the server if that takes long.`,
    ),
  'node:reconnected': ({ node, downMs }) =>
    line('log', `reach ${node}`, `"${node}" is back after ${durationText(downMs)}.`),
  'node:reconnect-failed': ({ node, attempt, error }) =>
    line(
      'warn',
      `connect ${node}`,
      `Attempt ${attempt} to reach "${node}" failed: ${errorText(error)}`,
    ),
  'node:role-changed': ({ node, from, to }) =>
    from === 'unknown'
      ? undefined
      : line(
          'warn',
          `role ${node}`,
          `"${node}" was ${from} and is ${to} now; writes follow the primary.`,
        ),
  'connection:failed': ({ node, error }) =>
    line('warn', `connect ${node}`, `A connection to "${node}" failed: ${errorText(error)}`),
  'lease:leaked': (facts) =>
    line(
      'warn',
      `leak ${facts.node}`,
      `${heldText(facts)} was not returned.${borrowedText(facts)} ` +
        'Release it in a finally block, or let transaction() or session() do it.',
    ),
  'lease:returned-late': (facts) =>
    line('log', `leak ${facts.node}`, `${heldText(facts)} came back after all; it is no leak.`),
  'lease:dirty': (facts) =>
    line(
      'warn',
      `dirty ${facts.node}`,
      `${heldText(facts)} came back inside a transaction and was rolled back.${borrowedText(facts)} ` +
        'Send COMMIT or ROLLBACK before the release, or use transaction().',
    ),
  'pool:saturated': ({ node, leased, max }) =>
    line(
      'warn',
      `saturation ${node}`,
      `The pool of "${node}" is nearly used up: ${leased} of ${max} connections are taken. ` +
        'Look for slow queries and long transactions before you raise pool.max.',
    ),
  'pool:relieved': ({ node, leased, max }) =>
    line(
      'log',
      `saturation ${node}`,
      `The pool of "${node}" has room again: ${leased} of ${max} connections are taken.`,
    ),
  'pool:closed': ({ node, tookMs, cancelled, destroyed }) =>
    line(
      cancelled + destroyed === 0 ? 'log' : 'warn',
      `close ${node}`,
      `The pool of "${node}" closed in ${durationText(tookMs)}: ${cancelled} cancelled, ${destroyed} cut.` +
        (cancelled + destroyed === 0 ? '' : ' Raise pool.closeTimeoutMs to let such work end.'),
    ),
  'circuit:opened': ({ node, openMs, error }) =>
    line(
      'warn',
      `circuit ${node}`,
      `The circuit of "${node}" is open: ${errorText(error)} Calls are refused until a probe ` +
        `succeeds; the next one goes in ${durationText(openMs)}.`,
    ),
  'circuit:half-opened': ({ node }) =>
    line('debug', `circuit probe ${node}`, `The circuit of "${node}" lets probes through.`),
  'circuit:closed': ({ node }) =>
    line('log', `circuit ${node}`, `The circuit of "${node}" is closed again.`),
  'transaction:retried': ({ attempt, delayMs, error }) =>
    line(
      'debug',
      'transaction retry',
      `A transaction runs again in ${durationText(delayMs)}, after attempt ${attempt}: ${errorText(error)}`,
    ),
  'primary:changed': ({ from, to }) =>
    line(
      'warn',
      'primary',
      `Writes go to "${to}" from now on${from === undefined ? '' : `, not to "${from}"`}.`,
    ),
  'transaction:in-doubt': ({ node, error }) =>
    line(
      'error',
      `in doubt ${node}`,
      `A transaction on "${node}" is in doubt: ${errorText(error)}`,
    ),
  'transaction:resolved': ({ node, outcome, tookMs }) =>
    line(
      'warn',
      `resolved ${node}`,
      `A COMMIT on "${node}" was not answered; found out in ${durationText(tookMs)}: the transaction is ${outcome}.`,
    ),
  'transaction:foreign-connection': ({ node, text }) =>
    line(
      'warn',
      `foreign ${node}`,
      `Inside a transaction a statement went to another connection of "${node}": ${statementText(text)} ` +
        'It is no part of the transaction. Use the handle of this one, or set transaction.foreignConnections.',
    ),
  'transaction:hook-failed': ({ error }) =>
    line(
      'error',
      'transaction hook',
      `A hook after a transaction failed: ${errorText(error)}${whereText(error)} The transaction stands; catch errors inside the hook.`,
    ),
  'work:failed': ({ work, error }) =>
    line(
      'warn',
      `work ${work}`,
      `Background work failed (${work}): ${errorText(error)}${whereText(error)} It is tried again.`,
    ),
  'listener:failed': ({ event, error }) =>
    line(
      'error',
      `listener ${event}`,
      `A listener of "${event}" threw: ${errorText(error)}${whereText(error)} Catch errors inside the listener.`,
    ),
};
