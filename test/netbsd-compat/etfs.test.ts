/** etfs: objects of the host inside a kernel's name space. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Lump } from '../../src/lump/lump.js';
import { ext2fs_module } from '../../src/netbsd-compat/drivers/ext2fs/ext2fs.js';
import { mkfs_ext2fs } from '../../src/netbsd-compat/drivers/ext2fs/mkfs_ext2fs.js';
import { tmpfs_module } from '../../src/netbsd-compat/drivers/tmpfs/tmpfs.js';
import { RUMP_ETFS_SIZE_ENDOFF } from '../../src/netbsd-compat/etfs.js';
import { FOLLOW, namei } from '../../src/netbsd-compat/namei.js';
import { p2k } from '../../src/netbsd-compat/p2k.js';
import { rump } from '../../src/netbsd-compat/rump.js';
import { LK_EXCLUSIVE, vrele, with_vnode_lock, type vnode } from '../../src/netbsd-compat/vnode.js';
import {
  VOP_CLOSE,
  VOP_GETATTR,
  VOP_OPEN,
  VOP_READ,
  VOP_READDIR,
  VOP_WRITE,
} from '../../src/netbsd-compat/vnode_if.js';
import {
  FREAD,
  FWRITE,
  NAMEI_LOOKUP,
  PUFFS_CRED_ROOT,
  VBLK,
  VCHR,
  VDIR,
  VREG,
  vattr_new,
} from '../../src/puffs/index.js';
import { NodeHost } from '../../src/rumpuser/node.js';
import { nodeSource } from '../../src/rumpuser/node_source.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { e2fsck, NO_E2FSPROGS } from './e2fsprogs.js';
import { code, TMPFS_ARGS } from './rig.js';

describe('netbsd-compat: etfs', () => {
  let folder: string;
  let kernel: rump;
  let root: Ukfs;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-etfs-'));
    kernel = new rump(new Lump({ host: new NodeHost() }));
    kernel.modules.load({ modules: [tmpfs_module, ext2fs_module] });
    kernel.mount_root('tmpfs', TMPFS_ARGS);
    kernel.etfs.list_with(nodeSource);
    root = new Ukfs(new p2k(kernel.rootvnode!.v_mount));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const host = (name: string, content: string | Uint8Array = ''): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  /** Uses what a path leads to, locked. */
  function at<T>(path: string, use: (vp: vnode) => T): T {
    const { ni_vp, ni_dvp } = namei(kernel, path, NAMEI_LOOKUP, FOLLOW);
    try {
      return with_vnode_lock(ni_vp!, LK_EXCLUSIVE, () => use(ni_vp!));
    } finally {
      vrele(ni_vp!);
      if (ni_dvp !== null) vrele(ni_dvp);
    }
  }
  const read = (vp: vnode, offset = 0, length = 4096): string => {
    const uio = { buf: new Uint8Array(length), off: 0, resid: length, offset };
    VOP_READ(vp, uio, 0);
    return Buffer.from(uio.buf.subarray(0, length - uio.resid)).toString();
  };
  const write = (vp: vnode, text: string, offset = 0): void => {
    VOP_OPEN(vp, FREAD | FWRITE, PUFFS_CRED_ROOT);
    try {
      const buf = Buffer.from(text);
      VOP_WRITE(vp, { buf, off: 0, resid: buf.length, offset }, 0, PUFFS_CRED_ROOT);
    } finally {
      VOP_CLOSE(vp, FREAD | FWRITE, PUFFS_CRED_ROOT);
    }
  };
  const facts = (vp: vnode): [type: number, size: number] => {
    const va = vattr_new();
    VOP_GETATTR(vp, va);
    return [va.va_type, va.va_size];
  };

  it('t_etfs: a key is registered, removed, and registered again with another file', () => {
    const [one, two] = [host('one', 'the first'), host('two', 'the second')];
    kernel.etfs.register('/key', one, 'REG');
    expect(at('/key', facts)).to.deep.equal([VREG, 9]);
    at('/key', (vp) => write(vp, 'THE'));
    expect(readFileSync(one, 'utf8')).to.equal('THE first');
    at('/key', (vp) => write(vp, ' and more', 9));
    expect(readFileSync(one, 'utf8')).to.equal('THE first and more');
    expect(code(() => kernel.etfs.register('/key', two, 'REG'))).to.equal('EEXIST');
    // Whoever has it open has it no more.
    const held = namei(kernel, '/key', NAMEI_LOOKUP, FOLLOW).ni_vp!;
    kernel.etfs.remove('/key');
    expect(code(() => with_vnode_lock(held, LK_EXCLUSIVE, () => read(held)))).to.equal('ENXIO');
    vrele(held);
    expect(code(() => at('/key', facts))).to.equal('ENOENT');
    kernel.etfs.register('/key', two, 'REG');
    expect(at('/key', (vp) => read(vp))).to.equal('the second');
  });

  it('keys: slashes, and where they are found', () => {
    const file = host('file', 'x');
    expect(code(() => kernel.etfs.register('key', file, 'REG'))).to.equal('EINVAL');
    expect(code(() => kernel.etfs.remove('key'))).to.equal('EINVAL');
    expect(code(() => kernel.etfs.remove('/none'))).to.equal('ENOENT');
    kernel.etfs.register('//a//b', file, 'REG');
    expect(at('/a//b', (vp) => read(vp))).to.equal('x');
    expect(at('///a//b', (vp) => read(vp))).to.equal('x');
    expect(code(() => at('/a/b', facts))).to.equal('ENOENT');
    // No directory lists it, and it stands before what has its name.
    root.writeFile('/visible', 'own');
    kernel.etfs.register('/visible', file, 'REG');
    expect(root.readdir('/')).to.deep.equal(['visible']);
    expect(at('/visible', (vp) => read(vp))).to.equal('x');
    expect(code(() => at('/visible/', facts))).to.equal('ENOTDIR');
    expect(code(() => at('/visible/below', facts))).to.equal('ENOTDIR');
  });

  it('windows', () => {
    const content = Array.from({ length: 60_000 }, (_, i) => String.fromCharCode(97 + (i % 26)));
    const file = host('large', content.join(''));
    kernel.etfs.register_withsize('/window', file, 'REG', 16_000, 32_000);
    kernel.etfs.register_withsize('/rest', file, 'BLK', 59_990, RUMP_ETFS_SIZE_ENDOFF);
    expect(at('/window', facts)).to.deep.equal([VREG, 32_000]);
    expect(at('/window', (vp) => read(vp, 31_990))).to.equal(
      content.slice(47_990, 48_000).join(''),
    );
    expect(at('/rest', facts)).to.deep.equal([VBLK, 10]);
    expect(at('/rest', (vp) => read(vp))).to.equal(content.slice(59_990).join(''));
    expect(code(() => at('/window', (vp) => write(vp, 'XYZ', 31_998)))).to.equal('ENOSPC');
    expect(readFileSync(file, 'utf8').slice(47_996, 48_002)).to.equal(
      `${content[47_996]}${content[47_997]}XY${content[48_000]}${content[48_001]}`,
    );
    const wrong = (begin: number, size: number, type: 'REG' | 'DIR' = 'REG'): string =>
      code(() => kernel.etfs.register_withsize('/w', file, type, begin, size));
    expect(wrong(0, 60_001)).to.equal('EINVAL');
    expect(wrong(60_001, RUMP_ETFS_SIZE_ENDOFF)).to.equal('EINVAL');
    expect(wrong(-1, 10)).to.equal('EINVAL');
    expect(wrong(0, 10, 'DIR')).to.equal('EISDIR');
  });

  it('directories, with what is below or without', () => {
    mkdirSync(join(folder, 'tree/sub'), { recursive: true });
    host('tree/file', 'in the tree');
    host('tree/sub/deep', 'deep');
    const tree = join(folder, 'tree');
    kernel.etfs.register('/flat', tree, 'DIR');
    kernel.etfs.register('/host/tree', tree, 'DIR_SUBDIRS');
    const names = (path: string): string[] =>
      at(path, (vp) => {
        const found: string[] = [];
        VOP_READDIR(vp, 0, (name) => found.push(name) > 0);
        return found;
      });
    expect(at('/flat', facts)[0]).to.equal(VDIR);
    expect(names('/flat')).to.deep.equal(['.', '..', 'file']);
    expect(names('/host/tree')).to.deep.equal(['.', '..', 'file', 'sub']);
    expect(at('/flat/file', (vp) => read(vp))).to.equal('in the tree');
    expect(at('/host/tree/sub/deep', (vp) => read(vp))).to.equal('deep');
    expect(at('/host/tree/sub/../file', (vp) => read(vp))).to.equal('in the tree');
    expect(code(() => at('/flat/sub', facts))).to.equal('ENOENT');
    expect(code(() => at('/host', facts))).to.equal('ENOENT');
    expect(code(() => kernel.etfs.register('/x', join(tree, 'file'), 'DIR'))).to.equal('ENOTDIR');
    expect(code(() => kernel.etfs.register('/x', tree, 'REG'))).to.equal('EISDIR');
    expect(code(() => kernel.etfs.register('/x', join(tree, 'none'), 'REG'))).to.equal('ENOENT');
    at('/host/tree/sub/deep', (vp) => write(vp, 'DEEP'));
    expect(readFileSync(join(tree, 'sub/deep'), 'utf8')).to.equal('DEEP');
    kernel.etfs.remove('/host/tree');
    expect(code(() => at('/host/tree/sub/deep', facts))).to.equal('ENOENT');
  });

  it('a window of an image is a disk, and is mounted in the name space', () => {
    const before = 1 << 20;
    const size = 2 << 20;
    const image = host('disk.img', new Uint8Array(before + size));
    kernel.etfs.register_withsize('/dev/disk', image, 'BLK', before, size);
    kernel.etfs.register('/dev/raw', image, 'CHR');
    expect(at('/dev/disk', facts)).to.deep.equal([VBLK, size]);
    expect(at('/dev/raw', facts)[0]).to.equal(VCHR);
    expect(code(() => kernel.etfs.disk_at('/dev/raw'))).to.equal('ENOTBLK');
    const disk = kernel.etfs.disk_at('/dev/disk');
    mkfs_ext2fs(disk, {
      bsize: 1024,
      blocks: size / 1024,
      inodes: 64,
      inodeBytes: 128,
      reservedBlocks: 0,
      label: '',
      uuid: new Uint8Array(16),
      nowSec: 1_700_000_000,
    });
    root.mkdir('/mnt');
    const { ni_vp, ni_dvp } = namei(kernel, '/mnt', NAMEI_LOOKUP, FOLLOW);
    const mp = kernel.mountlist.mount_domount('ext2fs', 0, { disk, force: false }, ni_vp);
    const fs = new p2k(mp);
    new Ukfs(fs).writeFile('/file', 'on the disk');
    expect(at('/mnt/file', (vp) => read(vp))).to.equal('on the disk');
    fs.fs_unmount(0);
    disk.close();
    vrele(ni_vp!);
    vrele(ni_dvp!);
    const bytes = new Uint8Array(readFileSync(image));
    expect(bytes.subarray(0, before).every((byte) => byte === 0)).to.equal(true);
    if (NO_E2FSPROGS === undefined) e2fsck(bytes.slice(before));
    else console.log(`      (not checked: ${NO_E2FSPROGS})`);
  });
});
