/** Trees brought out: hostile images change nothing outside, honest ones are the same again. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extract } from '../../src/inspect/extract.js';
import { HostTree } from '../../src/rumpuser/node_tree.js';
import { FLASH_IMAGES_FOLDER, readFlashImages } from '../images/flash_images.js';
import { hostTree } from '../images/host_tree.js';
import { ImageFactory } from '../images/images.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import { Image, S_IFDIR, S_IFLNK } from '../jffs2/nodes.js';
import { openState, treeOfState } from './inspect_tree.js';

const DT_DIR = 4;
const DT_LNK = 10;

/** What a user can tell on the host: no link counts or sizes of directories, no change times. */
function comparable(tree: Tree, isRoot: boolean): Tree {
  return tree.map(({ ctime: _, atime: __, nlink: ___, xattrs, ...entry }) => {
    const kept = Object.entries(xattrs ?? {}).filter(
      ([name]) => isRoot || name.startsWith('user.'),
    );
    // A host keeps the group's bits and the list's mask the same; mkfs.jffs2 did not.
    const hasAcl = Object.keys(xattrs ?? {}).includes('system.posix_acl_access');
    // Set-id bits go with an owner that only root can give.
    const shared = (hasAcl ? 0o070 : 0) | (isRoot ? 0 : 0o6000);
    return {
      ...entry,
      mode: entry.mode & ~shared,
      nlink: 0,
      ...(!isRoot && { uid: 0, gid: 0 }),
      ...(kept.length > 0 && { xattrs: Object.fromEntries(kept) }),
    };
  });
}

