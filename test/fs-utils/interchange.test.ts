/** From one image to another: nothing is lost that both can hold, and the rest is told. */
import * as fs from 'node:fs';
import { expect } from 'chai';
import { ImageTree } from '../../src/fs-utils/index.js';
import { traverse } from '../../src/fs-utils/traverse.js';
import type { Ukfs } from '../../src/ukfs/index.js';
import { aclText } from '../conformance/acl.js';
import { noise, text } from '../images/material.js';
import { fsckFat, mkfsFat, NO_DOSFSTOOLS } from '../netbsd-compat/dosfstools.js';
import { debugfs, e2fsck, mke2fs, NO_E2FSPROGS } from '../netbsd-compat/e2fsprogs.js';
import { fsckFfs } from '../netbsd-compat/ffs_check.js';
import { blankFfs } from '../netbsd-compat/makefs_ffs.js';
import { Rig } from './rig.js';
import { ODD_NAMES } from './trees.js';

const LIST = 'u::rwx,u:1001:rw-,g::r-x';
const FLASH_BYTES = 16 << 20;
const MTIME = 1_600_000_000;

/** Every kind of entry, and of each what copies get wrong. */
function populate(image: Ukfs): void {
  image.mkdir('/etc');
  image.mkdir('/etc/deep');
  image.mkdir('/odd');
  image.mkdir('/empty');
  for (const [i, name] of ODD_NAMES.entries()) image.writeFile(`/odd/${name}`, `${i}\n`);
  image.writeFile(Buffer.from('/odd/no UTF-8 \xff\xfe', 'latin1'), 'x');
  for (const size of [0, 1, 1023, 4096, 70_000]) image.writeFile(`/etc/text${size}`, text(size, 1));
  image.writeFile('/etc/noise', noise(400_000, 2));
  image.writeFile('/etc/hole', 'start');
  image.truncate('/etc/hole', 600_000);
  const fd = image.open('/etc/hole', 'r+');
  image.write(fd, Buffer.from('middle'), 0, 6, 300_000);
  image.close(fd);
  image.writeFile('/etc/script', '#!/bin/sh\n', 'w', 0o755);
  image.link('/etc/script', '/etc/deep/script2');
  image.link('/etc/script', '/script3');
  image.symlink('text1', '/etc/link');
  image.symlink(`/nowhere/${'x'.repeat(200)}`, '/etc/long');
  image.symlink('deep', '/etc/dirlink');
  image.mknod('/char', 0o020640, 0x0501);
  // 291:70001, for which a minor of eight bits is too small.
  image.mknod('/block', 0o060600, ((70001 & 0xfff00) << 12) | (0x123 << 8) | (70001 & 0xff));
  image.mknod('/fifo', 0o010644);
  image.mknod('/socket', 0o140755);
  image.chown('/etc/noise', 1000, 100);
  image.lchown('/etc/link', 12_345, 54_321);
  image.chmod('/etc/script', 0o4755);
  image.chmod('/empty', 0o1777);
  image.chown('/empty', 65_535, 65_534);
  image.chmod('/etc/deep', 0o2750);
  image.setxattr('/etc/text1023', 'user.empty', '');
  image.setxattr('/etc/text1023', 'user.long', 'x'.repeat(300));
  image.setxattr('/etc/text1023', 'security.label', new Uint8Array([0, 255, 10]));
  image.setxattr('/etc/link', 'trusted.link', 'of the link', 0, false);
  image.setxattr('/etc/deep', 'system.posix_acl_default', aclText(`${LIST},m::rwx,o::---`));
  image.setxattr('/etc/text4096', 'system.posix_acl_access', aclText(`${LIST},m::r-x,o::r--`));
  const tree = new ImageTree(image);
  let i = 0;
  for (const { kind, path } of traverse(tree, '/')) {
    if (kind === 'enter') continue;
    tree.lutimes(path, { sec: MTIME + 7 * i, nsec: 0 }, { sec: MTIME + 1000 * i, nsec: 0 });
    i++;
  }
  // The last second of a signed number, and the first of all.
  image.utimes('/etc/text0', { sec: 0, nsec: 0 }, { sec: 2 ** 31 - 1, nsec: 0 });
  image.chown('/', 3, 4);
}

