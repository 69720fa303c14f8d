/** Misuse of locks ends in a panic: rump's t_kern (lockme_*), and what lockdep finds. */
import { expect } from 'chai';
import { KernelPanic } from '../../src/lump/bug.js';
import { MAX_LOCK_DEPTH } from '../../src/lump/lockdep.js';
import { mutex, rw_semaphore, spinlock } from '../../src/lump/locks.js';
import type { Lump } from '../../src/lump/lump.js';
import { wait_event, wait_queue_head, wake_up } from '../../src/lump/sched.js';
import { boot } from './boot.js';

/** Runs `unit` as a kernel thread. */
function inThread(lump: Lump, unit: () => void): void {
  lump.sched.kthread_run(function* () {
    unit();
    yield;
  }, 'other');
  lump.background();
}

/** Runs `unit` as a thread while init waits, holding whatever it holds. */
function whileInitWaits(lump: Lump, unit: () => void): void {
  const queue = new wait_queue_head(lump, 'unit');
  let done = false;
  lump.sched.kthread_run(function* () {
    unit();
    done = true;
    wake_up(queue);
    yield;
  }, 'other');
  wait_event(queue, () => done);
}

interface Kind {
  readonly name: string;
  make(
    lump: Lump,
    className: string,
  ): {
    lock(): void;
    unlock(): void;
    trylock(): boolean;
    readonly is_locked: boolean;
    assert_held(): void;
    destroy(): void;
  };
}

const asReader = (sem: rw_semaphore): ReturnType<Kind['make']> => ({
  lock: () => sem.down_read(),
  unlock: () => sem.up_read(),
  trylock: () => sem.down_read_trylock(),
  get is_locked() {
    return sem.is_locked;
  },
  assert_held: () => sem.assert_held(),
  destroy: () => sem.destroy(),
});

const asWriter = (sem: rw_semaphore): ReturnType<Kind['make']> => ({
  lock: () => sem.down_write(),
  unlock: () => sem.up_write(),
  trylock: () => sem.down_write_trylock(),
  get is_locked() {
    return sem.is_write_locked;
  },
  assert_held: () => sem.assert_held_write(),
  destroy: () => sem.destroy(),
});

const kinds: Kind[] = [
  { name: 'mutex', make: (lump, name) => new mutex(lump, name) },
  { name: 'spinlock', make: (lump, name) => new spinlock(lump, name) },
  { name: 'rw_semaphore, read', make: (lump, name) => asReader(new rw_semaphore(lump, name)) },
  { name: 'rw_semaphore, write', make: (lump, name) => asWriter(new rw_semaphore(lump, name)) },
];

for (const kind of kinds) {
  describe(`lump: ${kind.name}`, () => {
    it('locks and unlocks', () => {
      const lock = kind.make(boot().lump, 'l');
      expect(lock.is_locked).to.equal(false);
      expect(() => lock.assert_held()).to.throw(KernelPanic, 'does not hold l');
      lock.lock();
      expect(lock.is_locked).to.equal(true);
      lock.assert_held();
      lock.unlock();
      expect(lock.is_locked).to.equal(false);
      expect(lock.trylock()).to.equal(true);
      lock.unlock();
      lock.destroy();
    });

    it('taken twice', () => {
      const lock = kind.make(boot().lump, 'l');
      lock.lock();
      expect(() => lock.lock()).to.throw(KernelPanic, /recursive locking: init\/1/);
    });

    it('unlocked without being held, or by another', () => {
      const { lump } = boot();
      const lock = kind.make(lump, 'l');
      expect(() => lock.unlock()).to.throw(KernelPanic, 'bad unlock: init/1 does not hold l');
      // Nobody else runs while a spinlock is held.
      if (kind.name === 'spinlock') return;
      lock.lock();
      expect(() => whileInitWaits(lump, () => lock.unlock())).to.throw(
        KernelPanic,
        'bad unlock: other/2 does not hold l',
      );
    });

    it('destroyed while held, destroyed twice, used when destroyed', () => {
      const lock = kind.make(boot().lump, 'l');
      lock.lock();
      expect(() => lock.destroy()).to.throw(KernelPanic, 'l destroyed while held');
      lock.unlock();
      lock.destroy();
      expect(() => lock.destroy()).to.throw(KernelPanic, 'l destroyed twice');
      expect(() => lock.lock()).to.throw(KernelPanic, 'of destroyed l');
      expect(() => lock.trylock()).to.throw(KernelPanic, 'of destroyed l');
    });

    it('still held when its thread yields', () => {
      const { lump } = boot();
      const lock = kind.make(lump, 'l');
      expect(() => inThread(lump, () => lock.lock())).to.throw(
        KernelPanic,
        'other/2 yielded with locks held: l',
      );
    });

    it('two of a class need a subclass', () => {
      const { lump } = boot();
      kind.make(lump, 'l').lock();
      const second = kind.make(lump, 'l');
      expect(() => second.lock()).to.throw(KernelPanic, 'possible recursive locking');
    });

    it('an inversion of order is found without the deadlock happening', () => {
      const { lump } = boot();
      const a = kind.make(lump, 'a');
      const b = kind.make(lump, 'b');
      a.lock();
      b.lock();
      b.unlock();
      a.unlock();
      b.lock();
      expect(() => a.lock()).to.throw(
        KernelPanic,
        /init\/1 takes a while it holds b, but the order seen so far is a → b\na → b first taken/,
      );
    });
  });
}

