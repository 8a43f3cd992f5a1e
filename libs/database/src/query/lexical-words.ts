// What the words of PostgreSQL's grammar mean for a reader that sees one token at a time.
import { PURE_FUNCTIONS } from './functions.js';

/**
 * What a word means. `opening`: a statement that only reads may begin with it. `clause`: reserved, so a parenthesis behind
 * it calls nothing. `function`: calls, and only computes. `acting`: may write, lock or call something unseen. `name`: all
 * others, the name of a function perhaps.
 */
export type Word =
  | 'opening'
  | 'clause'
  | 'function'
  | 'acting'
  | 'name'
  | 'as'
  | 'by'
  | 'distinct'
  | 'group'
  | 'join'
  | 'on'
  | 'over'
  | 'partition';

const MEANINGS: Readonly<Record<Exclude<Word, 'function' | 'name'>, string>> = {
  opening: 'select with values table',
  // Only words that the grammar refuses as the name of a function: a reserved one, or one of the names of columns.
  clause: `all and any array between case cast coalesce else except exists from greatest grouping having in intersect
    lateral least limit not nullif offset only or row some then union using when where`,
  // INTO and FOR are in each way to make a table or to lock rows. The last ones call a function that they do not name, and
  // float(1) is another type than float(53).
  acting: 'into for insert update delete merge similar normalized system_user float',
  as: 'as',
  by: 'by',
  distinct: 'distinct',
  group: 'group order',
  join: 'join',
  on: 'on',
  over: 'over filter',
  partition: 'partition',
};

/** Computes, and yet its answer is another one on the next connection. */
const IDENTIFYING = 'pg_backend_pid';

const WORDS = new Map<string, Word>();
for (const name of PURE_FUNCTIONS) if (name !== IDENTIFYING) WORDS.set(name, 'function');
for (const [meaning, words] of Object.entries(MEANINGS))
  for (const word of words.split(/\s+/)) WORDS.set(word, meaning as Word);

/** What a word means that is neither quoted nor part of a longer name; in lower case. */
export function meaningOf(word: string): Word {
  return WORDS.get(word) ?? 'name';
}
