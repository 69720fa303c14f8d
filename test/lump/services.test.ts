/** Boot, clock, log, memory, modules and the table of file systems. */
import { expect } from 'chai';
import * as os from 'node:os';
import { KernelPanic } from '../../src/lump/bug.js';
import { Errno, LINUX_ERRNO } from '../../src/lump/errno.js';
import type { file_system_type, super_block } from '../../src/lump/fs.js';
import { HZ, Lump } from '../../src/lump/lump.js';
import { LUMP_ABI_VERSION, type module, ProgramMismatch } from '../../src/lump/module.js';
import {
  KERN_DEBUG,
  KERN_ERR,
  KERN_INFO,
  PRINTK_MESSAGE_CHARS_MAX,
  ratelimit_state,
} from '../../src/lump/printk.js';
import { RUMPUSER_VERSION } from '../../src/rumpuser/rumpuser.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { boot } from './boot.js';

describe('lump: boot', () => {
  it('refuses a host of another interface version', () => {
    const host = Object.assign(new SimulatedHost(), { version: RUMPUSER_VERSION + 1 });
    expect(() => new Lump({ host })).to.throw(
      ProgramMismatch,
      'rumpuser host "simulated" was built for version 18, this kernel has 17 (EPROGMISMATCH)',
    );
  });

  it('tells the time', () => {
    const host = new SimulatedHost({ wallClockMs: 1_600_000_000_250.5 });
    host.advance(1000);
    const lump = new Lump({ host });
    expect(lump.jiffies).to.equal(0);
    expect(lump.ktime_get_real_seconds()).to.equal(1_600_000_001);
    expect(lump.ktime_get_real()).to.deep.equal({ tv_sec: 1_600_000_001, tv_nsec: 250_500_000 });
    host.advance(2000);
    expect(lump.jiffies).to.equal(2 * HZ);
    host.advance(3.9);
    expect(lump.jiffies).to.equal(2 * HZ);
    host.advance(0.1);
    expect(lump.jiffies).to.equal(2 * HZ + 1);
  });

  it('tells the time before 1970', () => {
    const lump = new Lump({ host: new SimulatedHost({ wallClockMs: -1250 }) });
    expect(lump.ktime_get_real_seconds()).to.equal(-2);
    expect(lump.ktime_get_real()).to.deep.equal({ tv_sec: -2, tv_nsec: 750_000_000 });
  });

  it('random numbers come from the host, 32 bits of them', () => {
    const { lump } = boot();
    const drawn = Array.from({ length: 200 }, () => lump.random_u32());
    expect(new Set(drawn).size).to.equal(200);
    expect(Math.max(...drawn)).to.be.within(2 ** 31, 2 ** 32 - 1);
    const again = boot().lump;
    expect(drawn).to.deep.equal(Array.from({ length: 200 }, () => again.random_u32()));
  });

  it('asks for idle moments as long as there is something to do', () => {
    const { lump, host } = boot();
    lump.run_when_idle(true);
    expect(host.idleDueMs()).to.equal(null);
    let units = 0;
    const task = lump.sched.kthread_run(function* () {
      units++;
      yield;
      units++;
      yield 50;
      units++;
    }, 'worker');
    expect(host.idleDueMs()).to.equal(0);
    expect(host.runIdle()).to.equal(true);
    expect(host.runIdle()).to.equal(true);
    expect(units).to.equal(2);
    expect(host.idleDueMs()).to.equal(50);
    host.advance(50);
    expect(host.runIdle()).to.equal(true);
    expect(task.state).to.equal('dead');
    expect(host.idleDueMs()).to.equal(null);
    lump.sched.kthread_run(function* () {
      yield;
    }, 'another');
    lump.run_when_idle(false);
    expect(host.idleDueMs()).to.equal(null);
  });
});

describe('lump: errno', () => {
  it('has the numbers of Linux', function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: the numbers of this host are not Linux’s');
      this.skip();
    }
    const theirs = os.constants.errno as unknown as Record<string, number>;
    const compared = Object.entries(LINUX_ERRNO).filter(([code]) => code in theirs);
    expect(compared.length).to.be.above(70);
    for (const [code, number] of compared) expect(number, code).to.equal(theirs[code]);
  });

  it('is a real Error, without a stack unless asked', () => {
    const error = new Errno('ENOSPC', 'no erased block');
    expect(error).to.be.instanceOf(Error);
    expect(error).to.include({ code: 'ENOSPC', errno: 28, message: 'ENOSPC: no erased block' });
    expect(error.stack).not.to.contain(' at ');
    Errno.captureStack = true;
    try {
      expect(new Errno('EIO').stack).to.contain('services.test');
    } finally {
      Errno.captureStack = false;
    }
  });
});

