// Where the tokens of a text end, by the rules of PostgreSQL's scanner.

/** What a character begins. */
export type CharacterKind = 0 | typeof BLANK | typeof LETTER | typeof DIGIT | typeof OPERATOR;

const BLANK = 1;
/** Begins a word. */
export const LETTER = 2;
/** Begins a number. */
export const DIGIT = 3;
/** Stands for itself, or is part of an operator. */
export const OPERATOR = 4;

/** By character; 0 is what is not understood, such as what is not ASCII, and what needs a closer look. */
const KINDS = new Uint8Array(128);
for (const [kind, characters] of [
  [BLANK, ' \t\n\r\f'],
  [LETTER, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_'],
  [DIGIT, '0123456789'],
  [OPERATOR, '+-*/<>=~!@#%^&|?,:[]'],
] as const)
  for (const character of characters) KINDS[character.charCodeAt(0)] = kind;

const code = (character: string): number => character.charCodeAt(0);
const [NUL, NEWLINE, RETURN] = [0, code('\n'), code('\r')];
const [DASH, SLASH, STAR] = [code('-'), code('/'), code('*')];
/** What quotes. */
export const [QUOTE, DOUBLE_QUOTE] = [code("'"), code('"')];
const [DOLLAR, DOT, BACKSLASH] = [code('$'), code('.'), code('\\')];

/** The end of what is not understood. */
export const NOWHERE = -1;

/** What the character at this place begins. */
export function kindAt(text: string, at: number): CharacterKind {
  return (KINDS[text.charCodeAt(at)] ?? 0) as CharacterKind;
}

/** Whether `1foo`, `1.2.3`, `$1x` are one token, two or an error depends on the version of the server. */
function unlessGlued(text: string, at: number): number {
  const next = text.charCodeAt(at);
  const isGlued =
    next >= KINDS.length || next === DOT || next === DOLLAR || kindAt(text, at) === LETTER;
  return isGlued ? NOWHERE : at;
}

function endOfDigits(text: string, from: number): number {
  let at = from;
  while (kindAt(text, at) === DIGIT) at++;
  return at;
}

/** The end of a number, which may begin with its point. */
export function endOfNumber(text: string, from: number): number {
  let at = endOfDigits(text, from);
  if (text.charCodeAt(at) === DOT) at = endOfDigits(text, at + 1);
  if (text[at] !== 'e' && text[at] !== 'E') return unlessGlued(text, at);
  const digits = text[at + 1] === '+' || text[at + 1] === '-' ? at + 2 : at + 1;
  at = endOfDigits(text, digits);
  return at === digits ? NOWHERE : unlessGlued(text, at);
}

/** The end of `$1`; all else behind a dollar may be a string with quotes of its own. */
export function endOfParameter(text: string, from: number): number {
  const at = endOfDigits(text, from + 1);
  return at === from + 1 ? NOWHERE : unlessGlued(text, at);
}

/** The end of a word, unless it is the first part of a literal: `e'...'`, `u&'...'`. */
export function endOfWord(text: string, from: number): number {
  let at = from + 1;
  for (let kind = kindAt(text, at); kind === LETTER || kind === DIGIT; kind = kindAt(text, at))
    at++;
  const next = text.charCodeAt(at);
  const isMore = next >= KINDS.length || next === DOLLAR || next === QUOTE || text[at] === '&';
  return isMore ? NOWHERE : at;
}

/** The end of a string or of a quoted name. What a backslash means depends on `standard_conforming_strings`. */
export function endOfQuoted(text: string, from: number, quote: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === NUL || (character === BACKSLASH && quote === QUOTE)) return NOWHERE;
    if (character !== quote) continue;
    if (text.charCodeAt(at + 1) !== quote) return at + 1;
    at++;
  }
  return NOWHERE;
}

function endOfLineComment(text: string, from: number): number {
  for (let at = from + 2; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === NEWLINE || character === RETURN) return at;
    if (character === NUL) return NOWHERE;
  }
  return text.length;
}

function endOfBlockComment(text: string, from: number): number {
  let depth = 1;
  for (let at = from + 2; at < text.length; at++) {
    const character = text.charCodeAt(at);
    const next = text.charCodeAt(at + 1);
    if (character === NUL) return NOWHERE;
    if (character === SLASH && next === STAR) depth++;
    else if (character === STAR && next === SLASH) depth--;
    else continue;
    at++;
    if (depth === 0) return at + 1;
  }
  return NOWHERE;
}

/** The end of blanks and comments: the place itself where there are none. */
export function endOfBlanks(text: string, from: number): number {
  let at = from;
  while (at !== NOWHERE && at < text.length) {
    const character = text.charCodeAt(at);
    const next = text.charCodeAt(at + 1);
    if (KINDS[character] === BLANK) at++;
    else if (character === DASH && next === DASH) at = endOfLineComment(text, at);
    else if (character === SLASH && next === STAR) at = endOfBlockComment(text, at);
    else break;
  }
  return at;
}
