import { expect } from 'chai';
import { KernelPanic } from '../../src/lump/bug.js';
import { Errno } from '../../src/lump/errno.js';
import { completion, mutex, spinlock } from '../../src/lump/locks.js';
import type { Lump } from '../../src/lump/lump.js';
import {
  kthread_should_stop,
  kthread_stop,
  wait_event,
  wait_event_timeout,
  wait_queue_head,
  wake_up,
  wake_up_process,
} from '../../src/lump/sched.js';
import { boot } from './boot.js';

/** Runs everything that is runnable now. */
function drain(lump: Lump): void {
  while (lump.background() === 0);
}

/** What three threads of four units each do in turn. */
function interleaving(seed: number): string {
  const { lump } = boot({ seed });
  let trace = '';
  for (const name of ['a', 'b', 'c']) {
    lump.sched.kthread_run(function* () {
      for (let unit = 0; unit < 4; unit++) {
        trace += name;
        yield;
      }
    }, name);
  }
  drain(lump);
  return trace;
}

describe('lump: scheduler', () => {
  it('seed 0 is first come, first served', () => {
    expect(interleaving(0)).to.equal('abcabcabcabc');
  });

  it('a seed fixes the interleaving, and seeds differ', () => {
    const traces = new Set<string>();
    for (let seed = 1; seed <= 20; seed++) {
      const trace = interleaving(seed);
      expect(trace, `seed ${seed}`).to.equal(interleaving(seed));
      expect([...trace].sort().join(''), `seed ${seed}`).to.equal('aaaabbbbcccc');
      traces.add(trace);
    }
    expect(traces.size).to.be.above(15);
  });

  it('background() runs one unit and tells when it wants to be called again', () => {
    const { lump, host } = boot();
    expect(lump.background()).to.equal(-1);
    expect(lump.has_background_work()).to.equal(false);
    const seen: string[] = [];
    lump.sched.kthread_run(function* () {
      seen.push('first');
      yield;
      seen.push('second');
      yield 30;
      seen.push('third');
    }, 'worker');
    expect(lump.has_background_work()).to.equal(true);
    expect(lump.background()).to.equal(0);
    expect(seen).to.deep.equal(['first']);
    expect(lump.background()).to.equal(30);
    host.advance(10);
    expect(lump.background()).to.equal(20);
    expect(lump.has_background_work()).to.equal(false);
    host.advance(20);
    expect(lump.has_background_work()).to.equal(true);
    expect(lump.background()).to.equal(-1);
    expect(seen).to.deep.equal(['first', 'second', 'third']);
  });

  it('a thread sleeps on a queue until it is woken', () => {
    const { lump } = boot();
    const queue = new wait_queue_head(lump, 'door');
    let entered = 0;
    lump.sched.kthread_run(function* (task) {
      while (!kthread_should_stop(task)) {
        yield queue;
        entered++;
      }
    }, 'porter');
    drain(lump);
    expect(entered).to.equal(0);
    wake_up(queue);
    wake_up(queue);
    drain(lump);
    expect(entered).to.equal(1);
  });

  it('wake_up_process ends a sleep early, and tells whether there was one', () => {
    const { lump, host } = boot();
    let wokenAtMs = -1;
    const task = lump.sched.kthread_run(function* () {
      yield 1000;
      wokenAtMs = host.monotonicMs();
    }, 'sleeper');
    expect(wake_up_process(task)).to.equal(false);
    lump.background();
    host.advance(5);
    expect(wake_up_process(task)).to.equal(true);
    drain(lump);
    expect(wokenAtMs).to.equal(5);
    expect(lump.background()).to.equal(-1);
    expect(wake_up_process(task)).to.equal(false);
  });

  it('kthread_stop ends a thread from any sleep', () => {
    for (const sleep of ['queue', 'time', 'none'] as const) {
      const { lump, host } = boot();
      const queue = new wait_queue_head(lump, 'never woken');
      let ended = false;
      const task = lump.sched.kthread_run(function* (me) {
        while (!kthread_should_stop(me)) {
          if (sleep === 'queue') yield queue;
          else if (sleep === 'time') yield 60_000;
          else yield;
        }
        ended = true;
      }, sleep);
      lump.background();
      kthread_stop(task);
      expect(ended, sleep).to.equal(true);
      expect(task.state).to.equal('dead');
      expect(queue.waiters.length).to.equal(0);
      expect(host.monotonicMs()).to.equal(0);
      kthread_stop(task);
    }
  });

  it('kthread_stop before the first unit', () => {
    const { lump } = boot();
    let units = 0;
    const task = lump.sched.kthread_run(function* (me) {
      while (!kthread_should_stop(me)) {
        units++;
        yield;
      }
    }, 'stillborn');
    kthread_stop(task);
    expect(units).to.equal(0);
  });

  it('a thread that sleeps without asking whether to stop is a deadlock', () => {
    const { lump } = boot();
    const queue = new wait_queue_head(lump, 'work');
    const task = lump.sched.kthread_run(function* () {
      for (;;) yield queue;
    }, 'deaf');
    expect(panicOf(() => kthread_stop(task))).to.match(/^deadlock: init\/1 waits for deaf: exit/);
  });

  it('threads run with the kernel’s credentials, whoever waits', () => {
    const { lump } = boot();
    const queue = new wait_queue_head(lump, 'q');
    const asked: number[] = [];
    lump.current_cred = { ...lump.init_cred, fsuid: 1000, privileged: false };
    lump.sched.kthread_run(function* () {
      asked.push(lump.current_cred.fsuid);
      lump.current_cred = { ...lump.current_cred, fsuid: 7 };
      yield;
      asked.push(lump.current_cred.fsuid);
      wake_up(queue);
    }, 'gc');
    wait_event(queue, () => asked.length === 2);
    expect(asked).to.deep.equal([0, 0]);
    expect(lump.current_cred.fsuid).to.equal(1000);
  });

  it('what a thread throws is a panic that names it', () => {
    const { lump } = boot();
    lump.sched.kthread_run(function* () {
      yield;
      throw new Errno('EIO');
    }, 'clumsy');
    lump.background();
    expect(() => lump.background()).to.throw(KernelPanic, 'clumsy/2 died: Errno: EIO');
  });

  it('background() from inside the kernel is a mistake', () => {
    const { lump } = boot();
    lump.sched.kthread_run(function* () {
      lump.background();
      yield;
    }, 'recursive');
    expect(() => lump.background()).to.throw(KernelPanic, 'from inside the kernel');
    const lock = new mutex(lump, 'l');
    lock.lock();
    expect(() => lump.background()).to.throw(KernelPanic, 'from inside the kernel');
  });
});

