/** Images on a simulated host: what mountJffs2 finds out, refuses, and leaves behind. */
import { expect } from 'chai';
import { FWRITE, PUFFS_CRED_ROOT } from '../../src/puffs/index.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { MountError, mountJffs2, type MountJffs2Options } from '../../src/ukfs/mount_jffs2.js';

const IMAGE = '/flash.bin';
const ERASESIZE = 65536;

function hostWith(bytes: Uint8Array): SimulatedHost {
  const host = new SimulatedHost({ codecs: nodeZlib() });
  host.replaceFile(IMAGE, bytes);
  return host;
}

const blank = (blocks = 16): SimulatedHost =>
  hostWith(new Uint8Array(blocks * ERASESIZE).fill(0xff));

function refusal(host: SimulatedHost, options: Omit<MountJffs2Options, 'image'> = {}): MountError {
  try {
    mountJffs2({ image: IMAGE, ...options }, host);
  } catch (error) {
    if (error instanceof MountError) return error;
    throw error;
  }
  throw new Error('mounted');
}

/** Mounts, does something, unmounts. */
function session<T>(
  host: SimulatedHost,
  options: Omit<MountJffs2Options, 'image'>,
  use: (fs: Ukfs) => T,
): T {
  const mounted = mountJffs2({ image: IMAGE, ...options }, host);
  const result = use(new Ukfs(mounted.fs));
  mounted.unmount();
  return result;
}

describe('ukfs: mountJffs2', () => {
  it('a blank image becomes a file system, found again without a word', () => {
    const host = blank();
    session(host, {}, (fs) => {
      fs.mkdir('dir');
      fs.writeFile('dir/file', 'content');
    });
    for (const options of [{}, { readOnly: true }]) {
      session(host, options, (fs) => {
        expect(new TextDecoder().decode(fs.readFile('dir/file'))).to.equal('content');
      });
    }
  });

  it('is checked while it is mounted, and tells with the option check', () => {
    const host = blank();
    const mounted = mountJffs2({ image: IMAGE, check: true }, host);
    const fine = 'check: memory holds what the medium says';
    expect(mounted.report).to.include(fine);
    const fs = new Ukfs(mounted.fs);
    fs.writeFile('file', 'content');
    expect(mounted.check()).to.deep.equal({ problems: [], exitStatus: 0 });
    const { ino } = fs.stat('file');
    mounted.c.inocache.get(ino)!.pino_nlink = 2;
    expect(mounted.check().exitStatus).to.equal(4);
    mounted.unmount();
    const said = host.consoleLines.map(({ line }) => line).join('\n');
    expect(said).to.match(/check: 1 error\n.*check: links, inode 2: link count 2/);
  });

  it('keeps the other byte order', () => {
    const host = blank();
    session(host, { endian: 'big' }, (fs) => fs.writeFile('file', 'x'));
    const image = host.readFile(IMAGE);
    const first = image.findIndex((byte) => byte !== 0xff);
    expect([...image.subarray(first, first + 2)]).to.deep.equal([0x19, 0x85]);
    const mounted = mountJffs2({ image: IMAGE }, host);
    expect(mounted.report.join('\n')).to.contain('big');
    expect(new Ukfs(mounted.fs).readdir('/')).to.deep.equal(['file']);
    mounted.unmount();
  });

  it('one writer at a time; the lock goes with the mount, whoever ends it', () => {
    const host = blank();
    const mounted = mountJffs2({ image: IMAGE }, host);
    expect(refusal(host).code).to.equal('EBUSY');
    expect(refusal(host, { readOnly: true }).code).to.equal('EBUSY');
    // As the FUSE session ends it.
    expect(mounted.fs.fs_unmount(0)).to.equal(0);
    session(host, {}, (fs) => fs.writeFile('file', 'x'));
    const first = mountJffs2({ image: IMAGE, readOnly: true }, host);
    const second = mountJffs2({ image: IMAGE, readOnly: true }, host);
    first.unmount();
    second.unmount();
  });

  it('the chip is closed with a partition of it, too', () => {
    const host = blank(32);
    const options = { mtdparts: '512k(boot),-(root)', part: 'root', erasesize: ERASESIZE };
    const mounted = mountJffs2({ image: IMAGE, ...options }, host);
    new Ukfs(mounted.fs).writeFile('file', 'x');
    expect(mounted.fs.fs_unmount(0)).to.equal(0);
    const image = host.readFile(IMAGE);
    expect(image.subarray(0, 512 * 1024).every((byte) => byte === 0xff)).to.equal(true);
    session(host, options, (fs) => expect(fs.readdir('/')).to.deep.equal(['file']));
    const { message } = refusal(host, { ...options, part: 'none' });
    expect(message).to.contain('0 "boot", 1 "root"');
  });

  it('an unmount under an open file changes nothing', () => {
    const host = blank();
    const mounted = mountJffs2({ image: IMAGE }, host);
    const fs = new Ukfs(mounted.fs);
    const fd = fs.open('file', 'w');
    expect(() => mounted.unmount()).to.throw(MountError, 'in use');
    fs.write(fd, new Uint8Array(10));
    fs.close(fd);
    mounted.unmount();
    session(host, {}, (again) => expect(again.stat('file').size).to.equal(10));
  });

  it('read-only changes nothing, neither the image nor beside it', () => {
    const host = blank();
    session(host, { sidecar: false }, (fs) => fs.writeFile('file', 'x'));
    const before = host.readFile(IMAGE).slice();
    const mounted = mountJffs2({ image: IMAGE, readOnly: true }, host);
    expect(mounted.readOnly).to.equal(true);
    const fs = new Ukfs(mounted.fs);
    const { ino } = fs.stat('file');
    expect(ino).to.be.greaterThan(1);
    expect(() => fs.writeFile('file', 'y')).to.throw('EROFS');
    expect(mounted.fs.node_open(mounted.fs.rootCookie, FWRITE, PUFFS_CRED_ROOT)).to.not.equal(0);
    mounted.unmount();
    expect(Buffer.compare(host.readFile(IMAGE), before)).to.equal(0);
    expect(() => host.readFile(`${IMAGE}.chip`)).to.throw();
  });

  it('refuses what is no jffs2, and says so', () => {
    expect(refusal(hostWith(new Uint8Array(16 * ERASESIZE))).message).to.contain('no JFFS2 image');
    expect(refusal(hostWith(new Uint8Array(0))).message).to.contain('empty');
    const missing = new SimulatedHost();
    expect(refusal(missing)).to.include({ code: 'ENOENT' });
    expect(refusal(blank(), { size: 100 * 1000 }).code).to.equal('EINVAL');
    expect(refusal(blank(), { compr: 'strange' }).code).to.equal('EINVAL');
    // Nothing stays locked after a refusal.
    const host = blank();
    refusal(host, { compr: 'strange' });
    session(host, {}, () => {});
  });

  it('too small to be written is shown read-only, and grows when asked to', () => {
    const host = blank(2);
    const mounted = mountJffs2({ image: IMAGE }, host);
    expect(mounted.readOnly).to.equal(true);
    expect(mounted.report.join('\n')).to.contain('size=');
    mounted.unmount();
    session(host, { size: 16 * ERASESIZE }, (fs) => fs.writeFile('file', 'x'));
    session(host, { size: 16 * ERASESIZE }, (fs) => {
      expect(fs.readdir('/')).to.deep.equal(['file']);
    });
  });
});
