/** cd9660: images of genisoimage are read exactly, with Rock Ridge, Joliet and without. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { isodr, isovd } from '../../src/netbsd-compat/drivers/cd9660/medium.js';
import { CD9660 } from '../../src/ukfs/mount_cd9660.js';
import { hostTree } from '../images/host_tree.js';
import { makeTree } from '../images/source_tree.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { exerciseMutants } from './hostile.js';
import { mounterOf } from './rig.js';

const MUTANTS = Number(process.env.LUMP_MUTANTS ?? 60);
const NO_GENISOIMAGE =
  spawnSync('genisoimage', ['--version']).error === undefined
    ? undefined
    : 'genisoimage is missing (package genisoimage)';

const mount = mounterOf(CD9660);

describe('netbsd-compat: ISO 9660 medium', () => {
  it('fields lie where the format has them', () => {
    const offsets = (fields: Readonly<Record<string, { at: number }>>): number[] =>
      Object.values(fields).map(({ at }) => at);
    expect(offsets(isovd)).to.deep.equal([0, 80, 128, 156]);
    expect(offsets(isodr)).to.deep.equal([0, 1, 2, 10, 18, 25, 32]);
  });
});

describe('netbsd-compat: cd9660', () => {
  if (NO_GENISOIMAGE !== undefined) {
    it(`(skipped: ${NO_GENISOIMAGE})`);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'lump-iso-'));
  const source = join(folder, 'source');
  let wanted: Tree;
  const iso = (from: string, ...args: readonly string[]): Uint8Array => {
    const image = join(folder, 'cd.iso');
    execFileSync('genisoimage', ['-quiet', '-o', image, ...args, from], { stdio: 'pipe' });
    return new Uint8Array(readFileSync(image));
  };
  before(() => {
    mkdirSync(source);
    makeTree(source);
    // Deeper than ISO 9660 allows: it is moved, and Rock Ridge tells where it was.
    mkdirSync(join(source, 'directory/1/2/3/4/5/6/7/8'), { recursive: true });
    writeFileSync(join(source, 'directory/1/2/3/4/5/6/7/8/file'), 'deep');
    // genisoimage leaves sockets out.
    rmSync(join(source, 'special/socket'), { force: true });
    wanted = hostTree(source);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('Rock Ridge: everything that genisoimage was given', () => {
    const { ukfs, unmount, readOnly } = mount(iso(source, '-R'));
    expect(readOnly).to.equal(true);
    // Links of directories, and which names are one file, are genisoimage's own.
    // Where genisoimage put what was too deep; Linux shows it, too.
    const found = ukfsTree(ukfs).filter(({ path }) => path !== 'rr_moved');
    assertSameTree('rock ridge', wanted, found, {
      ignore: ['xattrs', 'ctime', 'atime', 'nlink', 'sameAs'],
      ignoreAtRoot: ['mtime'],
    });
    expect(() => ukfs.writeFile('/new', '')).to.throw(/EROFS/);
    expect(() => ukfs.unlink('/hello')).to.throw(/EROFS/);
    unmount();
  });

  it('Joliet, and plain names', () => {
    const few = join(folder, 'few');
    mkdirSync(join(few, 'A Directory'), { recursive: true });
    writeFileSync(join(few, 'A Directory/ünïcode ☕ name.text'), 'x'.repeat(5000));
    writeFileSync(join(few, 'README.TXT'), 'read me');
    const image = iso(few, '-J', '-input-charset', 'utf-8');
    const joliet = mount(image);
    expect(joliet.ukfs.readdir('/').sort()).to.deep.equal(['A Directory', 'README.TXT']);
    expect(joliet.ukfs.stat('/A Directory/ünïcode ☕ name.text').size).to.equal(5000);
    joliet.unmount();
    const plain = mount(image, { nojoliet: true });
    expect(plain.ukfs.readdir('/').sort()).to.deep.equal(['a_direct', 'readme.txt']);
    expect(Buffer.from(plain.ukfs.readFile('/readme.txt')).toString()).to.equal('read me');
    plain.unmount();
    const both = iso(few, '-J', '-R', '-input-charset', 'utf-8');
    const without = mount(both, { norrip: true, nojoliet: true });
    expect(without.ukfs.readdir('/').sort()).to.deep.equal(['a_direct', 'readme.txt']);
    without.unmount();
  });

  it('says what is no CD', () => {
    expect(() => mount(new Uint8Array(1 << 20))).to.throw('/disk has no cd9660 file system');
    const short = iso(source, '-R').slice(0, 200_000);
    const { ukfs, unmount } = mount(short);
    expect(() => ukfs.readFile('/text.12345')).to.throw(/EIO/);
    unmount();
  });

  it(`${MUTANTS} images with wrong bytes: results or errors only`, function () {
    this.timeout(600_000);
    const small = join(folder, 'small');
    mkdirSync(join(small, 'dir/deeper'), { recursive: true });
    for (const name of ['a', 'dir/b', 'dir/deeper/c']) {
      writeFileSync(join(small, name), name.repeat(500));
    }
    execFileSync('ln', ['-s', 'dir/b', join(small, 'link')]);
    exerciseMutants(CD9660, iso(small, '-R', '-J'), MUTANTS);
  });
});
