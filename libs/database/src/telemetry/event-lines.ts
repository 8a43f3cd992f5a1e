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
  'node:reconnect-failed': ({ node, attempt, error }) => {
    const text = `Attempt ${attempt} to reach "${node}" failed: ${errorText(error)}`;
    return line('warn', `connect ${node}`, text);
  },
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
  'cancel:failed': ({ node, backendPid, text, because }) =>
    line(
      'warn',
      `cancel ${node}`,
      `A statement of backend ${backendPid} on "${node}" may run on though it was cancelled (its CancelRequest ` +
        `${because === 'no effect' ? 'had no effect' : 'was not taken up'}): ${statementText(text)} The connection was ` +
        'given up. Look for the backend in pg_stat_activity, and at the load of the server and the network.',
    ),
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
  'lease:nested': (facts) =>
    line(
      'warn',
      `nested ${facts.node}`,
      `Code that holds a connection of "${facts.node}" ${facts.waits ? 'waits for' : 'took'} a second one. ` +
        `${heldText(facts)} is the one it holds.${borrowedText(facts)} When all connections are held so, nobody can ` +
        'go on: keep pool.max above the number of such calls at a time, or use propagation "nested" or "required".',
    ),
  'pool:deadlocked': ({ node, leased, max, waiting }) =>
    line(
      'error',
      `deadlock ${node}`,
      `All of ${leased}/${max} connections of "${node}" were held by code that waited for another one; the newest of ` +
        `these calls was refused (${waiting} wait). Keep pool.max above the number of such calls at a time.`,
    ),
  'pool:overloaded': ({ node, leased, max, waiting, reason }) =>
    line(
      'error',
      `overload ${node}`,
      `The pool of "${node}" sends callers away, for its queue is ${reason === 'full' ? 'full' : 'too slow'}: ` +
        `${leased} of ${max} connections are taken, ${waiting} callers wait. Look for slow queries; shed load upstream.`,
    ),
  'pool:recovered': ({ node, tookMs, refused, waiting }) =>
    line(
      'log',
      `overload ${node}`,
      `The pool of "${node}" sends nobody away any more, after ${durationText(tookMs)} and ${refused} refusals; ${waiting} wait.`,
    ),
  'pool:suspended': ({ node, leased }) =>
    line(
      'warn',
      `suspension ${node}`,
      `The pool of "${node}" is suspended: new work waits until resume(), ${leased} connections are still in use.`,
    ),
  'pool:resumed': ({ node, tookMs, waiting }) =>
    line(
      'log',
      `suspension ${node}`,
      `The pool of "${node}" goes on after ${durationText(tookMs)}; ${waiting} callers waited.`,
    ),
  'pool:resized': ({ node, formerMax, max, min, leased }) =>
    line(
      'log',
      `size ${node}`,
      `The pool of "${node}" has ${max} connections at most, not ${formerMax} any more, and ${min} at least; ${leased} are taken.`,
    ),
  'pool:recycled': ({ node, replaced, tookMs }) =>
    line(
      'log',
      `recycling ${node}`,
      `All ${replaced} connections of "${node}" were replaced in ${durationText(tookMs)}.`,
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
  'primary:conflict': ({ primary, refused, because }) =>
    line(
      'error',
      `conflict ${refused}`,
      `"${refused}" says it is primary, and so does "${primary}", which gets the writes (${because}). "${refused}" gets ` +
        `nothing: ${because === 'older timeline' ? 'fence it, or let it rejoin as a replica' : 'find out which one is right, and stop the other'}.`,
    ),
  'node:foreign': ({ node, systemId, expected }) =>
    line(
      'error',
      `foreign ${node}`,
      `"${node}" belongs to another cluster (system identifier ${systemId}, not ${expected ?? 'known'}) and gets ` +
        'nothing. Correct its address in the options.',
    ),
  'transaction:in-doubt': ({ node, error }) => {
    const text = `A transaction on "${node}" is in doubt: ${errorText(error)}`;
    return line('error', `in doubt ${node}`, text);
  },
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
  'notifications:lost': ({ node, error }) =>
    line(
      'warn',
      `notifications ${node}`,
      `Notifications from "${node}" are missed: ${errorText(error)} The line is opened again; each subscription is told of its gap.`,
    ),
  'notifications:restored': ({ node, downMs, channels }) =>
    line(
      'log',
      `notifications ${node}`,
      `Notifications come from "${node}" again, on ${channels} channels, after ${durationText(downMs)}.`,
    ),
  'notifications:reconnect-failed': ({ node, attempt, error }) => {
    const text = `Attempt ${attempt} to listen again failed: ${errorText(error)}`;
    return line('warn', `notifications retry ${node}`, text);
  },
  'notification:dropped': ({ channel, queued }) =>
    line(
      'warn',
      `notifications dropped ${channel}`,
      `The handler of channel "${channel}" is too slow: ${queued} notifications wait, and more are dropped. ` +
        'Let it hand the work on, or raise listen.maxQueued.',
    ),
  'notification:failed': ({ channel, error }) =>
    line(
      'error',
      `notification ${channel}`,
      `A handler of channel "${channel}" failed: ${errorText(error)}${whereText(error)} Catch errors inside the handler.`,
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
