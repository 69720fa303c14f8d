/** namei: paths in a kernel's own name space. */
import { expect } from 'chai';
import { RUMP_RFCFDG } from '../../src/netbsd-compat/lwp.js';
import { CREATEDIR, FOLLOW, LOCKLEAF, LOCKPARENT, namei } from '../../src/netbsd-compat/namei.js';
import { p2k } from '../../src/netbsd-compat/p2k.js';
import type { rump } from '../../src/netbsd-compat/rump.js';
import { vput, vref, vrele } from '../../src/netbsd-compat/vnode.js';
import { NAMEI_CREATE, NAMEI_LOOKUP } from '../../src/puffs/index.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { kernelWithTmpfs, TMPFS_ARGS } from './rig.js';

/** A name space with a tree in its root. */
function world(): { kernel: rump; ukfs: Ukfs } {
  const kernel = kernelWithTmpfs();
  kernel.mount_root('tmpfs', TMPFS_ARGS);
  const ukfs = new Ukfs(new p2k(kernel.rootvnode!.v_mount));
  ukfs.mkdir('dir');
  ukfs.mkdir('dir/sub');
  ukfs.writeFile('dir/sub/file', '');
  ukfs.symlink('sub/file', 'dir/relative');
  ukfs.symlink('/dir/sub', 'absolute');
  ukfs.symlink('loop', 'loop');
  return { kernel, ukfs };
}

/** Key of what a path leads to, or the error; gives everything back. */
function key(kernel: rump, path: string, flags = FOLLOW, nameiop = NAMEI_LOOKUP): number | string {
  try {
    const { ni_dvp, ni_vp } = namei(kernel, path, nameiop, flags);
    const found = ni_vp === null ? 'missing' : ni_vp.v_key;
    if (ni_vp !== null) vrele(ni_vp);
    if (ni_dvp !== null) vrele(ni_dvp);
    return found;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('netbsd-compat: namei', () => {
  it('walks, follows links as told, and keeps to the root', () => {
    const { kernel, ukfs } = world();
    const file = ukfs.stat('dir/sub/file').ino;
    for (const path of [
      '/dir/sub/file',
      'dir/sub/file',
      '//dir///sub/./file',
      '/../dir/../dir/sub/file',
      '/dir/relative',
      '/absolute/file',
      '/absolute/../sub/file',
    ]) {
      expect(key(kernel, path), path).to.equal(file);
    }
    expect(key(kernel, '/dir/relative', 0)).to.equal(ukfs.lstat('dir/relative').ino);
    expect(key(kernel, '/absolute/', 0)).to.equal(ukfs.stat('dir/sub').ino);
    expect(key(kernel, '/')).to.equal(1);
  });

  it('refuses', () => {
    const { kernel } = world();
    expect(key(kernel, '')).to.equal('ENOENT');
    expect(key(kernel, '/nothing')).to.equal('ENOENT');
    expect(key(kernel, '/dir/sub/file/x')).to.equal('ENOTDIR');
    expect(key(kernel, '/dir/sub/file/')).to.equal('ENOTDIR');
    expect(key(kernel, '/loop')).to.equal('ELOOP');
    expect(key(kernel, `/${'x'.repeat(256)}`)).to.equal('ENAMETOOLONG');
    expect(key(kernel, '/dir'.repeat(256))).to.equal('ENAMETOOLONG');
  });

  it('a name to be made need not be there, and slashes behind it are mkdir’s alone', () => {
    const { kernel } = world();
    expect(key(kernel, '/dir/new', 0, NAMEI_CREATE)).to.equal('missing');
    expect(key(kernel, '/dir/new/', 0, NAMEI_CREATE)).to.equal('ENOENT');
    expect(key(kernel, '/dir/new/', CREATEDIR, NAMEI_CREATE)).to.equal('missing');
    expect(key(kernel, '/none/new', 0, NAMEI_CREATE)).to.equal('ENOENT');
  });

  it('locks parent and leaf as asked', () => {
    const { kernel } = world();
    const { ni_dvp, ni_vp, ni_name } = namei(
      kernel,
      '/dir/sub',
      NAMEI_LOOKUP,
      LOCKPARENT | LOCKLEAF,
    );
    expect(ni_name).to.equal('sub');
    ni_vp!.v_lock.assert_held_write();
    ni_dvp!.v_lock.assert_held_write();
    vput(ni_vp!);
    vput(ni_dvp!);
  });

  it('crosses mounts down and up, and they are busy while something is in use', () => {
    const { kernel, ukfs } = world();
    const { ni_dvp, ni_vp } = namei(kernel, '/dir/sub', NAMEI_LOOKUP, 0);
    const mp = kernel.mountlist.mount_domount('tmpfs', 0, TMPFS_ARGS, ni_vp!);
    vrele(ni_vp!);
    vrele(ni_dvp!);
    const above = new Ukfs(new p2k(mp));
    above.writeFile('inside', '');
    expect(key(kernel, '/dir/sub/inside')).to.equal(above.stat('inside').ino);
    expect(key(kernel, '/dir/sub/file')).to.equal('ENOENT');
    expect(key(kernel, '/dir/sub/..')).to.equal(ukfs.stat('dir').ino);
    const covered = namei(kernel, '/dir/sub', NAMEI_LOOKUP, 0);
    expect(covered.ni_vp!.v_mount).to.equal(mp);
    vrele(covered.ni_vp!);
    vrele(covered.ni_dvp!);
    above.unmount();
    expect(key(kernel, '/dir/sub/file')).to.equal(ukfs.stat('dir/sub/file').ino);
  });

  it('begins at the process’s own root and directory', () => {
    const { kernel, ukfs } = world();
    const { lwproc } = kernel;
    const l = lwproc.rfork(RUMP_RFCFDG);
    const { p_cwdi } = l.l_proc;
    const file = ukfs.stat('dir/sub/file').ino;
    const sub = ukfs.stat('dir/sub').ino;
    // p2k's calls ran in their own context.
    lwproc.switch(l);
    const { ni_dvp, ni_vp } = namei(kernel, '/dir', NAMEI_LOOKUP, 0);
    vrele(ni_dvp!);
    p_cwdi.cwdi_rdir = ni_vp;
    expect(key(kernel, '/sub/file')).to.equal(file);
    expect(key(kernel, '/../sub')).to.equal(sub);
    vref(ni_vp!);
    p_cwdi.cwdi_cdir = ni_vp;
    expect(key(kernel, 'relative')).to.equal(file);
    const before = ni_vp!.v_usecount;
    lwproc.releaselwp();
    expect(ni_vp!.v_usecount).to.equal(before - 2);
  });
});