describe('lump: wait_event', () => {
  it('does nothing when the condition holds', () => {
    const { lump } = boot();
    let units = 0;
    lump.sched.kthread_run(function* () {
      units++;
      yield;
    }, 'idle');
    wait_event(new wait_queue_head(lump, 'q'), () => true);
    expect(units).to.equal(0);
  });

  it('runs other threads until the condition holds, and no further', () => {
    const { lump } = boot();
    const queue = new wait_queue_head(lump, 'erase');
    let erased = 0;
    lump.sched.kthread_run(function* () {
      for (;;) {
        erased++;
        wake_up(queue);
        yield;
      }
    }, 'eraser');
    wait_event(queue, () => erased === 3);
    expect(erased).to.equal(3);
  });

  it('sleeps the host when everybody sleeps', () => {
    const { lump, host } = boot();
    const queue = new wait_queue_head(lump, 'later');
    let done = false;
    lump.sched.kthread_run(function* () {
      yield 40;
      yield 60;
      done = true;
      wake_up(queue);
    }, 'slow');
    wait_event(queue, () => done);
    expect(host.monotonicMs()).to.equal(100);
  });

  it('looks at the condition only after a wake_up, as Linux does', () => {
    const { lump } = boot();
    const queue = new wait_queue_head(lump, 'forgotten');
    let done = false;
    lump.sched.kthread_run(function* () {
      yield;
      done = true;
    }, 'forgetful');
    expect(() => wait_event(queue, () => done)).to.throw(KernelPanic, 'lost wake-up');
  });

  it('a deadlock is a message that lists the tasks', () => {
    const { lump } = boot();
    const sem = new mutex(lump, 'alloc_sem');
    const space = new wait_queue_head(lump, 'free space');
    const erased = new wait_queue_head(lump, 'erased block');
    lump.sched.kthread_run(function* () {
      yield erased;
    }, 'gc');
    sem.lock();
    const message = panicOf(() => wait_event(space, () => false));
    expect(message).to.match(
      /^deadlock: init\/1 waits for free space and nothing can make progress/,
    );
    expect(message).to.contain('init/1: waiting for free space, locks held: alloc_sem');
    expect(message).to.contain('gc/2: waiting for erased block, locks held: none');
  });

  it('a wait of two minutes is a panic although a thread wakes up now and then', () => {
    const { lump, host } = boot();
    lump.sched.kthread_run(function* () {
      for (;;) yield 5000;
    }, 'kupdate');
    const queue = new wait_queue_head(lump, 'never');
    expect(panicOf(() => wait_event(queue, () => false))).to.match(/^hung task: init\/1/);
    expect(host.monotonicMs()).to.be.within(120_000, 125_000);
  });

  it('threads may wait inside a unit; the others run above them', () => {
    const { lump } = boot();
    const first = new completion(lump, 'first');
    const second = new completion(lump, 'second');
    const trace: string[] = [];
    lump.sched.kthread_run(function* () {
      trace.push('a waits');
      second.wait_for_completion();
      trace.push('a goes on');
      first.complete();
      yield;
    }, 'a');
    lump.sched.kthread_run(function* () {
      trace.push('b works');
      yield;
      second.complete();
    }, 'b');
    first.wait_for_completion();
    expect(trace).to.deep.equal(['a waits', 'b works', 'a goes on']);
  });

  it('a thread that waits for itself is a deadlock', () => {
    const { lump } = boot();
    lump.sched.kthread_run(function* (me) {
      kthread_stop(me);
      yield;
    }, 'ouroboros');
    expect(panicOf(() => lump.background())).to.match(/^deadlock: ouroboros\/2 waits for/);
  });

  it('wait_event_timeout: the condition, or the time', () => {
    const { lump, host } = boot();
    const queue = new wait_queue_head(lump, 'q');
    expect(wait_event_timeout(queue, () => false, 50)).to.equal(false);
    expect(host.monotonicMs()).to.equal(50);
    let done = false;
    lump.sched.kthread_run(function* () {
      yield 20;
      done = true;
      wake_up(queue);
    }, 'quick');
    expect(wait_event_timeout(queue, () => done, 50)).to.equal(true);
    expect(host.monotonicMs()).to.equal(70);
    // A limit of more than the two minutes of a hung task is a limit all the same.
    expect(wait_event_timeout(queue, () => false, 600_000)).to.equal(false);
    expect(host.monotonicMs()).to.equal(600_070);
  });

  it('is refused with a spinlock held', () => {
    const { lump } = boot();
    const lock = new spinlock(lump, 'erase_completion_lock');
    lock.lock();
    const queue = new wait_queue_head(lump, 'q');
    // The panic must not depend on whether there would have been something to wait for.
    expect(() => wait_event(queue, () => true)).to.throw(
      KernelPanic,
      /sleeping in atomic context: init\/1: wait for q, locks held: erase_completion_lock/,
    );
  });
});

describe('lump: completion', () => {
  it('complete lets one through, complete_all everybody until reinit', () => {
    const { lump } = boot();
    const done = new completion(lump, 'done');
    expect(done.completion_done()).to.equal(false);
    done.complete();
    done.complete();
    done.wait_for_completion();
    done.wait_for_completion();
    expect(done.completion_done()).to.equal(false);
    expect(() => done.wait_for_completion()).to.throw(KernelPanic, 'deadlock');
    done.complete_all();
    for (let i = 0; i < 3; i++) done.wait_for_completion();
    expect(done.completion_done()).to.equal(true);
    done.reinit();
    expect(done.completion_done()).to.equal(false);
  });
});

function panicOf(call: () => void): string {
  try {
    call();
  } catch (error) {
    expect(error).to.be.instanceOf(KernelPanic);
    return (error as Error).message;
  }
  throw new Error('no panic');
}
