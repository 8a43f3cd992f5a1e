// Who may see what operators see; and no answer of theirs is ever cached, refusals included.
import { createHash, timingSafeEqual } from 'node:crypto';
import { ForbiddenException, Injectable, UnauthorizedException } from '@nestjs/common';
import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/** Lets everybody through; first in line, so that what later guards refuse is not cached either. */
@Injectable()
export class NoStoreGuard implements CanActivate {
  constructor(private readonly host: HttpAdapterHost) {}

  canActivate(context: ExecutionContext): boolean {
    const response: unknown = context.switchToHttp().getResponse();
    this.host.httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    return true;
  }
}

/** Lets nobody through. */
@Injectable()
export class NoAccessGuard implements CanActivate {
  canActivate(): boolean {
    throw new ForbiddenException(
      'This endpoint needs endpoints.guard or endpoints.token; none is set.',
    );
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A guard that lets bearers of `token` through, and takes the same time for any other. */
export function createTokenGuard(token: string): Type<CanActivate> {
  const wanted = digest(token);

  @Injectable()
  class TokenGuard implements CanActivate {
    constructor(private readonly host: HttpAdapterHost) {}

    canActivate(context: ExecutionContext): boolean {
      const http = context.switchToHttp();
      const { headers } = http.getRequest<{ headers: Record<string, string | undefined> }>();
      const [, given = ''] = /^Bearer +(\S+) *$/i.exec(headers['authorization'] ?? '') ?? [];
      if (timingSafeEqual(digest(given), wanted)) return true;
      this.host.httpAdapter.setHeader(http.getResponse<unknown>(), 'WWW-Authenticate', 'Bearer');
      throw new UnauthorizedException('A bearer token is needed.');
    }
  }
  return TokenGuard;
}
