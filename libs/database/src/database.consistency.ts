// Carries what a user has written from one request to the next: a cookie or a header around each handler.
import { Inject, Injectable, mixin } from '@nestjs/common';
import type { CallHandler, ExecutionContext, NestInterceptor, Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { Observable, tap } from 'rxjs';
import type { DatabaseCore } from './database.core.js';
import { DEFAULT_INSTANCE } from './database.instance.js';
import { getCoreToken } from './database.tokens.js';
import { UsageError } from './kernel/errors.js';
import type { Freshness } from './query/position.js';
import type { ConsistencyContext } from './routing/consistency-context.js';
import { formatToken, readToken } from './routing/consistency-token.js';

/** How {@link ConsistencyInterceptor} carries tokens. */
export interface ConsistencyInterceptorOptions {
  /** Name of the instance of the module. @default 'default' */
  readonly instance?: string | undefined;
  /** Name of the cookie; false reads and sets none. @default 'db-consistency' */
  readonly cookie?: string | false | undefined;
  /** Name of a header of requests and answers, for clients without cookies. @default none */
  readonly header?: string | undefined;
  /**
   * Life of the cookie, in ms. Longer than `routing.maxLagMs`, for a replica that lags more is not asked
   * anyway; short, for a user who writes nothing needs none.
   * @default 60000
   */
  readonly maxAgeMs?: number | undefined;
}

interface Carrier {
  readonly instance: string;
  readonly cookie: string | undefined;
  readonly header: string | undefined;
  readonly maxAgeSeconds: number;
}

/** What both platforms have of a request. */
interface HttpRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** `https` behind a proxy too, where the application trusts it. */
  readonly protocol?: string;
}

const COOKIE = 'db-consistency';
const MAX_AGE_MS = 60_000;
/** What RFC 9110 allows in the name of a header, and RFC 6265 in that of a cookie. */
const NAME = /^[!#$%&'*+\-.^`|~\w]{1,64}$/;

/** @throws UsageError for names and times that no header can hold. */
function carrierOf(options: ConsistencyInterceptorOptions): Carrier {
  const { instance = DEFAULT_INSTANCE, header, maxAgeMs = MAX_AGE_MS } = options;
  const ofInstance = instance === DEFAULT_INSTANCE ? COOKIE : `${COOKIE}-${instance}`;
  const cookie = options.cookie === false ? undefined : (options.cookie ?? ofInstance);
  for (const [option, name] of Object.entries({ cookie, header })) {
    if (name === undefined || NAME.test(name)) continue;
    const mend = 'Use letters, digits and hyphens, 64 at most.';
    throw new UsageError(`${option} = ${JSON.stringify(name)} is no name of a ${option}. ${mend}`);
  }
  if (!(maxAgeMs >= 1_000 && maxAgeMs <= 86_400_000)) {
    throw new UsageError(`maxAgeMs = ${maxAgeMs} must be 1000 to 86400000: a second to a day.`);
  }
  const maxAgeSeconds = Math.ceil(maxAgeMs / 1_000);
  return { instance, cookie, header: header?.toLowerCase(), maxAgeSeconds };
}

/** The value of a cookie; the first one of that name counts. */
function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at >= 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** Reads and sets the token of one request. */
class TokenCarrier {
  constructor(
    private readonly core: DatabaseCore,
    private readonly adapter: AbstractHttpAdapter,
    private readonly carrier: Carrier,
  ) {}

  /** What the request brings. Anybody can send anything: what is no token of this cluster counts as none. */
  given({ headers }: HttpRequest): Freshness | undefined {
    const { cookie, header } = this.carrier;
    const texts = [
      header === undefined ? undefined : textOf(headers[header]),
      cookie === undefined ? undefined : cookieOf(textOf(headers['cookie']), cookie),
    ];
    const { freshness } = readToken(texts.find((text) => text !== undefined && text !== ''));
    if (freshness === undefined || freshness === 'primary') return freshness;
    const { systemId } = this.core.topology;
    return systemId === freshness.systemId ? freshness : undefined;
  }

  /** Tells the client, once the handler has written. A body that is under way already is left alone. */
  tell(context: ConsistencyContext, request: HttpRequest, response: unknown): void {
    if (!context.hasWritten || this.adapter.isHeadersSent(response) === true) return;
    const { cookie, header, maxAgeSeconds } = this.carrier;
    const token = formatToken(context.freshness);
    if (header !== undefined) this.adapter.setHeader(response, header, token);
    if (cookie === undefined) return;
    const secure = request.protocol === 'https' ? '; Secure' : '';
    const attributes = `Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`;
    this.adapter.appendHeader(response, 'Set-Cookie', `${cookie}=${token}; ${attributes}`);
  }
}

function interceptorOf(carrier: Carrier): Type<NestInterceptor> {
  @Injectable()
  class Interceptor implements NestInterceptor {
    constructor(
      @Inject(getCoreToken(carrier.instance)) private readonly core: DatabaseCore,
      @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    ) {}

    intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
      const { contexts, clock } = this.core;
      const isHttp = execution.getType() === 'http';
      const carriers = new TokenCarrier(this.core, this.host.httpAdapter, carrier);
      const http = execution.switchToHttp();
      const request = isHttp ? http.getRequest<HttpRequest>() : undefined;
      const given = request === undefined ? undefined : carriers.given(request);
      const context = contexts.open(given, clock.monotonicMs());
      const tell = (): void => {
        if (request !== undefined) carriers.tell(context, request, http.getResponse());
      };
      return new Observable((subscriber) =>
        contexts.run(context, () =>
          // At the end, for the platform answers with the last value; a handler that throws may have written too.
          next
            .handle()
            .pipe(tap({ complete: tell, error: tell }))
            .subscribe(subscriber),
        ),
      );
    }
  }
  return mixin(Interceptor);
}

/**
 * Makes each request a context of its own: its `session` reads see what the same user has written, by way
 * of whichever process. `{ provide: APP_INTERCEPTOR, useClass: ConsistencyInterceptor }` for all handlers.
 */
export class ConsistencyInterceptor extends interceptorOf(carrierOf({})) {
  /**
   * The same with another cookie, a header, or for a named instance.
   * @throws UsageError for a name that no header can hold.
   */
  static with(options: ConsistencyInterceptorOptions): Type<NestInterceptor> {
    return interceptorOf(carrierOf(options));
  }
}
