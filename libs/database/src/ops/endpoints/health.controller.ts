// GET /health, /health/live, /health/ready, /health/metrics: for probes and load balancers.
import { Get, Inject, Res } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { jsonAnswer, send } from './endpoint-answer.js';
import { ENDPOINT_PORTS } from './endpoint-ports.js';
import type { EndpointPorts } from './endpoint-ports.js';
import { poolMetricsBody, readinessBody } from './endpoint.view.js';

/** Its path is given by whoever extends it. */
export abstract class HealthEndpoints {
  constructor(
    @Inject(ENDPOINT_PORTS) private readonly ports: EndpointPorts,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  /** The process answers. Says nothing of the database: a restart would not mend that. */
  @Get()
  health(@Res() response: unknown): void {
    this.live(response);
  }

  @Get('live')
  live(@Res() response: unknown): void {
    const body = { status: 'ok', uptimeSeconds: process.uptime() };
    send(this.host, response, jsonAnswer(200, body));
  }

  /** 503 with the checks that failed, and from the first sign of shutdown. */
  @Get('ready')
  ready(@Res() response: unknown): void {
    const { isReady, body } = readinessBody(this.ports);
    send(this.host, response, jsonAnswer(isReady ? 200 : 503, body));
  }

  @Get('metrics')
  metrics(@Res() response: unknown): void {
    send(this.host, response, jsonAnswer(200, poolMetricsBody(this.ports)));
  }
}
