// The cluster that all suites of a run share, kept between global setup and global teardown.
import { startCluster } from './cluster.js';
import type { Cluster } from './cluster.js';
import { findTestBinaries, removeAbandonedRuns } from './test-binaries.js';

let cluster: Cluster | undefined;

/** Starts a primary and a replica, and tells where they are. */
export async function startSharedCluster(): Promise<{ primaryUrl: string; replicaUrl: string }> {
  await removeAbandonedRuns(await findTestBinaries());
  cluster = await startCluster({ replicas: 1 });
  const { primary, replicas } = cluster;
  return { primaryUrl: primary.url(), replicaUrl: replicas[0]?.url() ?? '' };
}

/** Ends both servers and deletes their data. */
export async function stopSharedCluster(): Promise<void> {
  await cluster?.stop();
  cluster = undefined;
}