describe('lump: printk', () => {
  it('keeps what was said, and shows the important on the console', () => {
    const { lump, host } = boot();
    host.advance(1234.5);
    lump.pr_err('bad');
    lump.pr_notice('noted');
    lump.pr_info('by the way');
    lump.printk(KERN_DEBUG, 'details');
    expect(lump.dmesg()).to.deep.equal([
      '<3>[    1.234500] bad',
      '<5>[    1.234500] noted',
      '<6>[    1.234500] by the way',
      '<7>[    1.234500] details',
    ]);
    expect(host.consoleLines).to.deep.equal([
      { level: 3, line: 'bad' },
      { level: 5, line: 'noted' },
    ]);
    lump.log.console_loglevel = KERN_INFO;
    lump.pr_info('louder');
    expect(host.consoleLines.at(-1)).to.deep.equal({ level: 6, line: 'louder' });
  });

  it('forgets the oldest first, and never grows', () => {
    const { lump } = boot({ logChars: 1000 });
    for (let i = 0; i < 5000; i++) {
      lump.pr_info(`message ${i}`);
      expect(lump.dmesg().length).to.be.within(1, 125);
    }
    const texts = lump.dmesg().map((line) => line.slice(line.indexOf(']') + 2));
    expect(texts.join('').length).to.be.within(900, 1000);
    expect(texts).to.deep.equal(texts.map((_, i) => `message ${5000 - texts.length + i}`));
  });

  it('cuts a message that is too long, and keeps the last even when it fills the ring', () => {
    const { lump } = boot({ logChars: 100 });
    lump.pr_info('x'.repeat(5000));
    const [line] = lump.dmesg();
    expect(line).to.have.length('<6>[    0.000000] '.length + PRINTK_MESSAGE_CHARS_MAX + 1);
  });

  it('shows control characters instead of sending them to a terminal', () => {
    const { lump, host } = boot();
    lump.pr_err('name "\x1b]0;title\x07\x9b"\ttab');
    expect(host.consoleLines[0].line).to.equal('name "\\x1b]0;title\\x07\\x9b"\ttab');
  });

  it('limits a call site to ten messages in five seconds, and tells how many it swallowed', () => {
    const { lump, host } = boot();
    const site = new ratelimit_state();
    for (let i = 0; i < 25; i++) lump.printk_ratelimited(site, KERN_ERR, `bad CRC ${i}`);
    expect(lump.dmesg()).to.have.length(10);
    host.advance(5000);
    lump.printk_ratelimited(site, KERN_ERR, 'bad CRC again');
    expect(host.consoleLines.slice(-2).map(({ line }) => line)).to.deep.equal([
      'printk: 15 messages suppressed',
      'bad CRC again',
    ]);
  });

  it('WARN_ON counts, and answers its condition', () => {
    const { lump } = boot();
    expect(lump.WARN_ON(false, 'no')).to.equal(false);
    expect(lump.WARN_ON(true, 'odd')).to.equal(true);
    expect(lump.warnings).to.equal(1);
    expect(lump.dmesg()[0]).to.contain('<4>').and.to.contain('WARNING: odd');
  });
});

