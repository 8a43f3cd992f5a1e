// What a statement does, by PostgreSQL's own parser: may it go to a replica, may it run twice?
import { loadModule, parseSync } from 'libpg-query';
import { ACTING_FUNCTIONS, PURE_FUNCTIONS } from './functions.js';
import { beginsLikeReading, shapeOfReading } from './lexical-judge.js';
import { moreTrace, traceOf } from './session-trace.js';
import type { SessionTrace } from './session-trace.js';
import { TextMemory } from './text-memory.js';

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
  /** What its runs are counted by, if it may share a connection; texts that differ in values and comments have one. */
  readonly shape: string | undefined;
}

interface Verdict {
  readonly kind: StatementKind;
  /** What made it a write, such as `INSERT` or `FOR UPDATE`; for messages. */
  readonly because: string | undefined;
}

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
  shape: undefined,
});
const PURE: Verdict = Object.freeze({ kind: 'pure', because: undefined });
/** A text of which nobody asks the shape. */
const PURE_LONG: Classification = Object.freeze({ ...PURE, trace: 'none', shape: undefined });
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

/** What PostgreSQL's own parser says. */
export function judgeByParser(text: string): Omit<Classification, 'shape'> {
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

/** Longer ones do not share a connection, and are not parsed for that: most of them are written for one use. */
const MAX_SHARED_LENGTH = 4_096;

/** Remembers its judgements by text, so that a text is judged once. */
export class Classifier {
  private readonly known = new TextMemory<Classification>();

  classify(text: string): Classification {
    if (text.length > MAX_TEXT_LENGTH) return UNKNOWN;
    return this.known.get(text) ?? this.learn(text);
  }

  /** The shape of a text that surely only reads. What begins like a write, or is long, has none, and costs nothing. */
  shapeOf(text: string): string | undefined {
    if (text.length > MAX_SHARED_LENGTH) return undefined;
    const known = this.known.get(text);
    if (known !== undefined) return known.shape;
    return beginsLikeReading(text) ? this.learn(text).shape : undefined;
  }

  private learn(text: string): Classification {
    const shape = shapeOfReading(text);
    const isLong = text.length > MAX_SHARED_LENGTH;
    if (shape !== undefined) return isLong ? this.keep(text, PURE_LONG) : this.shaped(text, shape);
    const parsed = judgeByParser(text);
    const mayShare = parsed.kind === 'pure' && !isLong && beginsLikeReading(text);
    return this.keep(text, { ...parsed, shape: mayShare ? text : undefined });
  }

  /** A shape is a text too, and its own shape: all texts of one shape share its judgement. */
  private shaped(text: string, shape: string): Classification {
    if (shape === text) return this.keep(text, { ...PURE, trace: 'none', shape });
    return this.keep(text, this.classify(shape));
  }

  private keep(text: string, classification: Classification): Classification {
    this.known.add(text, classification);
    return classification;
  }
}
