// What the installed Terminus understands, found out when it is first needed: it is an optional peer.

/** A variable, so that neither TypeScript nor a bundler insists on the package. */
const TERMINUS = '@nestjs/terminus';

interface TerminusLike {
  readonly HealthIndicatorService?: new () => { check(key: string): object };
}

/** Loads the package. */
export type LoadTerminus = () => Promise<unknown>;

/** @throws when the package is not installed. */
export const loadTerminus: LoadTerminus = () => import(TERMINUS);

/**
 * True when `degraded` is a status of its own: from Terminus 12 on. Version 11 drops a result with a
 * status that it does not know, so there a degraded database has to be `up`.
 */
export async function knowsDegraded(load: LoadTerminus): Promise<boolean> {
  try {
    const { HealthIndicatorService } = (await load()) as TerminusLike;
    if (HealthIndicatorService === undefined) return false;
    return 'degraded' in new HealthIndicatorService().check('probe');
  } catch {
    // Not installed, or bundled away: `up` with `state: 'degraded'` is understood by everybody.
    return false;
  }
}
