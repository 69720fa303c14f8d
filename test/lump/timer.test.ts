/** Timers and work queues. */
import { expect } from 'chai';
import { KernelPanic } from '../../src/lump/bug.js';
import { completion, mutex } from '../../src/lump/locks.js';
import type { Lump } from '../../src/lump/lump.js';
import { wait_event, wait_queue_head, wake_up } from '../../src/lump/sched.js';
import {
  del_timer,
  HZ,
  jiffies_to_msecs,
  mod_timer,
  msecs_to_jiffies,
  timer_list,
  timer_pending,
} from '../../src/lump/timer.js';
import {
  cancel_delayed_work_sync,
  cancel_work_sync,
  delayed_work,
  delayed_work_pending,
  flush_delayed_work,
  flush_work,
  schedule_delayed_work,
  schedule_work,
  work_struct,
} from '../../src/lump/workqueue.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { boot } from './boot.js';

/** Runs the background until `ms` have passed and nothing is due. */
function pass(lump: Lump, host: { sleepMs(ms: number): void; monotonicMs(): number }, ms: number) {
  const end = host.monotonicMs() + ms;
  for (;;) {
    const next = lump.background();
    const left = end - host.monotonicMs();
    if (next === 0) continue;
    if (next < 0 || next > left) {
      host.sleepMs(left);
      return;
    }
    host.sleepMs(next);
  }
}

describe('lump: timers', () => {
  it('fire once, at their jiffy', () => {
    const { lump, host } = boot();
    const fired: number[] = [];
    const timer = new timer_list(lump, 't', () => fired.push(lump.jiffies));
    expect(mod_timer(timer, HZ)).to.equal(false);
    expect(timer_pending(timer)).to.equal(true);
    pass(lump, host, 999);
    expect(fired).to.deep.equal([]);
    pass(lump, host, 2000);
    expect(fired).to.deep.equal([HZ]);
    expect(timer_pending(timer)).to.equal(false);
  });

  it('can be moved and disarmed', () => {
    const { lump, host } = boot();
    const fired: number[] = [];
    const timer = new timer_list(lump, 't', () => fired.push(lump.jiffies));
    mod_timer(timer, 100);
    expect(mod_timer(timer, 10)).to.equal(true);
    pass(lump, host, 1000);
    expect(fired).to.deep.equal([10]);
    mod_timer(timer, 1000);
    expect(del_timer(timer)).to.equal(true);
    expect(del_timer(timer)).to.equal(false);
    pass(lump, host, 10_000);
    expect(fired).to.deep.equal([10]);
  });

  it('set in the past they fire at the next tick, and rearming themselves does not hang', () => {
    const { lump, host } = boot();
    const fired: number[] = [];
    const timer: timer_list = new timer_list(lump, 't', () => {
      fired.push(host.monotonicMs());
      if (fired.length < 3) mod_timer(timer, 0);
    });
    host.advance(1000);
    mod_timer(timer, 5);
    expect(lump.background()).to.equal(4);
    pass(lump, host, 100);
    expect(fired).to.deep.equal([1004, 1008, 1012]);
  });

  it('run in atomic context', () => {
    const { lump, host } = boot();
    const queue = new wait_queue_head(lump, 'q');
    mod_timer(new timer_list(lump, 't', () => wait_event(queue, () => true)), 1);
    host.advance(4);
    expect(() => lump.background()).to.throw(KernelPanic, 'atomic context: softirq/0');
  });

  it('must let go of their locks', () => {
    const { lump, host } = boot();
    const lock = new mutex(lump, 'l');
    mod_timer(new timer_list(lump, 'keeper', () => lock.trylock()), 1);
    host.advance(4);
    expect(() => lump.background()).to.throw(KernelPanic, 'timer keeper returned with l held');
  });

  it('any number of them fire in the order of time, then of arming', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const { lump, host } = boot();
      const prng = new Prng(seed);
      const fired: string[] = [];
      let armed: { timer: timer_list; at: number; order: number }[] = [];
      for (let order = 0; order < 200; order++) {
        const timer = new timer_list(lump, `${order}`, () => fired.push(timer.name));
        const at = 1 + prng.below(50);
        mod_timer(timer, at);
        armed.push({ timer, at, order });
      }
      for (const entry of armed) {
        if (prng.below(4) !== 0) continue;
        entry.at = 1 + prng.below(50);
        entry.order += 200;
        mod_timer(entry.timer, entry.at);
      }
      armed = armed.filter(({ timer }) => prng.below(3) !== 0 || !del_timer(timer));
      armed.sort((a, b) => a.at - b.at || a.order - b.order);
      pass(lump, host, 1000);
      expect(fired, `seed ${seed}`).to.deep.equal(armed.map(({ timer }) => timer.name));
    }
  });

  it('jiffies and milliseconds', () => {
    expect(msecs_to_jiffies(1)).to.equal(1);
    expect(msecs_to_jiffies(1000)).to.equal(HZ);
    expect(jiffies_to_msecs(HZ)).to.equal(1000);
  });
});

