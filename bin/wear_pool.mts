/** Runs experiments on all processors, a thread each. */
import { availableParallelism } from 'node:os';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Tinypool } from 'tinypool';
import type { ResultRecord } from '../src/wearlab/result.js';
import type { Job } from '../src/wearlab/sweep.js';
import type { WearMessage, WearTask } from './wear_worker.mjs';
import { version } from './program.mjs';

export interface JobListener {
  record(job: Job, line: string, type: ResultRecord['type']): void;
  /** What a person should know about it. */
  note(job: Job, text: string): void;
  /** It goes on from a checkpoint: 0 … 1, and the chip's erases. What it told comes next. */
  resumed(job: Job, share: number, erases: number): void;
  /** 0 … 1, and the chip's erases. */
  progress(job: Job, share: number, erases: number): void;
  done(job: Job): void;
  failed(job: Job, message: string): void;
}

export interface PoolOptions {
  /** Of the experiment's file. */
  readonly folder: string;
  /** Runs at a time; default: the processors that this process may use. */
  readonly processors?: number;
  /** Where the checkpoint of a job is; null: it has none. */
  readonly checkpointFile: (job: Job) => string | null;
}

/** Tells runs to end. */
export class Stop {
  readonly flag = new Int32Array(new SharedArrayBuffer(4));

  get isAsked(): boolean {
    return this.flag[0] !== 0;
  }

  ask(): void {
    Atomics.store(this.flag, 0, 1);
  }
}

/**
 * Jobs begin in their order and end in any; what a job tells does not depend on the others, nor on
 * how many run at a time. When `stop` is asked, those that run end early and no further one begins.
 */
export async function runJobs(
  jobs: readonly Job[],
  stop: Stop,
  listener: JobListener,
  options: PoolOptions,
): Promise<void> {
  const { processors = availableParallelism() } = options;
  const threads = Math.max(1, Math.min(processors, jobs.length));
  const pool = new Tinypool({
    filename: new URL('./wear_worker.mjs', import.meta.url).href,
    minThreads: threads,
    maxThreads: threads,
  });
  try {
    const queue = [...jobs];
    const serve = async (): Promise<void> => {
      for (let job = queue.shift(); job !== undefined && !stop.isAsked; job = queue.shift()) {
        await runJob(pool, job, stop, listener, options);
      }
    };
    await Promise.all(Array.from({ length: threads }, serve));
  } finally {
    await pool.destroy();
  }
}

const LOST_AFTER_MS = 3000;

async function runJob(
  pool: Tinypool,
  job: Job,
  stop: Stop,
  listener: JobListener,
  { folder, checkpointFile }: PoolOptions,
): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  let isOver = false;
  // The port may still hold messages when the thread is done.
  const over = new Promise<void>((resolve) => {
    port1.on('message', (message: WearMessage) => {
      if (message.kind === 'record') return listener.record(job, message.line, message.type);
      if (message.kind === 'note') return listener.note(job, message.text);
      if (message.kind === 'resumed') return listener.resumed(job, message.share, message.erases);
      if (message.kind === 'progress') return listener.progress(job, message.share, message.erases);
      isOver = true;
      if (message.kind === 'done') listener.done(job);
      else listener.failed(job, message.message);
      resolve();
    });
  });
  // A thread that ends takes its end of the port along; why it ended may be told later.
  const lost = new Promise<never>((_, reject) => {
    port1.on('close', () => {
      const error = new Error('its thread has ended; does the policy end the process?');
      if (!isOver) setTimeout(reject, LOST_AFTER_MS, error);
    });
  });
  const { experiment, seed } = job;
  const program = `lump ${version()}`;
  const task: WearTask = {
    experiment,
    folder,
    seed,
    program,
    checkpointFile: checkpointFile(job),
    stop: stop.flag,
    port: port2,
  };
  try {
    await Promise.race([pool.run(task, { transferList: [port2 as MessagePort] }), lost]);
    await over;
  } catch (error) {
    // The thread itself died, as of too little memory.
    if (!isOver) listener.failed(job, (error as Error).message);
  } finally {
    port1.close();
  }
}
