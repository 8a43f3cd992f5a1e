// The traffic: a few clients, each with one request under way, in the mix of a market page.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Tally } from './tally.js';

/** One thing that a client asks. */
interface Ask {
  readonly kind: string;
  readonly path: string;
  readonly post?: { readonly body: unknown; readonly key?: string };
}

const STOCKS = ['AAPL', 'AMZN', 'GOOG', 'IBM', 'MSFT'];
const PORTFOLIOS = 4;
const REQUEST_TIMEOUT_MS = 10_000;
/** After a network error, so that a vanished app is not asked in a hot loop. */
const PAUSE_MS = 200;

/** Drives the app until it is told to stop. */
export class Traffic {
  readonly all = new Tally();
  readonly kinds = new Map<string, Tally>();
  private span = new Tally();
  private readonly portfolios: string[] = [];

  constructor(private readonly url: string) {}

  /** Opens the portfolios that the orders are placed in. */
  async open(): Promise<void> {
    for (let number = 1; number <= PORTFOLIOS; number++) {
      const body = { name: `Demo ${number}`, cash: '1000000.00' };
      const answer = await this.send({ kind: 'portfolio', path: '/portfolios', post: { body } });
      if (!answer.ok) throw new Error(`POST /portfolios answers ${answer.status}`);
      this.portfolios.push(((await answer.json()) as { id: string }).id);
    }
  }

  /** Resolves when `signal` is aborted and no request is under way any more. */
  async run(clients: number, signal: AbortSignal): Promise<void> {
    const client = async (): Promise<void> => {
      while (!signal.aborted) await this.ask(this.next());
    };
    await Promise.all(Array.from({ length: clients }, client));
  }

  /** The requests that ended since the last call. */
  takeSpan(): Tally {
    const span = this.span;
    this.span = new Tally();
    return span;
  }

  private async ask(ask: Ask): Promise<void> {
    const startedAtMs = performance.now();
    let outcome: string;
    try {
      const answer = await this.send(ask);
      await answer.arrayBuffer();
      outcome = String(answer.status);
    } catch (error) {
      outcome = nameOf(error);
    }
    const durationMs = performance.now() - startedAtMs;
    for (const tally of [this.all, this.span, this.ofKind(ask.kind)])
      tally.add(outcome, durationMs);
    if (Number.isNaN(Number(outcome))) await sleep(PAUSE_MS);
  }

  private send({ path, post }: Ask): Promise<Response> {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    if (post === undefined) return fetch(this.url + path, { signal });
    const headers = {
      'Content-Type': 'application/json',
      ...(post.key !== undefined && { 'Idempotency-Key': post.key }),
    };
    return fetch(this.url + path, {
      method: 'POST',
      headers,
      body: JSON.stringify(post.body),
      signal,
    });
  }

  private ofKind(kind: string): Tally {
    const known = this.kinds.get(kind) ?? new Tally();
    this.kinds.set(kind, known);
    return known;
  }

  private next(): Ask {
    const dice = Math.random();
    if (dice < 0.4) return { kind: 'quote', path: `/market/quotes/${oneOf(STOCKS)}` };
    if (dice < 0.55) return { kind: 'quotes', path: '/market/quotes' };
    if (dice < 0.75) return candles();
    if (dice < 0.85) return { kind: 'portfolio', path: `/portfolios/${oneOf(this.portfolios)}` };
    return order(oneOf(this.portfolios));
  }
}

function candles(): Ask {
  const year = 2000 + Math.floor(Math.random() * 19);
  const interval = oneOf(['day', 'week', 'month']);
  const range = `interval=${interval}&from=${year}-01-01&to=${year + 1}-12-31&limit=100`;
  return { kind: 'candles', path: `/market/candles/SP500?${range}` };
}

/** Sells about as often as it buys, so that some orders are refused, as in life. */
function order(portfolio: string): Ask {
  const side = oneOf(['buy', 'sell']);
  const quantity = 1 + Math.floor(Math.random() * 50);
  const body = { symbol: oneOf(STOCKS), side, quantity };
  const path = `/portfolios/${portfolio}/orders`;
  return { kind: 'order', path, post: { body, key: randomUUID() } };
}

function oneOf(list: readonly string[]): string {
  return list[Math.floor(Math.random() * list.length)] ?? '';
}

/** `fetch` hides the reason of a network error in its cause. */
function nameOf(error: unknown): string {
  const { cause, name } = error as Error & { cause?: NodeJS.ErrnoException };
  return cause?.code ?? name;
}
