// Jest's global setup: starts the shared primary and replica once per run, before the first suite that needs a server.
import { importSource } from './register-ts.mjs';

interface SharedClusterModule {
  startSharedCluster(): Promise<{ primaryUrl: string; replicaUrl: string }>;
}

/** Puts the addresses into the environment, which the workers inherit. */
export default async function globalSetup(): Promise<void> {
  const { startSharedCluster } = (await importSource('./shared-cluster.ts')) as SharedClusterModule;
  process.env['TEST_SHARED_CLUSTER'] = JSON.stringify(await startSharedCluster());
}
