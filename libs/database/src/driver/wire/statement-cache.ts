// Statements that one session has prepared, and which texts are worth it.
import type { Layout } from './layout.js';

/** A statement that the server keeps for one session. */
export class PreparedStatement {
  /** True once it is on its way to the server. */
  isSent = false;
  /** True once the server has told what it gives: from then on nobody asks again. */
  isDescribed = false;
  /** Undefined for a statement that gives no rows, and until that is known. */
  layout: Layout | undefined;
  usedAt = 0;

  constructor(
    readonly name: string,
    readonly text: string,
    /** True for one that the caller named: it is never given up. */
    readonly isNamed: boolean,
  ) {}

  /** The server has told what it gives. */
  learn(layout: Layout | undefined): void {
    if (this.isDescribed) return;
    this.isDescribed = true;
    this.layout = layout;
  }
}

/** A prefix that users' own names do not have. */
const PREFIX = 'nestjs_database_';
/** Texts whose first use is remembered, and their characters in all; when there are more, all of them begin anew. */
const MAX_SEEN = { texts: 2_000, characters: 1_000_000 };
/**
 * Uses of a session between two that give a statement up for another one. Without it, more texts in turn than are kept
 * would each be prepared, never used again and closed: dearer than to parse them.
 */
const EVICTION_PAUSE = 256;
/** Longer texts are parsed each time: the server would keep each of them for each session. */
const MAX_TEXT_LENGTH = 16_384;
/** What is planned, or runs often. Other commands gain nothing. */
const WORTHWHILE =
  /^\s*(?:select|insert|update|delete|with|values|merge|table|begin|start transaction|commit|rollback|set local)\b/i;
const NONE: readonly string[] = Object.freeze([]);
/** More than one statement, perhaps: a semicolon with something behind it. */
const SEVERAL = /;\s*\S/;

/** Prepares a text at its second use. The least recently used one goes when there are more than `size`. */
export class StatementCache {
  private readonly byText = new Map<string, PreparedStatement>();
  private readonly byName = new Map<string, PreparedStatement>();
  private readonly seen = new Set<string>();
  private seenCharacters = 0;
  private readonly closing: string[] = [];
  private count = 0;
  private uses = 0;
  /** The use at which the last one was given up. */
  private evictedAt = Number.NEGATIVE_INFINITY;

  /** `size` 0 prepares only what the caller names. */
  constructor(private readonly size: number) {}

  /** Statements that were prepared without being asked for. */
  get prepared(): number {
    return this.byText.size;
  }

  /** The statement of a text that is worth it, to be prepared when it is not parsed; else undefined. */
  find(text: string): PreparedStatement | undefined {
    const known = this.byText.get(text);
    if (known !== undefined) {
      known.usedAt = ++this.uses;
      return known;
    }
    return this.isWorthIt(text) ? this.add(text) : undefined;
  }

  /**
   * The statement that the caller named.
   * @throws Error when the name stands for another text.
   */
  named(name: string, text: string): PreparedStatement {
    const known = this.byName.get(name);
    if (known === undefined) {
      const fresh = new PreparedStatement(name, text, true);
      this.byName.set(name, fresh);
      return fresh;
    }
    if (known.text === text) return known;
    throw new Error(
      `Prepared statements must be unique - '${name}' was used for a different statement`,
    );
  }

  /** The server does not have it, or not as it should be: what it may have is closed, and the text begins anew. */
  forget(statement: PreparedStatement): void {
    if (statement.isNamed) this.byName.delete(statement.name);
    else if (this.byText.get(statement.text) === statement) this.byText.delete(statement.text);
    this.closing.push(statement.name);
  }

  /** The session has forgotten everything (DEALLOCATE ALL, DISCARD ALL). */
  clear(): void {
    this.byText.clear();
    this.byName.clear();
    this.closing.length = 0;
  }

  /** Names that are to be closed on the server: of what was forgotten, and of what is too much. */
  takeClosing(): readonly string[] {
    while (this.byText.size > this.size) this.evict();
    return this.closing.length === 0 ? NONE : this.closing.splice(0);
  }

  private evict(): void {
    let oldest: PreparedStatement | undefined;
    for (const statement of this.byText.values()) {
      if (oldest === undefined || statement.usedAt < oldest.usedAt) oldest = statement;
    }
    if (oldest === undefined) return;
    this.evictedAt = this.uses;
    this.byText.delete(oldest.text);
    if (oldest.isSent) this.closing.push(oldest.name);
  }

  private isWorthIt(text: string): boolean {
    this.uses++;
    if (this.size === 0 || text.length > MAX_TEXT_LENGTH) return false;
    if (this.byText.size >= this.size && this.uses - this.evictedAt < EVICTION_PAUSE) return false;
    if (!this.seen.has(text)) {
      this.remember(text);
      return false;
    }
    return WORTHWHILE.test(text) && !mayBeSeveral(text);
  }

  private remember(text: string): void {
    this.seenCharacters += text.length;
    if (this.seen.size >= MAX_SEEN.texts || this.seenCharacters > MAX_SEEN.characters) {
      this.seen.clear();
      this.seenCharacters = text.length;
    }
    this.seen.add(text);
  }

  private add(text: string): PreparedStatement {
    if (this.seen.delete(text)) this.seenCharacters -= text.length;
    const fresh = new PreparedStatement(`${PREFIX}${++this.count}`, text, false);
    fresh.usedAt = ++this.uses;
    this.byText.set(text, fresh);
    return fresh;
  }
}

/** Whether a text may hold several statements; true for a semicolon inside of a literal, too. */
export function mayBeSeveral(text: string): boolean {
  return text.includes(';') && SEVERAL.test(text);
}
