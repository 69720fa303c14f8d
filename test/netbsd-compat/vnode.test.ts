/** vnodes: references, locks, the name cache; credentials, contexts, modules. */
import { expect } from 'chai';
import { KernelPanic } from '../../src/lump/bug.js';
import { p2k_errno, NetbsdErrno } from '../../src/netbsd-compat/errno.js';
import { RUMP_RFCFDG, RUMP_RFFDG } from '../../src/netbsd-compat/lwp.js';
import { module_compatible, RUMP_VERSION, type modinfo } from '../../src/netbsd-compat/module.js';
import {
  LK_EXCLUSIVE,
  LK_SHARED,
  vcache_get,
  vn_lock,
  VOP_UNLOCK,
  vput,
  vref,
  vrele,
} from '../../src/netbsd-compat/vnode.js';
import { VOP_CREATE, VOP_LOOKUP, VOP_READ } from '../../src/netbsd-compat/vnode_if.js';
import {
  NAMEI_CREATE,
  NAMEI_LOOKUP,
  NETBSD_ERRNO as E,
  PUFFS_CRED_ROOT,
  puffs_cred_user,
  vattr_new,
} from '../../src/puffs/index.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { code, kernelWithTmpfs, mountTmpfs, TMPFS_ARGS } from './rig.js';

const cn = (name: string, nameiop = NAMEI_LOOKUP) => ({
  cn_nameiop: nameiop,
  cn_name: name,
  cn_cred: PUFFS_CRED_ROOT,
});

const text = (ukfs: Ukfs, path: string): string => Buffer.from(ukfs.readFile(path)).toString();

describe('netbsd-compat: vnodes', () => {
  function root() {
    const kernel = kernelWithTmpfs();
    const mp = kernel.mountlist.mount_domount('tmpfs', 0, TMPFS_ARGS);
    return { kernel, mp, vp: vcache_get(mp, mp.mnt_op.root(mp)) };
  }

  it('an operation without its lock is a panic, and so is a second lock of the same', () => {
    const { vp } = root();
    expect(() => VOP_LOOKUP(vp, cn('x'))).to.throw(KernelPanic);
    expect(() => VOP_CREATE(vp, cn('x', NAMEI_CREATE), vattr_new())).to.throw(KernelPanic);
    vn_lock(vp, LK_EXCLUSIVE);
    expect(() => vn_lock(vp, LK_EXCLUSIVE)).to.throw(KernelPanic, /recursive/);
    VOP_UNLOCK(vp);
    expect(() => VOP_UNLOCK(vp)).to.throw(KernelPanic);
  });

  it('creating eats the directory: its lock and one reference', () => {
    const { vp } = root();
    vref(vp);
    expect(vp.v_usecount).to.equal(2);
    vn_lock(vp, LK_EXCLUSIVE);
    const made = VOP_CREATE(vp, cn('x', NAMEI_CREATE), { ...vattr_new(), va_mode: 0o644 });
    expect(vp.v_usecount).to.equal(1);
    expect(vp.v_lock.is_locked).to.equal(false);
    expect(made.v_usecount).to.equal(1);
    expect(made.v_lock.is_locked).to.equal(false);
    // A refusal eats it as well.
    vref(vp);
    vn_lock(vp, LK_EXCLUSIVE);
    expect(code(() => VOP_CREATE(vp, cn('.', NAMEI_CREATE), vattr_new()))).to.equal('EEXIST');
    expect(vp.v_usecount).to.equal(1);
    vn_lock(made, LK_SHARED);
    VOP_READ(made, { buf: new Uint8Array(1), off: 0, resid: 1, offset: 0 }, 0);
    vput(made);
  });

  it('unused vnodes are kept up to a number, then the least recently used goes', () => {
    const kernel = kernelWithTmpfs(4);
    const { ukfs } = mountTmpfs(kernel);
    for (let i = 0; i < 20; i++) ukfs.writeFile(`file${i}`, `${i}`);
    expect(kernel.vnodes.unused.size).to.equal(4);
    for (let i = 0; i < 20; i++) expect(text(ukfs, `file${i}`)).to.equal(`${i}`);
    ukfs.unmount();
    expect(kernel.vnodes.unused.size).to.equal(0);
    expect(kernel.lwproc.count).to.equal(1);
  });

  it('more references given back than taken is a panic', () => {
    const { vp } = root();
    vrele(vp);
    expect(() => vrele(vp)).to.throw(KernelPanic);
  });

  it('a mount that is in use is EBUSY, and stays', () => {
    const { kernel, mp, vp } = root();
    expect(code(() => kernel.mountlist.dounmount(mp, 0))).to.equal('EBUSY');
    vrele(vp);
    kernel.mountlist.dounmount(mp, 0);
    expect(kernel.mountlist.mounts.size).to.equal(0);
  });

  it('p2k refuses what only a broken caller asks', () => {
    const { fs } = mountTmpfs(kernelWithTmpfs());
    const out = { cookie: 0, generation: 0, va: vattr_new() };
    const name = { nameiop: NAMEI_LOOKUP, name: '.', cred: PUFFS_CRED_ROOT };
    expect(fs.node_rmdir(fs.rootCookie, fs.rootCookie, name)).to.equal(E.EINVAL);
    expect(fs.node_create(fs.rootCookie, out, { ...name, name: 'a/b' }, vattr_new())).to.equal(
      E.EINVAL,
    );
    expect(fs.node_rename(fs.rootCookie, 99, name, fs.rootCookie, null, name, 0)).to.equal(
      E.ESTALE,
    );
    expect(() => fs.node_reclaim(fs.rootCookie, 1)).to.throw(KernelPanic);
  });
});

