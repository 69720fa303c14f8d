/** {@link HostWorkers} on Node's worker threads. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { HostWorkers } from './host_workers.js';

export const nodeWorkers: HostWorkers = {
  // Follows the affinity mask of the process (taskset, containers).
  processors: availableParallelism(),

  start(count, module, data, portable) {
    const entry = new URL('./node_worker.js', import.meta.url);
    for (let i = 0; i < count; i++) {
      let worker: Worker;
      try {
        worker = new Worker(entry, { workerData: { module, data, portable } });
      } catch {
        // No thread to be had (a limit of the system): the caller does all the work itself.
        return;
      }
      worker.unref();
      // The same when it ends before its time.
      worker.on('error', () => {});
    }
  },
};
