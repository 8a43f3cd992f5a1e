// Recognises the statements by which other libraries begin and end their transactions.
import type { IsolationLevel } from '../transaction/transaction.options.js';

/** Modes of a transaction, as far as they are given. */
export interface TransactionModes {
  readonly isolation?: IsolationLevel;
  readonly access?: 'read only' | 'read write';
  readonly isDeferrable?: boolean;
}

/** BEGIN, COMMIT, ROLLBACK, SET TRANSACTION or PREPARE TRANSACTION. */
export interface TransactionCommand extends TransactionModes {
  readonly verb: 'begin' | 'commit' | 'rollback' | 'set' | 'prepare';
  /** AND CHAIN: another transaction begins at once. */
  readonly chains: boolean;
  /** What a server answers to a BEGIN that it runs, as `pg` tells it. */
  readonly tag?: 'BEGIN' | 'START';
}

/** A longer text is never one of these commands alone. */
const MAX_LENGTH = 300;

const LEADING = /^(?:\s|--[^\n]*\n|\/\*[^]*?\*\/)*/;
const COMMENT = /--[^\n]*|\/\*[^]*?\*\//g;
const FIRST_WORD = /(?:begin|start|commit|end|rollback|abort|set|prepare)\b/iy;
const BEGIN = /^(?:begin(?: work| transaction)?|start transaction)(?: (.+))?$/;
const END = /^(commit|end|rollback|abort)(?: work| transaction)?(?: and (?:no chain|(chain)))?$/;
const SET = /^set (?:local |session )?transaction (?!snapshot\b)(.+)$/;
const MODE =
  /^(?:isolation level (serializable|repeatable read|read committed|read uncommitted)|(read only|read write)|(not )?(deferrable))(?: ?, ?| |$)/;

function readModes(text: string): TransactionModes | undefined {
  let rest = text;
  let modes: TransactionModes = {};
  while (rest !== '') {
    const match = MODE.exec(rest);
    if (match === null) return undefined;
    const [whole, isolation, access, not, deferrable] = match;
    if (isolation !== undefined) {
      // PostgreSQL has no weaker level than read committed.
      const level = isolation === 'read uncommitted' ? 'read committed' : isolation;
      modes = { ...modes, isolation: level as IsolationLevel };
    }
    if (access !== undefined) modes = { ...modes, access: access as 'read only' | 'read write' };
    if (deferrable !== undefined) modes = { ...modes, isDeferrable: not === undefined };
    rest = rest.slice(whole.length);
  }
  return modes;
}

function parseCommand(text: string): TransactionCommand | undefined {
  const words = text.toLowerCase().replace(COMMENT, ' ').replace(/\s+/g, ' ');
  const command = words.replace(/[ ;]+$/, '');
  if (/^prepare transaction\b/.test(command)) return { verb: 'prepare', chains: false };
  const end = END.exec(command);
  if (end !== null) {
    const verb = end[1] === 'commit' || end[1] === 'end' ? 'commit' : 'rollback';
    return { verb, chains: end[2] !== undefined };
  }
  const begin = BEGIN.exec(command);
  const match = begin ?? SET.exec(command);
  const modes = match === null ? undefined : readModes(match[1] ?? '');
  if (modes === undefined) return undefined;
  if (begin === null) return { verb: 'set', chains: false, ...modes };
  const tag = command.startsWith('start') ? 'START' : 'BEGIN';
  return { verb: 'begin', chains: false, tag, ...modes };
}

/** Commands by their texts, the oldest first: an application has a few, and sends them all day. */
const known = new Map<string, TransactionCommand | undefined>();
const MAX_KNOWN = 256;

function beginsWithLetter(text: string): boolean {
  // Bit 5 is what lower case has and upper case has not.
  const unit = text.charCodeAt(0) | 0x20;
  return unit >= 0x61 && unit <= 0x7a;
}

function mayBeCommand(text: string): boolean {
  const start = beginsWithLetter(text) ? 0 : (LEADING.exec(text)?.[0].length ?? 0);
  if (text.length - start > MAX_LENGTH) return false;
  FIRST_WORD.lastIndex = start;
  return FIRST_WORD.test(text);
}

/** The command that the text is; undefined for anything else, and for several statements in one text. */
export function readCommand(text: string): TransactionCommand | undefined {
  const found = known.get(text);
  if (found !== undefined) return found;
  if (!mayBeCommand(text) || known.has(text)) return undefined;
  const command = parseCommand(text.replace(LEADING, ''));
  known.set(text, command);
  for (const oldest of known.keys()) {
    if (known.size <= MAX_KNOWN) break;
    known.delete(oldest);
  }
  return command;
}
