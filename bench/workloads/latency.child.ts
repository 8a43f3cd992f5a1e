// The proxy of the `latency` workload, in a process of its own, so that its CPU is not that of the measured process.
import { startFaultProxy } from '../../test/support/fault-proxy.js';

const [targetPort = '', delayMs = ''] = process.argv.slice(2);
// Ctrl-C reaches the whole group of processes; the parent still needs the proxy to close its connections.
process.on('SIGINT', () => undefined);
const proxy = await startFaultProxy({
  targetPort: Number(targetPort),
  delayMs: Number(delayMs),
});
process.once('disconnect', () => {
  void proxy.stop().finally(() => process.exit());
});
process.send?.({ port: proxy.port });
