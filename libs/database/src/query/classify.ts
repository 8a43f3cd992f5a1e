// What a statement does, by PostgreSQL's own parser: may it go to a replica, may it run twice?
import { loadModule, parseSync } from 'libpg-query';
import { ACTING_FUNCTIONS, PURE_FUNCTIONS } from './functions.js';
import { moreTrace, traceOf } from './session-trace.js';
import type { SessionTrace } from './session-trace.js';

/**
 * `pure`: reads only, by known functions; may run twice. `read`: no writing clause, but calls a
 * function that is not known to be pure. `write`: changes something, or touches the session.
 * `unknown`: the parser does not understand it; the server will say why.
 */
export type StatementKind = 'pure' | 'read' | 'write' | 'unknown';

/** The judgement on one text. */
export interface Classification extends Verdict {
  /** What it leaves in its session. */
  readonly trace: SessionTrace;
}

interface Verdict {
  readonly kind: StatementKind;
  /** What made it a write, such as `INSERT` or `FOR UPDATE`; for messages. */
  readonly because: string | undefined;
}

/** Texts remembered, and their characters in all; the oldest one goes first. */
const MAX_REMEMBERED = { texts: 16_384, characters: 4_000_000 };
/** Longer texts are not parsed: a parse costs about 115 us per kB and blocks the event loop. */
const MAX_TEXT_LENGTH = 100_000;
/**
 * Texts that may nest deeper are not parsed. From about 5,000 levels on the parser overflows its stack, and
 * 60 such texts break it for all others; every level takes at least one of the tokens that are counted.
 */
const MAX_NESTING = 3_000;
const NESTING = /[-+*/%^|&<>=~!@#:([]|[a-z_]\w*/gi;

const UNKNOWN: Classification = Object.freeze({
  kind: 'unknown',
  because: undefined,
  trace: 'session',
});
const PURE: Verdict = Object.freeze({ kind: 'pure', because: undefined });
const READ: Verdict = Object.freeze({ kind: 'read', because: undefined });
const RANK: Readonly<Record<StatementKind, number>> = { pure: 0, read: 1, unknown: 2, write: 3 };

const WRITING_NODES: Readonly<Record<string, string>> = {
  InsertStmt: 'INSERT',
  UpdateStmt: 'UPDATE',
  DeleteStmt: 'DELETE',
  MergeStmt: 'MERGE',
  intoClause: 'SELECT INTO',
  lockingClause: 'a row lock (FOR UPDATE or FOR SHARE)',
};

type Tree = Readonly<Record<string, unknown>>;

function worse(a: Verdict, b: Verdict): Verdict {
  return RANK[b.kind] > RANK[a.kind] ? b : a;
}

function write(because: string): Verdict {
  return { kind: 'write', because };
}

function judgeFunction(call: Tree): Verdict {
  const parts = (call['funcname'] as Array<{ String: { sval: string } }>).map((p) => p.String.sval);
  const name = parts.at(-1) ?? '';
  const builtIn = parts.length === 1 || parts[0] === 'pg_catalog';
  if (builtIn && ACTING_FUNCTIONS.has(name)) return write(`${name}()`);
  return builtIn && PURE_FUNCTIONS.has(name) ? PURE : READ;
}

/** The worst that any part of the tree does. */
function judge(node: unknown): Verdict {
  let verdict = PURE;
  if (Array.isArray(node)) {
    for (const item of node) verdict = worse(verdict, judge(item));
  } else if (node !== null && typeof node === 'object') {
    for (const [key, value] of Object.entries(node)) {
      const writing = WRITING_NODES[key];
      if (writing !== undefined) return write(writing);
      if (key === 'FuncCall') verdict = worse(verdict, judgeFunction(value as Tree));
      verdict = worse(verdict, judge(value));
      if (verdict.kind === 'write') return verdict;
    }
  }
  return verdict;
}

function judgeExplain(explain: Tree): Verdict {
  const options = (explain['options'] ?? []) as Array<{ DefElem: { defname: string } }>;
  const runs = options.some((option) => option.DefElem.defname === 'analyze');
  return runs ? judgeStatement(explain['query'] as Tree) : PURE;
}

function judgeStatement(statement: Tree): Verdict {
  const [[kind, node] = ['', {}]] = Object.entries(statement);
  if (kind === 'SelectStmt') return judge(node);
  if (kind === 'VariableShowStmt') return PURE;
  if (kind === 'ExplainStmt') return judgeExplain(node as Tree);
  return write(WRITING_NODES[kind] ?? kind.replace(/Stmt$/, '').toUpperCase());
}

/** Loads the parser; without it every text is `unknown`. Costs about 40 ms, once. */
export async function loadParser(): Promise<void> {
  await loadModule();
}

function mayNestTooDeep(text: string): boolean {
  return text.length > MAX_NESTING && (text.match(NESTING)?.length ?? 0) > MAX_NESTING;
}

function parse(text: string): Classification {
  if (mayNestTooDeep(text)) return UNKNOWN;
  try {
    const trees = (parseSync(text).stmts ?? []).map(({ stmt }) => stmt as unknown as Tree);
    const verdict = trees.map(judgeStatement).reduce(worse, PURE);
    return { ...verdict, trace: trees.map(traceOf).reduce(moreTrace, 'none') };
  } catch {
    // Not an error of ours: extensions have their own syntax, and the server reports what is wrong.
    return UNKNOWN;
  }
}

/** How a statement begins that may only read. */
const READING = /^(?:\s|\/\*[^]*?\*\/|--[^\n]*\n)*(?:select|with|values|table)\b/i;
/** Longer ones are not parsed just to let them share a connection: most of them are written for one use. */
const MAX_READING_LENGTH = 4_096;

/** Remembers its judgements by text, so that a text is parsed once. */
export class Classifier {
  private readonly known = new Map<string, Classification>();
  private characters = 0;

  classify(text: string): Classification {
    if (text.length > MAX_TEXT_LENGTH) return UNKNOWN;
    const known = this.known.get(text);
    if (known !== undefined) return known;
    const fresh = parse(text);
    this.remember(text, fresh);
    return fresh;
  }

  /** Whether it surely only reads. Of what begins like a write, or is long, the answer is no, and costs nothing. */
  isPure(text: string): boolean {
    if (text.length > MAX_READING_LENGTH || !READING.test(text)) return false;
    return this.classify(text).kind === 'pure';
  }

  private remember(text: string, classification: Classification): void {
    this.known.set(text, classification);
    this.characters += text.length;
    for (const oldest of this.known.keys()) {
      const isTooMuch =
        this.known.size > MAX_REMEMBERED.texts || this.characters > MAX_REMEMBERED.characters;
      if (!isTooMuch) return;
      this.known.delete(oldest);
      this.characters -= oldest.length;
    }
  }
}