describe('lump: slab', () => {
  it('uses freed objects again, and counts', () => {
    const { lump } = boot();
    let made = 0;
    const cache = lump.slab.kmem_cache_create('node', () => ({ id: made++ }));
    const first = cache.alloc();
    const second = cache.alloc();
    cache.free(first);
    expect(cache.alloc()).to.equal(first);
    cache.free(second);
    expect(made).to.equal(2);
    expect(lump.slab.report()).to.deep.equal([{ name: 'node', active: 1, peak: 2, total: 3 }]);
    expect(cache.shrink()).to.equal(1);
    expect(cache.alloc().id).to.equal(2);
  });

  it('keeps no more than a few hundred free objects', () => {
    const { lump } = boot();
    const cache = lump.slab.kmem_cache_create('node', () => ({}));
    const all = Array.from({ length: 1000 }, () => cache.alloc());
    for (const object of all) cache.free(object);
    expect(cache.shrink()).to.equal(256);
  });

  it('accounts kmalloc by purpose', () => {
    const { lump } = boot();
    const one = lump.slab.kmalloc(100, 'name');
    const two = lump.slab.kmalloc(28, 'name');
    expect(one.length).to.equal(100);
    expect(one.every((byte) => byte === 0)).to.equal(true);
    lump.slab.kfree(two, 'name');
    expect(lump.slab.leaks()).to.deep.equal([{ name: 'name', active: 100, peak: 128, total: 128 }]);
    lump.slab.kfree(one, 'name');
    expect(lump.slab.leaks()).to.deep.equal([]);
    expect(() => lump.slab.kfree(one, 'name')).to.throw(KernelPanic, 'more bytes freed');
    expect(() => lump.slab.kfree(one, 'other')).to.throw(KernelPanic, 'more bytes freed');
  });

  it('warns of a cache that is destroyed with objects in use', () => {
    const { lump } = boot();
    const cache = lump.slab.kmem_cache_create('node', () => ({}));
    const object = cache.alloc();
    expect(() => lump.slab.kmem_cache_create('node', () => ({}))).to.throw(KernelPanic, 'exists');
    lump.slab.kmem_cache_destroy(cache);
    expect(lump.dmesg()[0]).to.contain('kmem_cache_destroy node: slab cache still has 1 objects');
    cache.free(object);
    expect(() => cache.free(object)).to.throw(KernelPanic, 'more objects freed than taken');
  });

  it('in debug mode a double or wrong free panics at once', () => {
    const { lump } = boot({ slabDebug: true });
    const nodes = lump.slab.kmem_cache_create('node', () => ({}));
    const refs = lump.slab.kmem_cache_create('ref', () => ({}));
    const node = nodes.alloc();
    nodes.alloc();
    refs.alloc();
    expect(() => refs.free(node)).to.throw(KernelPanic, 'taken from node');
    nodes.free(node);
    expect(() => nodes.free(node)).to.throw(KernelPanic, 'double free');
    const buffer = lump.slab.kmalloc(8, 'name');
    lump.slab.kmalloc(8, 'name');
    lump.slab.kfree(buffer, 'name');
    expect(() => lump.slab.kfree(buffer, 'name')).to.throw(KernelPanic, 'double free');
  });

  it('fails the nth allocation, once or from then on', () => {
    const { lump } = boot();
    const cache = lump.slab.kmem_cache_create('node', () => ({}));
    const tries = (): string =>
      Array.from({ length: 6 }, (_, i) => {
        try {
          if (i % 2 === 0) cache.alloc();
          else lump.slab.kmalloc(1, 'name');
          return '.';
        } catch (error) {
          expect(error).to.be.instanceOf(Errno).and.to.include({ code: 'ENOMEM' });
          return 'x';
        }
      }).join('');
    lump.slab.fail_nth(3);
    expect(tries()).to.equal('..x...');
    lump.slab.fail_nth(4, true);
    expect(tries()).to.equal('...xxx');
    expect(tries()).to.equal('xxxxxx');
    lump.slab.fail_nth(0);
    expect(tries()).to.equal('......');
    expect(cache.active).to.equal(3 + 2 + 0 + 3 - 1);
  });
});