describe('lump: work queues', () => {
  it('run a work once however often it was queued, and again when queued again', () => {
    const { lump, host } = boot();
    let runs = 0;
    const work = new work_struct(lump, 'w', () => runs++);
    expect(schedule_work(work)).to.equal(true);
    expect(schedule_work(work)).to.equal(false);
    expect(runs).to.equal(0);
    pass(lump, host, 1);
    expect(runs).to.equal(1);
    expect(schedule_work(work)).to.equal(true);
    pass(lump, host, 1);
    expect(runs).to.equal(2);
  });

  it('run works in order, on one worker as long as none waits', () => {
    const { lump, host } = boot();
    const trace: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      const work = new work_struct(lump, name, () =>
        trace.push(`${name} on ${lump.sched.current.comm}`),
      );
      schedule_work(work);
    }
    pass(lump, host, 1);
    expect(trace).to.deep.equal(['a on kworker/0', 'b on kworker/0', 'c on kworker/0']);
  });

  it('a work that waits for another gets a second worker, which ends afterwards', () => {
    const { lump, host } = boot();
    const done = new completion(lump, 'done');
    const trace: string[] = [];
    const second = new work_struct(lump, 'second', () => {
      trace.push(`second on ${lump.sched.current.comm}`);
      done.complete();
    });
    const first = new work_struct(lump, 'first', () => {
      schedule_work(second);
      done.wait_for_completion();
      trace.push(`first on ${lump.sched.current.comm}`);
    });
    schedule_work(first);
    pass(lump, host, 1);
    expect(trace).to.deep.equal(['second on kworker/1', 'first on kworker/0']);
    expect(lump.sched.report().match(/kworker/g)).to.have.length(1);
  });

  it('a work queued while it runs, runs again, never twice at a time', () => {
    const { lump, host } = boot();
    let depth = 0;
    let runs = 0;
    const door = new wait_queue_head(lump, 'door');
    let open = false;
    const opener = new work_struct(lump, 'opener', () => {
      open = true;
      wake_up(door);
    });
    const work: work_struct = new work_struct(lump, 'w', () => {
      expect(depth++).to.equal(0);
      if (++runs === 1) {
        // Queued before the opener, it must not run before it: it is running.
        schedule_work(work);
        schedule_work(opener);
        wait_event(door, () => open);
      }
      depth--;
    });
    schedule_work(work);
    pass(lump, host, 1);
    expect(runs).to.equal(2);
  });

  it('flush_work waits for the end, cancel_work_sync takes it back', () => {
    const { lump } = boot();
    let runs = 0;
    const work = new work_struct(lump, 'w', () => runs++);
    flush_work(work);
    schedule_work(work);
    flush_work(work);
    expect(runs).to.equal(1);
    schedule_work(work);
    expect(cancel_work_sync(work)).to.equal(true);
    expect(cancel_work_sync(work)).to.equal(false);
    flush_work(work);
    expect(runs).to.equal(1);
  });

  it('a work that flushes itself is a deadlock', () => {
    const { lump } = boot();
    const work: work_struct = new work_struct(lump, 'w', () => flush_work(work));
    schedule_work(work);
    expect(() => lump.background()).to.throw(KernelPanic, /deadlock: kworker\/0/);
  });

  it('delayed works run after their time, and not when cancelled', () => {
    const { lump, host } = boot();
    const ran: number[] = [];
    const work = new delayed_work(lump, 'wbuf', () => ran.push(host.monotonicMs()));
    expect(schedule_delayed_work(work, 500)).to.equal(true);
    expect(schedule_delayed_work(work, 100)).to.equal(false);
    expect(delayed_work_pending(work)).to.equal(true);
    pass(lump, host, 499);
    expect(ran).to.deep.equal([]);
    pass(lump, host, 1);
    pass(lump, host, 0);
    expect(ran).to.deep.equal([500]);
    expect(delayed_work_pending(work)).to.equal(false);
    schedule_delayed_work(work, 500);
    expect(cancel_delayed_work_sync(work)).to.equal(true);
    expect(cancel_delayed_work_sync(work)).to.equal(false);
    pass(lump, host, 1000);
    expect(ran).to.deep.equal([500]);
  });

  it('flush_delayed_work runs it at once', () => {
    const { lump, host } = boot();
    const ran: number[] = [];
    const work = new delayed_work(lump, 'wbuf', () => ran.push(host.monotonicMs()));
    schedule_delayed_work(work, 500);
    flush_delayed_work(work);
    expect(ran).to.deep.equal([0]);
    flush_delayed_work(work);
    expect(ran).to.deep.equal([0]);
    expect(lump.background()).to.equal(-1);
  });
});
