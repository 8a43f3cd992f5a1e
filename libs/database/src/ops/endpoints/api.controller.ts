// GET /api/database/...: what operators see; guarded by whoever extends it.
import { Get, Inject, Res } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { jsonAnswer, send } from './endpoint-answer.js';
import { ENDPOINT_PORTS } from './endpoint-ports.js';
import type { EndpointPorts } from './endpoint-ports.js';
import { connectionInfoBody, healthBody } from './endpoint.view.js';

/** Its path is given by whoever extends it. */
export abstract class ApiEndpoints {
  constructor(
    @Inject(ENDPOINT_PORTS) private readonly ports: EndpointPorts,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  /** All checks with reasons and figures, and every node with its last error; 503 when not ready. */
  @Get('health')
  health(@Res() response: unknown): void {
    const { isReady, body } = healthBody(this.ports);
    send(this.host, response, jsonAnswer(isReady ? 200 : 503, body));
  }

  @Get('metrics')
  metrics(@Res() response: unknown): void {
    send(this.host, response, jsonAnswer(200, this.ports.metrics()));
  }

  /** Servers, versions and pool sizes; no user and no password. */
  @Get('connection-info')
  connectionInfo(@Res() response: unknown): void {
    send(this.host, response, jsonAnswer(200, connectionInfoBody(this.ports)));
  }
}
