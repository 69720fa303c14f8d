/** Work done through lump's library interface, for the kernel to judge what is on flash afterwards. */
import { Prng } from '../../src/rumpuser/prng.js';
import { makedev } from '../../src/puffs/devt.js';
import type { Ukfs } from '../../src/ukfs/ukfs.js';
import { noise, text } from '../images/material.js';
import type { MountedImage } from '../images/mount.js';

/** Where the work is done: the clock moves on between its steps. */
type Workplace = Pick<MountedImage, 'ukfs' | 'host'>;

const S_IFSOCK = 0o140000;
const S_IFBLK = 0o060000;
const S_IFCHR = 0o020000;
const S_IFIFO = 0o010000;

const latin1 = (name: string): Uint8Array => Buffer.from(name, 'latin1');

/** Every kind of entry that jffs2 can hold, and every way of writing a file, below `top`. */
export function populate({ ukfs, host }: Workplace, top = ''): void {
  const at = (path: string): Uint8Array => latin1(`${top}/${path}`);
  if (top !== '') ukfs.mkdir(top);
  for (const directory of [
    'names',
    'sizes',
    'writes',
    'special',
    'attributes',
    'xattrs',
    'moves',
  ]) {
    ukfs.mkdir(at(directory));
  }

  ukfs.writeFile(at(`names/${'n'.repeat(254)}`), 'longest');
  for (let byte = 1; byte < 256; byte++) {
    if (byte !== 0x2f) ukfs.writeFile(at(`names/${String.fromCharCode(byte)}x`), `${byte}`);
  }
  host.advance(1500);

  for (const size of [0, 1, 3, 4, 5, 12, 13, 128, 4084, 4095, 4096, 4097, 8192, 8193, 20_000]) {
    ukfs.writeFile(at(`sizes/text.${size}`), text(size));
    ukfs.writeFile(at(`sizes/noise.${size}`), noise(size));
  }
  ukfs.writeFile(at('sizes/zeros'), new Uint8Array(40_000));
  host.advance(1500);

  writeInAllWays(ukfs, (name) => at(`writes/${name}`));
  host.advance(1500);

  ukfs.mkdir(at('special/deep'));
  ukfs.mkdir(at('special/deep/deeper'));
  ukfs.writeFile(at('special/linked'), 'shared');
  ukfs.link(at('special/linked'), at('special/linked.too'));
  ukfs.link(at('special/linked'), at('special/deep/linked.elsewhere'));
  ukfs.symlink('linked', at('special/symlink'));
  ukfs.symlink(latin1('s'.repeat(254)), at('special/symlink.254'));
  ukfs.symlink(latin1('bytes \xff\x01\nline'), at('special/symlink.bytes'));
  ukfs.mknod(at('special/null'), S_IFCHR | 0o666, makedev(1, 3));
  ukfs.mknod(at('special/disk'), S_IFBLK | 0o660, makedev(8, 17));
  ukfs.mknod(at('special/large.minor'), S_IFBLK | 0o600, makedev(259, 70_000));
  ukfs.mknod(at('special/large.both'), S_IFCHR | 0o600, makedev(4095, 1_048_575));
  ukfs.mknod(at('special/fifo'), S_IFIFO | 0o644);
  ukfs.mknod(at('special/socket'), S_IFSOCK | 0o777);
  host.advance(1500);

  for (const mode of [0, 1, 0o400, 0o644, 0o1777, 0o2755, 0o4711, 0o7777]) {
    ukfs.writeFile(at(`attributes/mode.${mode.toString(8)}`), '');
    ukfs.chmod(at(`attributes/mode.${mode.toString(8)}`), mode);
  }
  for (const [name, uid, gid] of [
    ['low', 1000, 100],
    ['high', 65_535, 65_534],
  ] as const) {
    ukfs.writeFile(at(`attributes/owner.${name}`), name);
    ukfs.chown(at(`attributes/owner.${name}`), uid, gid);
  }
  ukfs.symlink('nowhere', at('attributes/owner.symlink'));
  ukfs.lchown(at('attributes/owner.symlink'), 7, 8);
  for (const time of [0, 1_000_000_000, 2 ** 31, 2 ** 32 - 1]) {
    ukfs.writeFile(at(`attributes/time.${time}`), '');
    ukfs.utimes(at(`attributes/time.${time}`), time, time);
  }
  host.advance(1500);

  setXattrs(ukfs, (name) => at(`xattrs/${name}`));
  host.advance(1500);
  move(ukfs, (name) => at(`moves/${name}`));
  ukfs.sync();
}

