/**
 * The background thread, jffs2_gcd_mtdN: checks what the mount left unchecked, erases, and collects
 * garbage before a writer has to. Facts: reference jffs2.md §7.6.
 */
import { Errno } from '../lump/errno.js';
import { kthread_should_stop, kthread_stop } from '../lump/sched.js';
import { jffs2_garbage_collect_pass } from './gc.js';
import type { jffs2_sb_info } from './nodelist.js';
import { jffs2_thread_should_wake } from './nodemgmt.js';

/** Pause between two passes, so that it never takes the machine from those who work on it. */
const PAUSE_MS = 50;

/** Starts the thread. It ends by itself when nothing more can be collected. */
export function jffs2_start_garbage_collect_thread(c: jffs2_sb_info): void {
  c.gc_task = c.lump.sched.kthread_run(function* (task) {
    while (!kthread_should_stop(task)) {
      // In Linux it is woken by a signal, which stays until it is taken: a pass follows in any case.
      if (c.gc_triggered) {
        yield;
      } else if (jffs2_thread_should_wake(c)) {
        yield PAUSE_MS;
      } else {
        yield c.gc_wait;
        continue;
      }
      c.gc_triggered = false;
      if (kthread_should_stop(task)) return;
      try {
        jffs2_garbage_collect_pass(c);
      } catch (error) {
        if (!(error instanceof Errno)) throw error;
        // That passes.
        if (error.code === 'ENOMEM' || error.code === 'EAGAIN') continue;
        // A pass too many, while nothing can be collected yet.
        if (error.code === 'EIO' && !jffs2_thread_should_wake(c)) continue;
        c.lump.pr_notice(`jffs2: background garbage collection ends: ${error.message}`);
        c.gc_task = null;
        return;
      }
    }
  }, `jffs2_gcd_mtd${c.mtd.index}`);
}

export function jffs2_stop_garbage_collect_thread(c: jffs2_sb_info): void {
  const task = c.gc_task;
  c.gc_task = null;
  if (task) kthread_stop(task);
}