describe('lump: modules', () => {
  const log: string[] = [];
  const make = (name: string, depends: string[] = []): module => ({
    name,
    abi_version: LUMP_ABI_VERSION,
    depends,
    init: () => log.push(`+${name}`),
    exit: () => log.push(`-${name}`),
  });

  beforeEach(() => {
    log.length = 0;
  });

  it('refuses another ABI version', () => {
    const { lump } = boot();
    const old = { ...make('old'), abi_version: LUMP_ABI_VERSION - 1 };
    expect(() => lump.modules.module_register(old)).to.throw(
      ProgramMismatch,
      /module old was built for version 0, this kernel has 1 \(EPROGMISMATCH\)/,
    );
    expect(() => lump.modules.request_module('old')).to.throw(Errno, 'ENOENT');
  });

  it('initialises first what a module depends on, each once, in whatever order announced', () => {
    const { lump } = boot();
    lump.modules.module_register(make('jffs2', ['mtd', 'zlib']));
    lump.modules.module_register(make('zlib', ['crypto']));
    lump.modules.module_register(make('crypto'));
    lump.modules.module_register(make('mtd', ['crypto']));
    expect(log).to.deep.equal([]);
    lump.modules.request_module('jffs2');
    lump.modules.request_module('jffs2');
    expect(log).to.deep.equal(['+crypto', '+mtd', '+zlib', '+jffs2']);
  });

  it('says what is missing, and what goes in a circle', () => {
    const { lump } = boot();
    lump.modules.module_register(make('a', ['b']));
    expect(() => lump.modules.request_module('a')).to.throw('ENOENT: no module b, needed by a');
    lump.modules.module_register(make('b', ['a']));
    expect(() => lump.modules.request_module('a')).to.throw('ELOOP: a → b → a');
    expect(() => lump.modules.module_register(make('a'))).to.throw('EEXIST');
    expect(log).to.deep.equal([]);
  });

  it('keeps what is in use', () => {
    const { lump } = boot();
    const { modules } = lump;
    modules.module_register(make('mtd'));
    modules.module_register(make('jffs2', ['mtd']));
    expect(modules.try_module_get('jffs2')).to.equal(false);
    expect(() => modules.delete_module('jffs2')).to.throw(Errno, 'ENOENT');
    modules.request_module('jffs2');
    expect(modules.try_module_get('jffs2')).to.equal(true);
    expect(() => modules.delete_module('jffs2')).to.throw(Errno, 'EBUSY');
    modules.module_put('jffs2');
    expect(() => modules.delete_module('mtd')).to.throw(Errno, 'EBUSY');
    modules.delete_module('jffs2');
    modules.delete_module('mtd');
    expect(log).to.deep.equal(['+mtd', '+jffs2', '-jffs2', '-mtd']);
    modules.module_put('mtd');
    expect(lump.warnings).to.equal(1);
  });

  it('a failed init leaves the module out', () => {
    const { lump } = boot();
    lump.modules.module_register({
      ...make('broken'),
      init: () => {
        throw new Errno('ENODEV');
      },
    });
    expect(() => lump.modules.request_module('broken')).to.throw(Errno, 'ENODEV');
    expect(lump.modules.is_live('broken')).to.equal(false);
  });
});

describe('lump: file system types', () => {
  const make = (name: string, abi_version = LUMP_ABI_VERSION): file_system_type => ({
    name,
    abi_version,
    mount: () => ({}) as super_block,
  });

  it('are found by name while they are registered', () => {
    const { lump } = boot();
    const type = make('jffs2');
    expect(() => lump.filesystems.get_fs_type('jffs2')).to.throw(Errno, 'ENODEV');
    lump.filesystems.register_filesystem(type);
    expect(lump.filesystems.get_fs_type('jffs2')).to.equal(type);
    expect(() => lump.filesystems.register_filesystem(make('jffs2'))).to.throw(Errno, 'EBUSY');
    expect(lump.filesystems.names()).to.deep.equal(['jffs2']);
    lump.filesystems.unregister_filesystem(type);
    expect(() => lump.filesystems.unregister_filesystem(type)).to.throw(Errno, 'EINVAL');
    expect(lump.filesystems.names()).to.deep.equal([]);
  });

  it('of another ABI version are refused', () => {
    const { lump } = boot();
    const later = make('later', LUMP_ABI_VERSION + 1);
    expect(() => lump.filesystems.register_filesystem(later)).to.throw(ProgramMismatch, 'later');
  });

  it('are loaded on demand from the module of their name', () => {
    const { lump } = boot();
    const type = make('jffs2');
    lump.modules.module_register({
      name: 'jffs2',
      abi_version: LUMP_ABI_VERSION,
      init: (kernel) => kernel.filesystems.register_filesystem(type),
    });
    expect(lump.filesystems.names()).to.deep.equal([]);
    expect(lump.filesystems.get_fs_type('jffs2')).to.equal(type);
    lump.modules.module_register({
      name: 'empty',
      abi_version: LUMP_ABI_VERSION,
      init: () => {},
    });
    expect(() => lump.filesystems.get_fs_type('empty')).to.throw(Errno, 'ENODEV');
  });
});
