/** mount(): the type from the content, a part of the image by its name. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { mount } from '../../src/ukfs/index.js';
import { MountError } from '../../src/ukfs/mount_jffs2.js';
import { parseImagePart } from '../../src/ukfs/part.js';
import { ffsFindings } from '../netbsd-compat/ffs_check.js';
import { blankFfs } from '../netbsd-compat/makefs_ffs.js';

const ERASESIZE = 65536;
/** Where Debian has the programs that make file systems. */
const SBIN = `${process.env.PATH}:/usr/sbin:/sbin`;

function hostWith(bytes: Uint8Array): SimulatedHost {
  const host = new SimulatedHost({ codecs: nodeZlib() });
  host.replaceFile('/flash.bin', bytes);
  return host;
}

const blank = (blocks: number): Uint8Array => new Uint8Array(blocks * ERASESIZE).fill(0xff);

function refusal(call: () => unknown): MountError {
  try {
    call();
  } catch (error) {
    if (error instanceof MountError) return error;
    throw error;
  }
  throw new Error('mounted');
}

describe('ukfs: mount', () => {
  it('tells the type, and gives paths, operations, sync and unmount', () => {
    const host = hostWith(blank(16));
    const mounted = mount('/flash.bin', {}, host);
    expect(mounted).to.include({ type: 'jffs2', readOnly: false });
    mounted.ukfs.writeFile('/file', 'x');
    mounted.sync();
    expect(mounted.ops.fsname).to.equal('jffs2');
    const fd = mounted.ukfs.open('/file');
    expect(refusal(() => mounted.unmount()).code).to.equal('EBUSY');
    mounted.ukfs.close(fd);
    expect(mounted.check()).to.deep.equal({ problems: [], exitStatus: 0 });
    mounted.unmount();
    const again = mount('/flash.bin', { type: 'jffs2', readOnly: true }, host);
    expect(again.ukfs.readdir('/')).to.deep.equal(['file']);
    // Linux's mtdblock0: block device 31, 0.
    expect(again.fs.statSync('/').dev).to.equal(31 << 8);
    again.unmount();
  });

  it('rm of a tree takes nothing away through a link, nor below "."', () => {
    const { fs, unmount } = mount('/flash.bin', {}, hostWith(blank(16)));
    fs.mkdirSync('/tree');
    fs.writeFileSync('/tree/file', 'x');
    fs.symlinkSync('tree', '/link');
    const remove = (path: string) => () => fs.rmSync(path, { recursive: true });
    expect(remove('/link/')).to.throw(/ENOTDIR/);
    expect(remove('/tree/.')).to.throw(/EINVAL/);
    expect(fs.readdirSync('/tree')).to.deep.equal(['file']);
    fs.rmSync('/tree', { recursive: true });
    expect(fs.readdirSync('/')).to.deep.equal(['link']);
    unmount();
  });

  it('%OFFSET:start,size% is a window that nothing is written outside of', () => {
    const image = new Uint8Array(24 * ERASESIZE).fill(0x5a);
    image.set(blank(12), 4 * ERASESIZE);
    const host = hostWith(image);
    const options = { sidecar: false, erasesize: ERASESIZE };
    const name = `/flash.bin%OFFSET:0x40000,${12 * 64}k%`;
    const mounted = mount(name, options, host);
    for (let n = 0; n < 40; n++) mounted.ukfs.writeFile('/file', new Uint8Array(20_000).fill(n));
    expect(mounted.ukfs.statvfs().f_blocks * mounted.ukfs.statvfs().f_bsize).to.be.at.most(
      12 * ERASESIZE,
    );
    mounted.unmount();
    const after = host.readFile('/flash.bin');
    expect(after.length).to.equal(image.length);
    expect(after.subarray(0, 4 * ERASESIZE).every((byte) => byte === 0x5a)).to.equal(true);
    expect(after.subarray(16 * ERASESIZE).every((byte) => byte === 0x5a)).to.equal(true);
    const again = mount(name, options, host);
    expect(again.ukfs.readFile('/file').every((byte) => byte === 39)).to.equal(true);
    again.unmount();
  });

  it('%PART:name% is one of the partitions of mtdparts', () => {
    const host = hostWith(blank(24));
    const options = { mtdparts: '512k(kernel),-(rootfs)', sidecar: false };
    const mounted = mount('/flash.bin%PART:rootfs%', options, host);
    mounted.ukfs.writeFile('/file', 'x');
    mounted.unmount();
    const image = host.readFile('/flash.bin');
    expect(image.subarray(0, 512 << 10).every((byte) => byte === 0xff)).to.equal(true);
    expect(image.subarray(512 << 10).every((byte) => byte === 0xff)).to.equal(false);
  });

  it('parts of names: forms and refusals', () => {
    expect(parseImagePart('a%OFFSET:4k%')).to.deep.equal({ image: 'a', offset: 4096 });
    expect(parseImagePart('a%b%OFFSET:0,0x10%')).to.deep.equal({
      image: 'a%b',
      offset: 0,
      size: 16,
    });
    for (const plain of ['a', 'a%OFFSET:1,2', '100%', '%OFFSET:1%']) {
      expect(parseImagePart(plain)).to.deep.equal({ image: plain });
    }
    for (const bad of ['OFFSET:', 'OFFSET:x', 'OFFSET:-1', 'OFFSET:1,2,3', 'OFFSET:1,0', 'PART:']) {
      expect(() => parseImagePart(`a%${bad}%`), bad).to.throw(RangeError, `a%${bad}%`);
    }
    const error = refusal(() => mount('/a%DISKLABEL:a%', {}, hostWith(blank(8))));
    expect(error.message).to.contain('%OFFSET:start,size%');
  });

  it('says what an image is that it cannot mount', () => {
    const image = new Uint8Array(8 * ERASESIZE);
    image.set(new TextEncoder().encode('hsqs'));
    const error = refusal(() => mount('/flash.bin', {}, hostWith(image)));
    expect(error.message).to.match(/no JFFS2 image.*looks like squashfs \(little endian\)$/);
    const unknown = refusal(() => mount('/flash.bin', { type: 'zfs' }, hostWith(image)));
    expect(unknown).to.include({ code: 'ENODEV' });
    expect(unknown.message).to.equal(
      'type zfs is not known; there are: cd9660, ext2fs, ffs, msdos, sysvbfs, jffs2',
    );
    expect(refusal(() => mount('/none', {}, hostWith(image))).code).to.equal('ENOENT');
  });
});

