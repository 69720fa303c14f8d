/** Images of every option, read by lump's driver and beside those of mkfs.jffs2. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { COLLECTED, collectAll } from '../images/collect.js';
import { hostTree } from '../images/host_tree.js';
import { mountImage } from '../images/mount.js';
import type { SourceTreeAbilities } from '../images/source_tree.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { make, treeIn } from './maker.js';
import { expectedTree, MAKE_ROWS, makeSource, type MakeRow } from './rows.js';

const PEER = ['/usr/sbin', '/sbin', '/usr/bin']
  .map((folder) => join(folder, 'mkfs.jffs2'))
  .find((path) => existsSync(path));

describe('makefs -t jffs2', () => {
  let folder: string;
  let source: string;
  let tree: Tree;
  let abilities: SourceTreeAbilities;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-makefs-'));
    source = join(folder, 'source');
    mkdirSync(source);
    abilities = makeSource(source);
    tree = hostTree(source, { xattrs: abilities.xattrs });
    if (!abilities.root)
      console.log('      without owners, device nodes, trusted xattrs: needs root');
    if (!abilities.xattrs)
      console.log('      without xattrs: setfattr, setfacl or the host lacks them');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const made = (row: MakeRow, workers = 0): Uint8Array => {
    const byteOrder = row.byteOrder === 'le' ? 'little' : 'big';
    return make([source], { options: row.options, byteOrder, workers }).bytes;
  };
  const mounting = (row: MakeRow) => ({
    eraseSizeBytes: row.eraseKib * 1024,
    byteOrder: row.byteOrder,
    ...(row.nand === undefined ? {} : { nand: row.nand }),
  });

  for (const row of MAKE_ROWS) {
    it(`${row.name}: holds the tree`, function () {
      if (!abilities.xattrs && Object.keys(row.options).some((name) => name.startsWith('with-'))) {
        console.log('      skipped: no xattrs here');
        this.skip();
      }
      const expected = expectedTree(tree, row);
      assertSameTree('read by lump', expected, treeIn(made(row), mounting(row)));
    });
  }

  it('survives collecting all of it', () => {
    for (const name of ['zlib', 'summary', 'NAND 512+16']) {
      const row = MAKE_ROWS.find((one) => one.name === name)!;
      const mounted = mountImage(made(row), mounting(row));
      collectAll(mounted);
      mounted.ukfs.unmount();
      const again = treeIn(mounted.image(), mounting(row));
      assertSameTree(row.name, expectedTree(tree, row), again, COLLECTED);
    }
  });

  it('is the same with further threads, and each time', () => {
    for (const name of ['zlib', 'summary, big-endian, 16 KiB', 'lzo']) {
      const row = MAKE_ROWS.find((one) => one.name === name)!;
      const options = { ...row.options, pagesize: '512' };
      const run = (workers: number): Uint8Array => make([source], { options, workers }).bytes;
      const first = run(0);
      expect(Buffer.compare(run(3), first), name).to.equal(0);
      expect(Buffer.compare(run(1), first), name).to.equal(0);
    }
  });

  it('takes no more room than it must', () => {
    const plain = made(MAKE_ROWS[0]!);
    if (PEER === undefined) {
      console.log('      mkfs.jffs2 is not installed: not compared with it');
      return;
    }
    const image = join(folder, 'peer');
    execFileSync(PEER, ['-l', '-e', '64KiB', '-r', source, '-o', image], { stdio: 'pipe' });
    const peer = readFileSync(image);
    expect(plain.length).to.be.below(peer.length * 1.03);
  });

  it('holds what images of mkfs.jffs2 hold', function () {
    if (PEER === undefined) {
      console.log('      skipped: mkfs.jffs2 is not installed (mtd-utils)');
      this.skip();
    }
    const image = join(folder, 'peer');
    for (const row of MAKE_ROWS.filter(({ name }) => ['zlib', 'squashed'].includes(name))) {
      const args = ['-l', '-e', '64KiB', '-r', source, '-o', image];
      if (row.options.squash) args.push('-q');
      execFileSync(PEER as string, args, { stdio: 'pipe' });
      const peer = treeIn(readFileSync(image), mounting(row));
      // It does not keep the root's attributes, and gives directories the times of their entries.
      const times = peer.map((entry) => {
        if (entry.type !== 'dir') return entry;
        const ours = expectedTree(tree, row).find(({ path }) => path === entry.path)!;
        return { ...entry, mtime: ours.mtime, ctime: ours.mtime, atime: ours.mtime };
      });
      const ignoreAtRoot = ['mode', 'uid', 'gid', 'mtime', 'ctime', 'atime'] as const;
      assertSameTree(row.name, times, treeIn(made(row), mounting(row)), { ignoreAtRoot });
    }
  });

  it('writes summaries that Linux’s format asks for, in every full block', () => {
    const row = MAKE_ROWS.find(({ name }) => name === 'summary, big-endian, 16 KiB')!;
    const bytes = made(row);
    const block = row.eraseKib * 1024;
    const ends: number[] = [];
    for (let at = block; at <= bytes.length; at += block) {
      ends.push(Buffer.from(bytes).readUInt32BE(at - 4));
    }
    expect(ends.length).to.be.above(3);
    expect(new Set(ends)).to.deep.equal(new Set([0x02851885]));
    // Mounting by the summaries alone: what they list is what is there.
    const mounted = mountImage(bytes, { ...mounting(row), readOnly: true });
    expect(mounted.lump.warnings).to.equal(0);
    assertSameTree('by summaries', expectedTree(tree, row), ukfsTree(mounted.ukfs));
  });

  it('makes one node of a large hole', () => {
    const big = join(folder, 'big');
    mkdirSync(big);
    writeFileSync(join(big, 'hole'), '');
    truncateSync(join(big, 'hole'), 40 << 20);
    const { bytes, report } = make([big]);
    expect(bytes.length).to.be.below(300);
    expect(report.statistics).to.include(`zeros in holes: ${40 << 20} bytes`);
  });
});