describe('lump: rw_semaphore', () => {
  it('read then write, write then read, by the same task', () => {
    const one = new rw_semaphore(boot().lump, 'l');
    one.down_read();
    expect(() => one.down_write()).to.throw(KernelPanic, 'recursive locking');
    const other = new rw_semaphore(boot().lump, 'l');
    other.down_write();
    expect(() => other.down_read()).to.throw(KernelPanic, 'recursive locking');
  });

  it('lets several tasks read, and one write', () => {
    const { lump } = boot();
    const sem = new rw_semaphore(lump, 'l');
    sem.down_read();
    whileInitWaits(lump, () => {
      sem.down_read();
      expect(sem.down_write_trylock()).to.equal(false);
      sem.up_read();
    });
    sem.up_read();
    sem.down_write();
    whileInitWaits(lump, () => {
      expect(sem.down_read_trylock()).to.equal(false);
      expect(sem.down_write_trylock()).to.equal(false);
    });
    sem.downgrade_write();
    whileInitWaits(lump, () => {
      expect(sem.down_read_trylock()).to.equal(true);
      sem.up_read();
    });
    expect(sem.is_write_locked).to.equal(false);
    sem.up_read();
    expect(sem.is_locked).to.equal(false);
  });

  it('up_read of what is held for writing, and the reverse', () => {
    const sem = new rw_semaphore(boot().lump, 'l');
    sem.down_write();
    expect(() => sem.up_read()).to.throw(KernelPanic, 'bad unlock');
    sem.downgrade_write();
    expect(() => sem.up_write()).to.throw(KernelPanic, 'bad unlock');
    expect(() => sem.downgrade_write()).to.throw(KernelPanic, 'bad unlock');
  });
});