function writeInAllWays(ukfs: Ukfs, at: (name: string) => Uint8Array): void {
  const patch = (name: string, position: number, bytes: Uint8Array): void => {
    const fd = ukfs.open(at(name), ukfs.exists(at(name)) ? 'r+' : 'w+');
    ukfs.write(fd, bytes, 0, bytes.length, position);
    ukfs.close(fd);
  };
  for (let part = 1; part < 10; part++) ukfs.writeFile(at('appended'), text(part * 371), 'a');
  ukfs.writeFile(at('overwritten'), text(30_000));
  patch('overwritten', 5000, noise(3000));
  patch('overwritten', 4096, noise(4096, 2));
  patch('overwritten', 12_287, noise(2));
  patch('sparse', 100_000, text(10));
  patch('sparse', 50_000, noise(4096));
  ukfs.writeFile(at('cut'), noise(20_000));
  ukfs.truncate(at('cut'), 9999);
  ukfs.writeFile(at('cut and grown'), text(20_000));
  ukfs.truncate(at('cut and grown'), 5000);
  ukfs.truncate(at('cut and grown'), 15_000);
  ukfs.writeFile(at('hole only'), '');
  ukfs.truncate(at('hole only'), 123_456);
  ukfs.writeFile(at('emptied'), text(10_000));
  ukfs.truncate(at('emptied'), 0);
  ukfs.writeFile(at('rewritten'), noise(9000));
  ukfs.writeFile(at('rewritten'), text(7000));
}

/** Entries of an ACL in the system call's form: tag, permissions, id. */
function acl(...entries: readonly (readonly [tag: number, perm: number, id?: number])[]): Buffer {
  const value = Buffer.alloc(4 + 8 * entries.length);
  value.writeUInt32LE(2, 0);
  for (const [index, [tag, perm, id = 0xffffffff]] of entries.entries()) {
    value.writeUInt16LE(tag, 4 + 8 * index);
    value.writeUInt16LE(perm, 6 + 8 * index);
    value.writeUInt32LE(id, 8 + 8 * index);
  }
  return value;
}

function setXattrs(ukfs: Ukfs, at: (name: string) => Uint8Array): void {
  for (const name of ['a', 'b', 'c', 'd']) ukfs.writeFile(at(name), name);
  ukfs.setxattr(at('a'), 'user.plain', 'value');
  ukfs.setxattr(at('b'), 'user.plain', 'value');
  ukfs.setxattr(at('a'), 'user.empty', '');
  ukfs.setxattr(at('a'), 'user.bytes', new Uint8Array([0, 255, 10, 128]));
  ukfs.setxattr(at('a'), 'trusted.secret', 'for root');
  ukfs.setxattr(at('a'), 'security.label', 'kept by name');
  ukfs.setxattr(at('b'), `user.${'l'.repeat(200)}`, 'long');
  ukfs.setxattr(at('b'), 'user.large', text(3000));
  ukfs.setxattr(at('c'), 'user.replaced', 'first');
  ukfs.setxattr(at('c'), 'user.replaced', 'second');
  ukfs.setxattr(at('d'), 'user.removed', 'gone');
  ukfs.removexattr(at('d'), 'user.removed');
  ukfs.setxattr(
    at('c'),
    'system.posix_acl_access',
    acl([0x01, 6], [0x02, 6, 1000], [0x04, 4], [0x08, 4, 50], [0x10, 6], [0x20, 4]),
  );
  ukfs.mkdir(at('inherits'));
  ukfs.setxattr(
    at('inherits'),
    'system.posix_acl_default',
    acl([0x01, 7], [0x02, 7, 1000], [0x04, 5], [0x10, 7], [0x20, 5]),
  );
  ukfs.writeFile(at('inherits/file'), '');
  ukfs.mkdir(at('inherits/directory'));
}