describe('netbsd-compat: errors', () => {
  it('NetBSD’s names keep NetBSD’s numbers, Linux’s services get them', async () => {
    const { Errno } = await import('../../src/lump/errno.js');
    expect(p2k_errno(new NetbsdErrno('EFTYPE'))).to.equal(79);
    expect(p2k_errno(new Errno('ENOTEMPTY'))).to.equal(66);
    expect(() => p2k_errno(new TypeError('bug'))).to.throw(TypeError);
  });
});

describe('netbsd-compat: kauth', () => {
  it('a listener may deny root, and allow a stranger', () => {
    const kernel = kernelWithTmpfs();
    const { fs, ukfs } = mountTmpfs(kernel);
    ukfs.writeFile('secret', 'x');
    ukfs.chmod('secret', 0o600);
    const stranger = new Ukfs(fs, puffs_cred_user(1000, 1000));
    expect(code(() => stranger.readFile('secret'))).to.equal('EACCES');
    const end = kernel.kauth.kauth_listen_scope((cred, action) =>
      action !== 'access' ? 'defer' : cred.uid === 1000 ? 'allow' : 'defer',
    );
    expect(text(stranger, 'secret')).to.equal('x');
    end();
    kernel.kauth.kauth_listen_scope((cred, _action, vp) =>
      cred.uid === 0 && vp.v_key > 1 ? 'deny' : 'defer',
    );
    expect(code(() => ukfs.readFile('secret'))).to.equal('EPERM');
  });
});

describe('netbsd-compat: process contexts', () => {
  it('rfork, newlwp, switch, release', () => {
    const { lwproc } = kernelWithTmpfs();
    const first = lwproc.rfork(RUMP_RFCFDG);
    const { p_pid } = first.l_proc;
    const second = lwproc.newlwp(p_pid);
    expect(second.l_proc).to.equal(first.l_proc);
    lwproc.releaselwp();
    expect(lwproc.curlwp).to.equal(lwproc.lwp0);
    lwproc.switch(first);
    lwproc.releaselwp();
    expect(lwproc.count).to.equal(1);
    expect(code(() => lwproc.newlwp(p_pid))).to.equal('ESRCH');
    expect(code(() => lwproc.rfork(RUMP_RFCFDG | RUMP_RFFDG))).to.equal('EINVAL');
    expect(() => lwproc.switch(first)).to.throw(KernelPanic);
    expect(() => lwproc.releaselwp()).to.throw(KernelPanic);
  });
});

describe('netbsd-compat: modules', () => {
  const record = (name: string, required: string[] = [], version = RUMP_VERSION): modinfo => ({
    mi_version: version,
    mi_class: 'misc',
    mi_name: name,
    mi_required: required,
    init() {},
    fini() {},
  });

  it('come in the order of their needs, and go in the reverse', () => {
    const { modules } = kernelWithTmpfs();
    modules.load({ modules: [record('c', ['b']), record('b', ['a', 'tmpfs']), record('a')] });
    expect(modules.names).to.deep.equal(['tmpfs', 'a', 'b', 'c']);
    expect(code(() => modules.unload('a'))).to.equal('EBUSY');
    for (const name of ['c', 'b', 'a']) modules.unload(name);
    expect(
      code(() => modules.load({ modules: [record('x', ['y']), record('y', ['x'])] })),
    ).to.equal('ENOENT');
    expect(code(() => modules.load({ modules: [record('tmpfs')] }))).to.equal('EEXIST');
  });

  it('of another version are EPROGMISMATCH, unless forced', () => {
    const { modules } = kernelWithTmpfs();
    const foreign = { modules: [record('old', [], RUMP_VERSION - 1)] };
    expect(code(() => modules.load(foreign))).to.equal('EPROGMISMATCH');
    modules.load(foreign, true);
    // A release kernel takes what differs in patches only.
    const release = 700_000_000;
    module_compatible('near', release + 9_999, release);
    expect(code(() => module_compatible('far', release + 10_000, release))).to.equal(
      'EPROGMISMATCH',
    );
    expect(code(() => module_compatible('near', 799_000_001, 799_000_000))).to.equal(
      'EPROGMISMATCH',
    );
  });

  it('a file system that is mounted cannot go', () => {
    const kernel = kernelWithTmpfs();
    const { ukfs } = mountTmpfs(kernel);
    expect(code(() => kernel.modules.unload('tmpfs'))).to.equal('EBUSY');
    ukfs.unmount();
    kernel.modules.unload('tmpfs');
    expect(code(() => kernel.mountlist.mount_domount('tmpfs', 0, TMPFS_ARGS))).to.equal('ENODEV');
  });
});
