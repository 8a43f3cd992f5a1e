// What a statement does, by PostgreSQL's own parser: may it go to a replica, may it run twice?
import { loadModule, parseSync } from 'libpg-query';
import { ACTING_FUNCTIONS, PURE_FUNCTIONS } from './functions.js';

/**
 * `pure`: reads only, by known functions; may run twice. `read`: no writing clause, but calls a
 * function that is not known to be pure. `write`: changes something, or touches the session.
 * `unknown`: the parser does not understand it; the server will say why.
 */
export type StatementKind = 'pure' | 'read' | 'write' | 'unknown';

/** The judgement on one text. */
export interface Classification {
  readonly kind: StatementKind;
  /** What made it a write, such as `INSERT` or `FOR UPDATE`; for messages. */
  readonly because: string | undefined;
}

/** Texts remembered, and their characters in all; the oldest one goes first. */
const MAX_REMEMBERED = { texts: 2_000, characters: 4_000_000 };
/** Longer texts are not parsed: a parse costs about 115 us per kB and blocks the event loop. */
const MAX_TEXT_LENGTH = 100_000;
/**
 * Texts that may nest deeper are not parsed. From about 5,000 levels on the parser overflows its stack, and
 * 60 such texts break it for all others; every level takes at least one of the tokens that are counted.
 */
const MAX_NESTING = 3_000;
const NESTING = /[-+*/%^|&<>=~!@#:([]|[a-z_]\w*/gi;

const UNKNOWN: Classification = Object.freeze({ kind: 'unknown', because: undefined });
const PURE: Classification = Object.freeze({ kind: 'pure', because: undefined });
const READ: Classification = Object.freeze({ kind: 'read', because: undefined });
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

function worse(a: Classification, b: Classification): Classification {
  return RANK[b.kind] > RANK[a.kind] ? b : a;
}

function write(because: string): Classification {
  return { kind: 'write', because };
}

function judgeFunction(call: Tree): Classification {
  const parts = (call['funcname'] as Array<{ String: { sval: string } }>).map((p) => p.String.sval);
  const name = parts.at(-1) ?? '';
  const builtIn = parts.length === 1 || parts[0] === 'pg_catalog';
  if (builtIn && ACTING_FUNCTIONS.has(name)) return write(`${name}()`);
  return builtIn && PURE_FUNCTIONS.has(name) ? PURE : READ;
}

/** The worst that any part of the tree does. */
function judge(node: unknown): Classification {
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

function judgeExplain(explain: Tree): Classification {
  const options = (explain['options'] ?? []) as Array<{ DefElem: { defname: string } }>;
  const runs = options.some((option) => option.DefElem.defname === 'analyze');
  return runs ? judgeStatement(explain['query'] as Tree) : PURE;
}

function judgeStatement(statement: Tree): Classification {
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
    const statements = parseSync(text).stmts ?? [];
    return statements.reduce<Classification>(
      (verdict, { stmt }) => worse(verdict, judgeStatement(stmt as unknown as Tree)),
      PURE,
    );
  } catch {
    // Not an error of ours: extensions have their own syntax, and the server reports what is wrong.
    return UNKNOWN;
  }
}

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