describe('ukfs: mount, of disks', function () {
  this.timeout(60_000);
  let folder = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-disks-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  /** Bytes before the file system, made by a program of the host that is told the file. */
  function make(program: string, args: readonly string[], before: number): string | null {
    const bare = join(folder, 'bare');
    writeFileSync(bare, new Uint8Array(4 << 20));
    try {
      execFileSync(program, [...args, bare], { stdio: 'ignore', env: { PATH: SBIN } });
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT') throw error;
      return null;
    }
    const image = join(folder, 'disk.img');
    writeFileSync(image, Buffer.concat([Buffer.alloc(before), readFileSync(bare)]));
    return image;
  }

  it('ffs, of either kind, whole and behind something', () => {
    for (const version of [1, 2] as const) {
      for (const before of [0, 1 << 20]) {
        const image = join(folder, 'disk.img');
        writeFileSync(image, Buffer.concat([Buffer.alloc(before), blankFfs(4 << 20, { version })]));
        const mounted = mount(before === 0 ? image : `${image}%OFFSET:1m,4m%`);
        expect(mounted).to.include({ type: 'ffs', readOnly: false });
        mounted.fs.writeFileSync('/file', 'content');
        mounted.unmount();
        expect(ffsFindings(readFileSync(image).subarray(before))).to.deep.equal([]);
      }
    }
  });

  const kinds = [
    ['ext2fs', 'mke2fs', ['-q', '-t', 'ext2', '-F']],
    ['msdos', 'mkfs.fat', ['-F', '12']],
  ] as const;
  for (const [type, program, args] of kinds) {
    it(`${type}, whole and behind something`, function () {
      for (const before of [0, 1 << 20]) {
        const image = make(program, args, before);
        if (image === null) {
          console.log(`      (skipped: ${program} is missing)`);
          this.skip();
        }
        const name = before === 0 ? image : `${image}%OFFSET:1m,4m%`;
        const mounted = mount(name);
        expect(mounted).to.include({ type, readOnly: false });
        mounted.fs.mkdirSync('/dir/below', { recursive: true });
        mounted.fs.writeFileSync('/dir/below/file', 'content');
        expect(refusal(() => mounted.check()).code).to.equal('EOPNOTSUPP');
        mounted.unmount();
        const again = mount(name, { readOnly: true });
        expect(again.fs.readFileSync('/dir/below/file', 'utf8')).to.equal('content');
        expect(again.fs.readdirSync('/dir')).to.deep.equal(['below']);
        again.unmount();
        if (type === 'ext2fs' && before === 0) {
          execFileSync('e2fsck', ['-fn', image], { stdio: 'ignore', env: { PATH: SBIN } });
        }
      }
    });
  }
});