describe('extracting', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lump-extract-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let made = 0;
  const fresh = (): string => join(folder, `target${made++}`);

  function bringOut(bytes: Uint8Array, target: string): string[] {
    const tree = new HostTree(target);
    const problems: string[] = [];
    try {
      for (const { path, problems: list } of extract(openState(bytes), tree)) {
        for (const text of list) problems.push(`${path}: ${text}`);
      }
    } finally {
      tree.close();
    }
    return problems;
  }

  it('says that a root is a file, and makes nothing', () => {
    const image = new Image({ eraseBytes: 65_536 });
    image.put(0, image.nodes.cleanmarker());
    image.put(0, image.nodes.inode({ ino: 1, version: 1 }, 'I am no directory'));
    const target = fresh();
    expect(bringOut(image.format().bytes, target)).to.deep.equal(['.: the root is no directory']);
    expect(readdirSync(target)).to.deep.equal([]);
  });

  it('writes nothing outside of the target, whatever the names', () => {
    const image = new Image({ eraseBytes: 65_536 });
    const { nodes } = image;
    const outside = join(folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'precious'), 'mine');
    image.put(0, nodes.cleanmarker());
    let ino = 10;
    let version = 1;
    const name = (text: string, type: number, target: number, pino = 1): void => {
      image.put(0, nodes.dirent({ pino, version: version++, ino: target, name: text, type }));
    };
    const file = (text: string, pino = 1): void => {
      name(text, 8, ++ino, pino);
      image.put(0, nodes.inode({ ino, version: 1 }, 'evil'));
    };
    for (const evil of ['../escaped', '..', '.', '/etc/escaped', 'a/b', 'nul\0byte', ''])
      file(evil);
    // A link out of the target, and a directory and a file of the same name, in every order.
    const link = ++ino;
    image.put(0, nodes.inode({ ino: link, version: 1, mode: S_IFLNK | 0o777 }, outside));
    const dir = ++ino;
    image.put(0, nodes.inode({ ino: dir, version: 1, mode: S_IFDIR | 0o755 }));
    file('through', dir);
    for (const twice of ['x', 'y']) {
      name(twice, twice === 'x' ? DT_LNK : DT_DIR, twice === 'x' ? link : dir);
      name(twice, twice === 'x' ? DT_DIR : DT_LNK, twice === 'x' ? dir : link);
    }
    // An entry that calls the link a directory; things below the link's number.
    name('z', DT_DIR, link);
    file('below', link);
    // A hard link to a name behind the link, and a cycle.
    name('again', 8, ino);
    const loop = ++ino;
    image.put(0, nodes.inode({ ino: loop, version: 1, mode: S_IFDIR | 0o755 }));
    name('loop', DT_DIR, loop);
    name('back', DT_DIR, loop, loop);
    name('root', DT_DIR, 1, loop);
    const before = readdirSync(folder).length;
    const target = fresh();
    const problems = bringOut(image.format().bytes, target);
    expect(readdirSync(folder).length).to.equal(before + 1);
    expect(readdirSync(outside)).to.deep.equal(['precious']);
    expect(readFileSync(join(outside, 'precious'), 'utf8')).to.equal('mine');
    expect(existsSync('/etc/escaped')).to.equal(false);
    const names = readdirSync(target).sort();
    expect(names).to.deep.equal(['again', 'loop', 'x', 'y', 'z']);
    expect(lstatSync(join(target, 'x')).isDirectory()).to.equal(true);
    expect(readdirSync(join(target, 'x'))).to.deep.equal(['through']);
    expect(readlinkSync(join(target, 'y'))).to.equal(outside);
    expect(readlinkSync(join(target, 'z'))).to.equal(outside);
    expect(problems.join('\n')).to.match(/loop\/back: the directory is there already/);
  });

  it('refuses a target that is a link or holds something, and a name that is a path', () => {
    const link = fresh();
    symlinkSync(tmpdir(), link);
    expect(() => new HostTree(link)).to.throw('no directory');
    const full = fresh();
    mkdirSync(full);
    writeFileSync(join(full, 'file'), '');
    expect(() => new HostTree(full)).to.throw('not empty');
    const tree = new HostTree(fresh());
    const attributes = { mode: 0o600, uid: 0, gid: 0, atime: 0, mtime: 0, xattrs: [] };
    for (const name of ['', '.', '..', 'a/b', '../b', 'a\0']) {
      expect(tree.file(name, 0, [], attributes), name).to.match(/lead out/);
      expect(tree.enter(name), name).to.match(/lead out/);
      expect(tree.symlink(name, 'x', attributes), name).to.match(/lead out/);
    }
    tree.close();
  });

  const isRoot = process.getuid?.() === 0;
  for (const { file, nand } of readFlashImages().images) {
    if (nand !== undefined || !['demo.jffs2', 'xattrs.jffs2', 'big-endian.jffs2'].includes(file)) {
      continue;
    }
    it(`${file}: what is brought out is what is in it${isRoot ? '' : ', as far as a user may'}`, () => {
      const bytes = readFileSync(join(FLASH_IMAGES_FOLDER, file));
      const target = fresh();
      const problems = bringOut(bytes, target);
      const told = /socket|xattr|attribute|only root|set-id bits: the owner/;
      const lost = problems.filter((text) => !told.test(text));
      expect(lost).to.deep.equal([]);
      const wanted = comparable(treeOfState(openState(bytes)), isRoot);
      const got = comparable(hostTree(target, { xattrs: true }), isRoot);
      const skipped = new Set(problems.map((text) => text.split(':')[0]));
      const kept = (tree: Tree): Tree =>
        tree
          .filter(({ path }) => !skipped.has(path))
          .map(({ xattrs, ...entry }) =>
            problems.length === 0 && xattrs ? { ...entry, xattrs } : entry,
          );
      assertSameTree('on the host', kept(wanted), kept(got));
    });
  }

  it('mkfs.jffs2 makes the same tree of what was brought out', function () {
    const unavailable = ImageFactory.unavailable();
    if (unavailable !== undefined || !isRoot) {
      console.log(`      skipped: ${unavailable ?? 'only root can make devices'}`);
      this.skip();
    }
    const bytes = readFileSync(join(FLASH_IMAGES_FOLDER, 'demo.jffs2'));
    const target = fresh();
    expect(bringOut(bytes, target)).to.deep.equal([]);
    const image = join(folder, 'again.jffs2');
    execFileSync('/usr/sbin/mkfs.jffs2', ['-r', target, '-o', image, '-e', '64KiB', '-l']);
    // Without an inode node, the root has no attributes of its own in either.
    assertSameTree(
      'made again',
      comparable(treeOfState(openState(bytes)), true),
      comparable(treeOfState(openState(readFileSync(image))), true),
    );
  });
});