describe('fs-utils: from one image to another', () => {
  let rig: Rig;
  const bytes = (name: string): Uint8Array => new Uint8Array(fs.readFileSync(rig.path(name)));
  const blank = (name: string, content: Uint8Array): string => {
    fs.writeFileSync(rig.path(name), content);
    return rig.path(name);
  };
  const blankFlash = (name: string): string => blank(name, new Uint8Array(FLASH_BYTES).fill(0xff));

  before(function () {
    const missing = NO_E2FSPROGS ?? NO_DOSFSTOOLS;
    if (missing === undefined) return;
    console.log(`      skipped: ${missing}`);
    this.skip();
  });
  beforeEach(() => {
    rig = new Rig();
    populate(rig.ukfs);
  });
  afterEach(() => rig.remove());

  it('a tree with every kind of entry goes jffs2 → ext2 → jffs2 and comes back equal', async () => {
    const flash = rig.image;
    const disk = blank('disk.img', mke2fs('16M', '-t', 'ext2'));
    await rig.output('cp', ['--to', disk, '-a', '/', '/']);
    rig.use(disk);
    const { atime, mtime } = rig.ukfs.stat('/');
    rig.ukfs.rmdir('/lost+found');
    rig.ukfs.utimes('/', atime, mtime);
    const back = blankFlash('back.bin');
    await rig.output('cp', ['-a', `--to=${back}`, '/', '/']);
    rig.use(back);
    const same = ['-r', '--attributes', '/', '/'];
    expect(await rig.output('diff', [...same, '--to', flash])).to.equal('');
    expect(await rig.output('diff', [...same, '--to', disk])).to.equal('');
    e2fsck(bytes('disk.img'));
    expect(debugfs(bytes('disk.img'), 'stat /block')).to.match(/291:70001/);
    expect(debugfs(bytes('disk.img'), 'ea_list /etc/link')).to.include('"of the link"');
    expect(debugfs(bytes('disk.img'), 'stat /etc/long')).to.match(/Type: symlink/);
    // And diff would have found something.
    rig.ukfs.chmod('/etc/text1', 0o611);
    rig.ukfs.unlink('/script3');
    rig.ukfs.writeFile('/script3', '#!/bin/sh\n');
    const { status, out } = await rig.run('diff', [...same, '--to', flash]);
    expect(status).to.equal(1);
    expect(out).to.match(/back\.bin:\/etc\/text1 and .*flash\.bin:\/etc\/text1 .*mode 611, 666/);
    expect(out).to.match(/\/script3 differ: mode 666, 4755; .*names 1, 3/);
  });

  it('and jffs2 → ffs → ext2 → jffs2, but for the access lists, which ffs has none of', async () => {
    const flash = rig.image;
    const [ufs, disk] = [
      blank('ufs.img', blankFfs(16 << 20, { density: 2048 })),
      blank('disk.img', mke2fs('16M', '-t', 'ext2')),
    ];
    const { status, err } = await rig.run('cp', ['--to', ufs, '-a', '/', '/']);
    expect(status).to.equal(1);
    expect(err).to.match(
      /^fsu_cp: not kept: extended attribute of 2 files \(Operation not supported\): .*\n$/,
    );
    for (const path of ['/etc/deep', '/etc/text4096']) {
      for (const name of rig.ukfs.listxattr(path)) rig.ukfs.removexattr(path, name);
    }
    rig.use(ufs);
    await rig.output('cp', ['--to', disk, '-a', '/', '/']);
    rig.use(disk);
    const { atime, mtime } = rig.ukfs.stat('/');
    rig.ukfs.rmdir('/lost+found');
    rig.ukfs.utimes('/', atime, mtime);
    const back = blankFlash('back.bin');
    await rig.output('cp', ['--to', back, '-a', '/', '/']);
    rig.use(back);
    for (const other of [flash, ufs, disk]) {
      const words = ['-r', '--attributes', '--to', other, '/', '/'];
      expect(await rig.output('diff', words), other).to.equal('');
    }
    fsckFfs(bytes('ufs.img'));
    e2fsck(bytes('disk.img'));
  });

  it('what the target cannot hold is listed at the end, by kind, and is a failure', async () => {
    const card = blank('card.img', mkfsFat(8 << 20));
    rig.ukfs.writeFile('/etc/TEXT1', 'another file');
    rig.ukfs.utimes('/etc/TEXT1', MTIME, MTIME);
    const { status, err } = await rig.run('cp', ['--to', card, '-a', '/', '/']);
    expect(status).to.equal(1);
    const told = new Map(
      err
        .trimEnd()
        .split('\n')
        .map((line) => {
          const found = /^fsu_cp: not kept: (.*) of (\d+) files? \((.*?)\): (.*)$/.exec(line);
          return found === null ? [line, 0] : [`${found[1]} (${found[3]})`, Number(found[2])];
        }),
    );
    expect(told.get('special file (Operation not supported)')).to.equal(4);
    expect(told.get('symbolic link (Operation not supported)')).to.equal(3);
    expect(told.get('hard link (Operation not supported)')).to.equal(2);
    expect(told.get('owner (Operation not permitted)')).to.equal(3);
    expect(told.get('extended attribute (Operation not supported)')).to.equal(5);
    expect(told.get('holes (the target has none)')).to.equal(1);
    expect(told.get('name (Invalid argument)')).to.be.greaterThan(5);
    expect(told.get('name (another file of the target goes by it)')).to.equal(1);
    expect(told.get('modification time (rounded)')).to.be.greaterThan(0);
    expect(
      [...told.values()].every((count) => count > 0),
      err,
    ).to.equal(true);
    fsckFat(bytes('card.img'));
    rig.use(card);
    // Of two names that are one there, the first stays what it was.
    expect(['TEXT1', 'text1']).to.include(
      (await rig.output('ls', ['/etc'])).match(/text1$/im)?.[0],
    );
    expect(Buffer.from(rig.ukfs.readFile('/etc/noise'))).to.deep.equal(
      Buffer.from(noise(400_000, 2)),
    );
  });

  it('a file is not too large for the source and too large for the target in silence', async () => {
    rig.ukfs.unlink('/etc/hole');
    rig.ukfs.writeFile('/etc/hole', '');
    const disk = blank('disk.img', mke2fs('16M', '-t', 'ext2', '-b', '4096'));
    const size = 2 ** 32 + 4096;
    await rig.output('cp', ['--to', disk, '/etc/hole', '/large']);
    const flash = rig.image;
    rig.use(disk);
    rig.ukfs.truncate('/large', size);
    const { status, err } = await rig.run('cp', ['--to', flash, '/large', '/large']);
    expect(status).to.equal(1);
    expect(err).to.equal('fsu_cp: not kept: content of 1 file (File too large): /large\n');
    rig.use(flash);
    expect((await rig.run('ls', ['/large'])).status).to.equal(1);
  });

  it('mv moves between images what the other can hold, and nothing else', async () => {
    const disk = blank('disk.img', mke2fs('16M', '-t', 'ext2'));
    await rig.output('mv', ['--to', disk, '/etc', '/odd', '/']);
    expect(await rig.output('ls', ['/'])).to.equal('block\nchar\nempty\nfifo\nscript3\nsocket\n');
    const card = blank('card.img', mkfsFat(8 << 20));
    const { status, err } = await rig.run('mv', ['--to', card, '/script3', '/']);
    expect(status).to.equal(1);
    expect(err).to.include('/script3: not removed, since not all of it was copied');
    const waived = '--no-preserve=mode,ownership,timestamps';
    await rig.output('mv', ['--to', card, waived, '/script3', '/']);
    expect((await rig.run('ls', ['/script3'])).status).to.equal(1);
    rig.use(disk);
    expect(await rig.output('cat', ['/etc/script'])).to.equal('#!/bin/sh\n');
  });

  it('a directory of the host is a tree, and what leads out of it is refused', async () => {
    const root = rig.path('root');
    const secret = rig.path('secret');
    for (const folder of [root, secret]) fs.mkdirSync(folder);
    await rig.output('cp', ['--to', root, '/etc/text1', '/text']);
    expect(fs.readFileSync(`${root}/text`)).to.deep.equal(Buffer.from(text(1, 1)));
    expect((await rig.run('diff', ['--to', root, '/etc/text1', '/text'])).status).to.equal(0);
    fs.symlinkSync(secret, `${root}/out`);
    fs.symlinkSync(`${secret}/file`, `${root}/new`);
    for (const target of ['/out', '/out/file', '/new', '/out/../out/x']) {
      const { status, err } = await rig.run('cp', ['--to', root, '/etc/text1', target]);
      expect(status, target).to.equal(1);
      expect(err).to.match(/Invalid cross-device link|No such file/);
    }
    // Not even by the way up.
    await rig.output('cp', ['--to', root, '/etc/text1', '/../../up']);
    expect(fs.existsSync(`${root}/up`)).to.equal(true);
    expect(fs.readdirSync(secret)).to.deep.equal([]);
  });
});