function move(ukfs: Ukfs, at: (name: string) => Uint8Array): void {
  for (const name of ['one', 'two', 'under', 'under/child', 'two/empty', 'replacing', 'gone']) {
    ukfs.mkdir(at(name));
  }
  ukfs.writeFile(at('one/a'), '1');
  ukfs.rename(at('one/a'), at('one/b'));
  ukfs.writeFile(at('victim'), '2');
  ukfs.writeFile(at('winner'), '3');
  ukfs.rename(at('winner'), at('victim'));
  ukfs.writeFile(at('one/across'), '4');
  ukfs.rename(at('one/across'), at('two/arrived'));
  ukfs.writeFile(at('under/child/file'), '5');
  ukfs.rename(at('under/child'), at('two/child'));
  ukfs.rename(at('replacing'), at('two/empty'));
  ukfs.writeFile(at('gone/file'), '6');
  ukfs.unlink(at('gone/file'));
  ukfs.rmdir(at('gone'));
  ukfs.writeFile(at('back'), '7');
  ukfs.unlink(at('back'));
  ukfs.writeFile(at('back'), '8');
  ukfs.link(at('back'), at('kept'));
  ukfs.unlink(at('back'));
}

export interface ChurnOptions {
  readonly seed: number;
  /** Stays for good, in files of 8 KiB. */
  readonly keepKib: number;
  /** Random changes go on until that much was written. */
  readonly writeKib: number;
}

/** Small random changes: enough of them and every erase block was collected. */
export function churn({ ukfs, host }: Workplace, options: ChurnOptions): void {
  const random = new Prng(options.seed);
  const material = { text: text(1 << 20), noise: noise(1 << 20) };
  ukfs.mkdir('/quiet');
  for (let i = 0; i < options.keepKib / 8; i++) {
    ukfs.writeFile(`/quiet/${i}`, material.noise.subarray(i * 8192, (i + 1) * 8192));
  }
  ukfs.mkdir('/busy');
  ukfs.link('/quiet/0', '/busy/link');
  ukfs.setxattr('/quiet/0', 'user.kept', 'through every collection');
  ukfs.symlink('../quiet/0', '/busy/symlink');
  ukfs.mknod('/busy/device', S_IFBLK | 0o600, makedev(259, 70_000));
  for (let written = 0, step = 0; written < options.writeKib * 1024; step++) {
    const file = `/busy/${random.below(8)}`;
    const other = `/busy/${random.below(8)}`;
    const exists = ukfs.exists(file);
    switch (random.below(10)) {
      case 0:
        if (exists) ukfs.unlink(file);
        break;
      case 1:
        if (exists) ukfs.truncate(file, random.below(24_000));
        break;
      case 2:
        if (exists) ukfs.rename(file, other);
        break;
      case 3:
        if (exists && !ukfs.exists(other)) ukfs.link(file, other);
        break;
      case 4:
        if (exists) ukfs.setxattr(file, 'user.step', `${step}`);
        break;
      case 5:
        if (exists) ukfs.chmod(file, 0o600 + (step % 8));
        break;
      default: {
        const length = 1 + random.below(9000);
        const from = random.below(1_000_000);
        const bytes = material[step % 3 === 0 ? 'text' : 'noise'].subarray(from, from + length);
        const fd = ukfs.open(file, exists ? 'r+' : 'w+');
        ukfs.write(fd, bytes, 0, bytes.length, random.below(16_000));
        ukfs.close(fd);
        written += bytes.length;
      }
    }
    host.advance(37);
  }
  ukfs.sync();
}

/** Files until no space is left, some deleted, filled again, some deleted again. */
export function fill({ ukfs, host }: Workplace, seed: number): void {
  const random = new Prng(seed);
  const material = noise(1 << 20);
  const fillUp = (prefix: string): number => {
    for (let i = 0; ; i++) {
      const from = random.below(1_000_000);
      try {
        ukfs.writeFile(`/${prefix}.${i}`, material.subarray(from, from + 7000));
      } catch (error) {
        if ((error as { code?: string }).code !== 'ENOSPC') throw error;
        return i;
      }
      host.advance(100);
    }
  };
  const first = fillUp('first');
  for (let i = 0; i < first; i += 2) ukfs.unlink(`/first.${i}`);
  const second = fillUp('second');
  for (let i = 0; i < second; i += 2) ukfs.unlink(`/second.${i}`);
  ukfs.writeFile('/after', 'there is space again');
  ukfs.sync();
}

/** Many small files in many directories. */
export function plant({ ukfs, host }: Workplace, directories: number, files: number): void {
  const material = text(1 << 16);
  for (let d = 0; d < directories; d++) {
    ukfs.mkdir(`/d${d}`);
    for (let f = 0; f < files; f++) {
      const length = (d * 31 + f * 7) % 900;
      ukfs.writeFile(`/d${d}/file ${f}`, material.subarray(length, 2 * length));
    }
    host.advance(400);
  }
  ukfs.sync();
}
