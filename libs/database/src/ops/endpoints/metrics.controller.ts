// GET /metrics: for Prometheus.
import { Get, Inject, Res } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { send } from './endpoint-answer.js';
import { ENDPOINT_PORTS } from './endpoint-ports.js';
import type { EndpointPorts } from './endpoint-ports.js';

/** Its path is given by whoever extends it. */
export abstract class MetricsEndpoint {
  constructor(
    @Inject(ENDPOINT_PORTS) private readonly ports: EndpointPorts,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  @Get()
  scrape(@Res() response: unknown): void {
    send(this.host, response, { status: 200, ...this.ports.scrape() });
  }
}
