// Collects all problems of the options, so that one start tells everything that is wrong.
import { ConfigurationError } from './errors.js';
import type { OptionProblem } from './errors.js';

const SECRET = /password|secret|token|key|cert|url|dsn|^(hosts|replicas)(\[\d+\])?$/i;
const HIDDEN = '(hidden)';
/** The user and the password in a URL, wherever it stands. */
const CREDENTIALS = /:\/\/[^\s"]*@/g;

function masked(key: string, value: unknown): unknown {
  return key !== '' && typeof value !== 'boolean' && SECRET.test(key) ? HIDDEN : value;
}

/** The value as it may be shown: secrets masked, long ones cut. */
export function shown(path: string, value: unknown): string {
  if (value !== undefined && value !== null && typeof value !== 'boolean' && SECRET.test(path)) {
    return HIDDEN;
  }
  if (typeof value === 'function') return '[function]';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  let text: string;
  try {
    text = JSON.stringify(value, masked) ?? String(value);
  } catch {
    text = Object.prototype.toString.call(value);
  }
  text = text.replace(CREDENTIALS, `://${HIDDEN}@`);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** A value whose meaning nobody knows: a text or an object may be a secret under a misspelt name. */
function shownUnknown(value: unknown): string {
  const mayBeSecret = typeof value === 'string' || (typeof value === 'object' && value !== null);
  return mayBeSecret ? HIDDEN : shown('', value);
}

/** Edits to turn one word into another; small words only. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The word that is at most two edits away and the nearest of them. */
function nearest(word: string, known: readonly string[]): string | undefined {
  const edits = (name: string): number => distance(name.toLowerCase(), word.toLowerCase());
  const [best] = known.toSorted((a, b) => edits(a) - edits(b));
  return best !== undefined && edits(best) <= 2 ? best : undefined;
}

/** Bounds of a number. */
export interface Bounds {
  readonly min: number;
  readonly max?: number;
}

/** Longest delay a timer can take, in ms. */
const MAX_TIMER_MS = 2_147_483_647;

/** A list of problems in the making. */
export class Checks {
  private readonly problems: OptionProblem[] = [];

  /** Reports a problem. */
  problem(path: string, value: unknown, rule: string, mend: string): void {
    this.problems.push({ path, value: shown(path, value), rule, mend });
  }

  /** A whole number within bounds. */
  count(path: string, value: unknown, bounds: Bounds): void {
    const max = bounds.max ?? Number.MAX_SAFE_INTEGER;
    if (Number.isInteger(value) && (value as number) >= bounds.min && (value as number) <= max)
      return;
    const range = bounds.max === undefined ? `>= ${bounds.min}` : `${bounds.min} to ${bounds.max}`;
    this.problem(path, value, `must be a whole number ${range}`, `Give ${path} such a number.`);
  }

  /** A duration in whole ms. */
  durationMs(path: string, value: unknown, bounds: Bounds): void {
    this.count(path, value, { min: bounds.min, max: bounds.max ?? MAX_TIMER_MS });
  }

  /** A number within bounds, fractions allowed. */
  number(path: string, value: unknown, bounds: Bounds): void {
    const max = bounds.max ?? Number.POSITIVE_INFINITY;
    if (typeof value === 'number' && value >= bounds.min && value <= max) return;
    const range = bounds.max === undefined ? `>= ${bounds.min}` : `${bounds.min} to ${bounds.max}`;
    this.problem(path, value, `must be a number ${range}`, `Give ${path} such a number.`);
  }

  boolean(path: string, value: unknown): void {
    if (typeof value === 'boolean') return;
    this.problem(path, value, 'must be true or false', `Give ${path} a boolean.`);
  }

  string(path: string, value: unknown): void {
    if (typeof value === 'string' && value !== '') return;
    this.problem(path, value, 'must be a text that is not empty', `Give ${path} a text.`);
  }

  oneOf(path: string, value: unknown, allowed: readonly unknown[]): void {
    if (allowed.includes(value)) return;
    // Undefined is what leaving it out means.
    const named = allowed.filter((item) => item !== undefined);
    const list = named.map((item) => JSON.stringify(item)).join(', ');
    this.problem(path, value, `must be one of ${list}`, `Choose one of them for ${path}.`);
  }

  /** Reports keys that nobody reads, with the nearest known one as the mend. */
  knownKeys(path: string, value: object, known: readonly string[]): void {
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue;
      const near = nearest(key, known);
      const mend =
        near === undefined ? `Known here: ${known.join(', ')}.` : `Did you mean "${near}"?`;
      const at = path === '' ? key : `${path}.${key}`;
      const unknown = shownUnknown((value as Record<string, unknown>)[key]);
      this.problems.push({ path: at, value: unknown, rule: 'is not an option', mend });
    }
  }

  /** A slice of options: checked for unknown keys and laid over its defaults. Undefined means default. */
  slice<Slice extends object>(
    path: string,
    given: unknown,
    defaults: Slice,
    known: readonly string[] = Object.keys(defaults),
  ): Slice {
    if (given === undefined) return { ...defaults };
    if (given === null || typeof given !== 'object' || Array.isArray(given)) {
      this.problem(path, given, 'must be an object of options', `See the options of ${path}.`);
      return { ...defaults };
    }
    this.knownKeys(path, given, known);
    const defined = Object.entries(given).filter(([, value]) => value !== undefined);
    return { ...defaults, ...(Object.fromEntries(defined) as Partial<Slice>) };
  }

  /** Throws one error with all problems, if there are any. */
  throwIfAny(): void {
    if (this.problems.length > 0) throw new ConfigurationError(this.problems);
  }
}
