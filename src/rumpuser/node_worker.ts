/** The first thing that runs on a worker's thread, see node_workers.ts. */
import { workerData } from 'node:worker_threads';
import type { WorkerModule } from './host_workers.js';

const { module, data, portable } = workerData as {
  module: string;
  data: unknown;
  portable: boolean;
};
const codecs = portable
  ? new (await import('./portable_zlib.js')).PortableZlib()
  : (await import('./node_zlib.js')).nodeZlib();
((await import(module)) as WorkerModule).work(data, codecs);