describe('lump: contention and lockdep', () => {
  it('a lock held by a task that waits below us is a deadlock that names both', () => {
    const { lump } = boot();
    const lock = new mutex(lump, 'f.sem');
    lock.lock();
    expect(() => whileInitWaits(lump, () => lock.lock())).to.throw(
      KernelPanic,
      /^deadlock: other\/2: mutex_lock of f\.sem, held by init\/1[\s\S]*init\/1: waiting for unit, locks held: f\.sem/,
    );
  });

  it('a trylock of such a lock is just refused', () => {
    const { lump } = boot();
    const lock = new mutex(lump, 'f.sem');
    lock.lock();
    let got = true;
    whileInitWaits(lump, () => {
      got = lock.trylock();
    });
    expect(got).to.equal(false);
    expect(lock.trylock()).to.equal(false);
  });

  it('subclasses order two of a class, and only that way round', () => {
    const { lump } = boot();
    const parent = new rw_semaphore(lump, 'i_rwsem');
    const child = new rw_semaphore(lump, 'i_rwsem');
    parent.down_write_nested(1);
    child.down_write();
    child.up_write();
    parent.up_write();
    child.down_write();
    expect(() => parent.down_write_nested(1)).to.throw(KernelPanic, 'i_rwsem/1 → i_rwsem');
    expect(() => parent.down_write_nested(8)).to.throw(KernelPanic, 'no subclass 8');
  });

  it('finds an inversion over three locks, learnt from different tasks', () => {
    const { lump } = boot();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new mutex(lump, name));
    const nest = (outer: mutex, inner: mutex) => (): void => {
      outer.lock();
      inner.lock();
      inner.unlock();
      outer.unlock();
    };
    nest(a, b)();
    inThread(lump, nest(b, c));
    expect(nest(c, a)).to.throw(KernelPanic, 'the order seen so far is a → b → c');
  });

  it('unlocking in another order is fine, and the rest stays known', () => {
    const { lump } = boot();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new mutex(lump, name));
    for (const lock of [a, b, c]) lock.lock();
    b.unlock();
    a.unlock();
    expect(lump.lockdep.held_names(lump.sched.current)).to.deep.equal(['c']);
    c.unlock();
    expect(lump.lockdep.held_names(lump.sched.current)).to.deep.equal([]);
  });

  it('a trylock orders nothing before it, but what follows it', () => {
    const { lump } = boot();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new mutex(lump, name));
    a.lock();
    b.trylock();
    c.lock();
    for (const lock of [c, b, a]) lock.unlock();
    b.lock();
    a.lock(); // a → b was only tried
    a.unlock();
    b.unlock();
    c.lock();
    expect(() => b.lock()).to.throw(KernelPanic, 'b → c');
    expect(() => a.lock()).to.throw(KernelPanic, 'a → c');
  });

  it('a mutex must not be taken with a spinlock held', () => {
    const { lump } = boot();
    new spinlock(lump, 'spin').lock();
    const lock = new mutex(lump, 'm');
    expect(() => lock.lock()).to.throw(KernelPanic, 'sleeping in atomic context');
    const sem = new rw_semaphore(lump, 's');
    expect(() => sem.down_read()).to.throw(KernelPanic, 'sleeping in atomic context');
    expect(() => sem.down_write()).to.throw(KernelPanic, 'sleeping in atomic context');
  });

  it('one may sleep again after a spinlock', () => {
    const { lump } = boot();
    const spin = new spinlock(lump, 'spin');
    spin.lock();
    spin.unlock();
    expect(spin.trylock()).to.equal(true);
    spin.unlock();
    wait_event(new wait_queue_head(lump, 'q'), () => true);
  });

  it('keeps what it knows when its table grows', () => {
    const { lump } = boot();
    const locks = Array.from({ length: 32 }, (_, i) => new mutex(lump, `class ${i}`));
    const nest = (outer: number, inner: number): void => {
      locks[outer].lock();
      locks[inner].lock();
      locks[inner].unlock();
      locks[outer].unlock();
    };
    nest(1, 2);
    for (let i = 32; i < 70; i++) locks.push(new mutex(lump, `class ${i}`));
    nest(34, 0);
    expect(() => nest(0, 34)).to.throw(KernelPanic, 'class 34 → class 0');
  });

  it('holds more classes than its first table, and at most 48 locks', () => {
    const { lump } = boot();
    const locks: mutex[] = [];
    for (let i = 0; i < MAX_LOCK_DEPTH; i++) locks.push(new mutex(lump, `class ${i}`));
    for (let round = 0; round < 2; round++) {
      for (const lock of locks) lock.lock();
      const last = new mutex(lump, 'one too many');
      expect(() => last.lock()).to.throw(KernelPanic, 'holds 48 locks');
      for (const lock of locks) lock.unlock();
    }
    locks[40].lock();
    expect(() => locks[3].lock()).to.throw(KernelPanic, 'lock order inversion');
  });

  it('instances know nothing of each other', () => {
    const one = boot().lump;
    const two = boot().lump;
    const nest = (outer: mutex, inner: mutex): void => {
      outer.lock();
      inner.lock();
      inner.unlock();
      outer.unlock();
    };
    nest(new mutex(one, 'a'), new mutex(one, 'b'));
    nest(new mutex(two, 'b'), new mutex(two, 'a'));
  });
});
