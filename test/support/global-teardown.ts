// Jest's global teardown: stops what the global setup started, in the same process.
import { importSource } from './register-ts.mjs';

/** Leaves nothing running. */
export default async function globalTeardown(): Promise<void> {
  const { stopSharedCluster } = (await importSource('./shared-cluster.ts')) as {
    stopSharedCluster(): Promise<void>;
  };
  await stopSharedCluster();
}
