// Text that is fit for a log: one line, no secret, no values.

const MAX_LENGTH = 500;
const MAX_STATEMENT_LENGTH = 120;

/** One line without passwords: those in URLs and those behind `password=`. */
export function safeText(text: string): string {
  const line = text
    .slice(0, MAX_LENGTH * 4)
    .replace(/\b([a-z][a-z0-9+.-]{0,20}:\/\/)\S*@/gi, '$1***@')
    .replace(
      /\b(password|passwd|pwd|secret|token)(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;)&]+)/gi,
      '$1$2***',
    )
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH - 3)}...` : line;
}

/** What an error says. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return safeText(String(error));
  const name = error.name === 'Error' ? '' : `${error.name}: `;
  return safeText(`${name}${error.message}`);
}

/** A statement without its literals, cut; from a quote on that is not understood nothing is shown. */
export function statementText(text: string): string {
  const masked = text
    .replace(/'(?:[^'\\]|'')*'/g, '?')
    .replace(/'[\s\S]*|\$(?!\d)[\s\S]*/, '...')
    .replace(/(?<![$\w."])\d[\d.]*\b/g, '?')
    .replace(/\s+/g, ' ')
    .trim();
  return masked.length > MAX_STATEMENT_LENGTH
    ? `${masked.slice(0, MAX_STATEMENT_LENGTH - 3)}...`
    : masked;
}

/** The first `count` calls of a stack that are not Node's own, or undefined. */
export function callSites(stack: string | undefined, count: number): string | undefined {
  const calls = (stack ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at ') && !line.includes('node:'))
    .slice(0, count)
    .map((line) => line.slice(3));
  return calls.length === 0 ? undefined : calls.join(' < ');
}

/** A duration as people read it. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1_000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`;
}
