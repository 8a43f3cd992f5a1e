// What the endpoints are told by the rest of the house.
import type { DatabaseView } from '../database-view.js';

/** One check of the health room. */
export interface EndpointCheck {
  readonly state: string;
  /** Fit for everybody: no host, no SQL, no text of an error. */
  readonly reason: string;
  readonly ageMs: number | undefined;
}

/** The health of the instance. */
export interface EndpointHealth {
  readonly state: string;
  readonly isReady: boolean;
  readonly checks: Readonly<Record<string, EndpointCheck | undefined>>;
}

/** Whether requests should be sent here. */
export interface EndpointReadiness {
  readonly isReady: boolean;
  readonly status: string;
  readonly failed: readonly string[];
}

/** The sources of all answers. Each is local and cheap: no request to an endpoint asks a server. */
export interface EndpointPorts {
  readonly instance: string;
  readonly view: DatabaseView;
  readonly readiness: () => EndpointReadiness;
  readonly health: () => EndpointHealth;
  /** Figures for operators, as JSON. */
  readonly metrics: () => object;
  /** Figures for Prometheus. */
  readonly scrape: () => { readonly contentType: string; readonly text: string };
}

/** Token of the {@link EndpointPorts} of the module that a controller belongs to. */
export const ENDPOINT_PORTS = Symbol.for('nestjs-database:endpoint-ports');
