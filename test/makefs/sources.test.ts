/** Phases 1 and 2: directories merged, specifications, device tables. */
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { applyDeviceTable } from '../../src/makefs/device_table.js';
import { MakefsError, walkTree } from '../../src/makefs/fsnode.js';
import { parseMode } from '../../src/makefs/mode.js';
import { decodeMtree, encodeMtree, formatMtree, parseMtree } from '../../src/makefs/mtree.js';
import { assertSameTree, diffTrees } from '../images/tree.js';
import { make, type Made, type MakeOptions, treeIn } from './maker.js';

const ERASE_BYTES = 65536;
const NOW = 1_700_000_000;
const OWNER = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

describe('makefs: sources', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-makefs-'));
    mkdirSync(join(folder, 'a/etc'), { recursive: true });
    writeFileSync(join(folder, 'a/etc/passwd'), 'root:x:0:0::/:/bin/sh\nftp:x:14:50::/:/\n');
    writeFileSync(join(folder, 'a/hello'), 'hello\n');
    chmodSync(join(folder, 'a/hello'), 0o644);
    for (const name of ['a/etc/passwd', 'a/hello', 'a/etc', 'a']) {
      utimesSync(join(folder, name), 1000, 1000);
    }
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, 'latin1');
    return join(folder, name);
  };
  const a = (): string => join(folder, 'a');
  /** Path → "type mode uid gid time extra". */
  const facts = ({ tree }: Made): Record<string, string> =>
    Object.fromEntries(
      [...walkTree(tree)].map(({ path, inode }) => [
        path,
        [
          inode.mode.toString(8),
          inode.uid,
          inode.gid,
          inode.mtimeSec,
          ...(inode.target === '' ? [] : [inode.target]),
          ...(inode.rdevMajor === 0 ? [] : [`${inode.rdevMajor}:${inode.rdevMinor}`]),
          ...(inode.contents === null ? [] : [`${inode.contents.sizeBytes} bytes`]),
        ].join(' '),
      ]),
    );
  const spec = (text: string, more: MakeOptions['source'] = {}): Made =>
    make([a()], { source: { specification: file('spec', text), ...more } });
  const refusal = (call: () => unknown): string => {
    try {
      call();
    } catch (error) {
      expect(error).to.be.instanceOf(MakefsError);
      return (error as Error).message.replaceAll(folder, '');
    }
    throw new Error('it was taken');
  };

  describe('directories', () => {
    it('are merged; what two of them have must be said with -r', () => {
      mkdirSync(join(folder, 'b/etc'), { recursive: true });
      writeFileSync(join(folder, 'b/etc/group'), 'root:x:0:\n');
      const merged = make([a(), join(folder, 'b')]);
      const names = ['.', './etc', './etc/group', './etc/passwd', './hello'];
      expect(Object.keys(facts(merged))).to.deep.equal(names);

      writeFileSync(join(folder, 'b/hello'), 'another\n');
      expect(refusal(() => make([a(), join(folder, 'b')]))).to.equal(
        '/b/hello (file) is in an earlier directory already, as file; -r takes the later one',
      );
      const replaced = make([a(), join(folder, 'b')], { source: { replace: true } });
      expect(facts(replaced)['./hello']).to.match(/ 8 bytes$/);
      rmSync(join(folder, 'b/hello'));
      mkdirSync(join(folder, 'b/hello'));
      expect(refusal(() => make([a(), join(folder, 'b')]))).to.match(/\(dir\).* as file/);
    });

    it('that are none are refused', () => {
      expect(refusal(() => make([join(folder, 'none')]))).to.equal(
        '/none: no such file or directory',
      );
    });
  });

  describe('specifications', () => {
    it('change what is there, in either style', () => {
      const nested = spec(`#mtree
        /set uid=7 gid=8
        .   type=dir mode=0700
            etc type=dir mode=0711
                passwd type=file mode=0600 time=1234.5
            ..
            hello time=5
        /unset uid gid
        `);
      const full = spec(
        '. uid=7 gid=8 mode=u=rwx\n./etc uid=7 gid=8 mode=u=rwx,go=x\n' +
          './etc/passwd uid=7 gid=8 \\\n mode=0600 time=1234.5\n./hello uid=7 gid=8 time=5\n',
      );
      const expected = {
        '.': '40700 7 8 1000',
        './etc': '40711 7 8 1000',
        './etc/passwd': '100600 7 8 1234 39 bytes',
        './hello': '100644 7 8 5 6 bytes',
      };
      expect(facts(nested)).to.deep.equal(expected);
      expect(facts(full)).to.deep.equal(expected);
    });

    it('add what is not there', () => {
      const made = spec(`
        ./dev type=dir mode=0755 uid=0 gid=0 time=9
        ./dev/null type=char mode=0666 uid=0 gid=0 device=linux,1,3 time=9
        ./dev/mtd type=block mode=0640 uid=0 gid=6 device=native,0x1f,0x100
        ./dev/old type=char mode=0600 uid=0 gid=0 device=0x1105 time=9
        ./link type=link uid=0 gid=0 link=/a\\040b time=9
        ./pipe type=fifo mode=0600 uid=1 gid=2 time=9
        ./empty type=file mode=0644 uid=1 gid=2 time=9
        ./copy type=file mode=0644 uid=1 gid=2 time=9 contents=${join(folder, 'a/hello')}
        ./nowhere type=file optional
        ./no/where type=file optional`);
      expect(facts(made)).to.deep.include({
        './dev/null': '20666 0 0 9 1:3',
        './dev/mtd': `60640 0 6 ${NOW} 31:256`,
        './dev/old': '20600 0 0 9 17:5',
        './link': '120777 0 0 9 /a b',
        './pipe': '10600 1 2 9',
        './empty': '100644 1 2 9',
        './copy': '100644 1 2 9 6 bytes',
      });
      expect(facts(made)).not.to.have.any.keys('./nowhere', './no');
      const tree = treeIn(made.bytes, { eraseSizeBytes: ERASE_BYTES });
      const copied = tree.find(({ path }) => path === 'copy');
      expect(copied?.sha256).to.equal(tree.find(({ path }) => path === 'hello')?.sha256);
    });

    it('stand alone, and leave out what they do not list with -x', () => {
      const alone = make([file('spec', '. type=dir mode=0750 uid=3 gid=4 time=5\n')]);
      expect(facts(alone)).to.deep.equal({ '.': '40750 3 4 5' });
      const thin = spec('./etc type=dir\n', { exclude: true });
      expect(Object.keys(facts(thin))).to.deep.equal(['.', './etc']);
      const ignoring = spec('./etc type=dir ignore\n', { exclude: true });
      expect(Object.keys(facts(ignoring))).to.deep.equal(['.', './etc', './etc/passwd']);
    });

    it('name users and groups', () => {
      file('passwd', '#ftp:x:1:1:\nftp:*:14:50::0:0::/:/\nftp:*:15:50:\n');
      file('group', 'wheel:*:99:root\n');
      const made = spec('./hello uname=ftp gname=wheel\n', { userDatabase: folder });
      expect(facts(made)['./hello']).to.equal('100644 14 99 1000 6 bytes');
      expect(refusal(() => spec('./hello uname=nobody1\n', { userDatabase: folder }))).to.equal(
        '/spec:1: nobody is called nobody1',
      );
    });

    for (const [text, message] of [
      ['./hello type=dir\n', '1: ./hello is a file, not a dir'],
      [
        '\n./new type=file mode=0644 uid=0\n',
        '2: ./new is in no directory; to make it, gid or gname must be given',
      ],
      [
        './new type=link uid=0 gid=0\n',
        '1: ./new is in no directory; to make it, link must be given',
      ],
      ['./x/y type=file uid=0 gid=0 mode=0\n', '1: ./x is not there: list it before what is in it'],
      ['./hello/y type=file uid=0 gid=0 mode=0\n', '1: ./hello is no directory'],
      ['./hello mode=999\n', '1: mode 999 is neither octal nor symbolic'],
      ['./hello shape=round\n', '1: unknown keyword "shape"'],
      ['./hello uid=root\n', '1: uid root is no number'],
      ['./hello uid\n', '1: uid needs a value'],
      ['./hello type=door\n', '1: type door is none of block, char, dir, fifo, file, link, socket'],
      ['./hello time=now\n', '1: time now is not in seconds'],
      ['./hello device=linux,1\n', '1: device linux,1 is not "format,major,minor"'],
      ['../hello uid=0\n', '1: ".." cannot be a name'],
      ['..\n', '1: ".." leads out of the tree'],
      ['./a\\057b type=file\n', '1: "a/b" cannot be a name'],
      ['./a\\000b type=file\n', '1: "a\\000b" cannot be a name'],
      ['/etc type=dir\n', '1: "/etc" is neither /set nor /unset, and paths start with "./"'],
      [`${'./a'.repeat(2000)} type=dir\n`, '1: a path longer than 4096 bytes'],
      ['./hello __proto__=1 constructor=2\n', '1: unknown keyword "__proto__"'],
      ['./hello type=constructor\n', '1: type constructor is none of'],
    ] as const) {
      it(`refuse ${JSON.stringify(text.slice(0, 40))}`, () => {
        expect(refusal(() => spec(text))).to.include(`/spec:${message}`);
      });
    }

    it('are written so that they read the same', () => {
      const names = ['#x', 'a b', '\n', '\xe4', 'back\\slash', '*', '=', 'plain'];
      for (const name of names) expect(decodeMtree(encodeMtree(name))).to.equal(name);
      symlinkSync('to #1', join(folder, 'a/#link'));
      linkSync(join(folder, 'a/hello'), join(folder, 'a/hello 2'));
      const once = make([a()]);
      const text = formatMtree(once.tree);
      const again = make([a()], {
        source: { specification: file('written', Buffer.from(text).toString('latin1')) },
      });
      expect(Buffer.from(formatMtree(again.tree)).equals(Buffer.from(text))).to.equal(true);
      expect(parseMtree(text, 'written').length).to.equal(6);
      const tree = treeIn(once.bytes, { eraseSizeBytes: ERASE_BYTES });
      assertSameTree(
        'by its own specification',
        tree,
        treeIn(again.bytes, { eraseSizeBytes: ERASE_BYTES }),
      );
    });
  });

  it('modes are octal or symbolic', () => {
    for (const [text, mode] of [
      ['0755', 0o755],
      ['u=rwx,go=rx', 0o755],
      ['a=rx,u+w', 0o755],
      ['=rw', 0o666],
      ['u=rwxs,g=xs,o=t', 0o7710],
      ['+t,a=r', 0o1444],
      ['a=rwx,o-w', 0o775],
      ['u=q', null],
      ['', null],
      ['8', null],
    ] as const) {
      expect(parseMode(text), text).to.equal(mode);
    }
  });

  describe('device tables', () => {
    const table = (text: string): Made =>
      make([a()], { options: { devtable: [file('table', text)] } });

    it('change and add', () => {
      const made = table(`# a comment
        / d 711 1 2 - - - - -
        /hello f 4600 7 8 - - - - -   # the greeting
        /dev d 755 0 0
        /dev/null c 666 0 0 1 3 0 0 -
        /dev/tty c 620 0 5 4 64 1 2 3
        /dev/disk b 660 0 6 8 300 - - -
        /run p`);
      expect(facts(made)).to.deep.include({
        '.': '40711 1 2 1000',
        './hello': '104600 7 8 1000 6 bytes',
        './dev': `40755 0 0 ${NOW}`,
        './dev/null': `20666 0 0 ${NOW} 1:3`,
        './dev/tty1': `20620 0 5 ${NOW} 4:64`,
        './dev/tty2': `20620 0 5 ${NOW} 4:66`,
        './dev/tty3': `20620 0 5 ${NOW} 4:68`,
        './dev/disk': `60660 0 6 ${NOW} 8:300`,
        './run': `10755 0 0 ${NOW}`,
      });
      const disk = treeIn(made.bytes, { eraseSizeBytes: ERASE_BYTES }).find(
        ({ path }) => path === 'dev/disk',
      );
      expect(disk?.rdev).to.deep.equal({ major: 8, minor: 300 });
    });

    for (const [text, message] of [
      ['/no/null c 666 0 0 1 3', '1: ./no is no directory of the tree'],
      ['/nothing f 644 0 0', '1: ./nothing is not in the tree, and a table cannot make a file'],
      ['/hello d 644 0 0', '1: ./hello is a file, not a dir'],
      ['\n/x q', '2: type q is none of f, d, c, b, p, l'],
      ['/x', '1: "/x" has no type'],
      ['/x d 999', '1: mode 999 is no octal number'],
      ['/x d 755 root', '1: uid root is no number'],
      ['/x/../../y d', '1: /x/../../y leads out of the tree'],
      ['/x c 666 0 0 1 1 0 0 99999', '1: count 99999 is more than 65536'],
      ['/x c 666 0 0 1 1 0 0 0 9', '1: more than 10 fields'],
    ] as const) {
      it(`refuse ${JSON.stringify(text)}`, () => {
        expect(refusal(() => table(text))).to.include(`/table:${message}`);
      });
    }

    it('are not squashed', () => {
      const options = { squash: true as const, devtable: [file('table', '/hello f 666 9 9')] };
      expect(facts(make([a()], { options }))['./hello']).to.equal('100666 9 9 1000 6 bytes');
    });

    it('may be applied to a tree by hand', () => {
      const made = make([a()]);
      applyDeviceTable(made.tree, '/x d 700 1 1', 'text', 5);
      expect(facts(made)['./x']).to.equal('40700 1 1 5');
    });
  });

  describe('additions (-i)', () => {
    it('join the image that is there', () => {
      mkdirSync(join(folder, 'b/etc/new'), { recursive: true });
      writeFileSync(join(folder, 'b/etc/group'), 'root:x:0:\n');
      writeFileSync(join(folder, 'b/hello'), 'changed\n');
      const options = { summary: true as const, pad: true as const };
      const base = make([a()], { options });
      const image = file('base', Buffer.from(base.bytes).toString('latin1'));
      const added = make([join(folder, 'b')], { options: { ...options, incremental: image } });
      expect(added.notes).to.deep.equal([]);
      const both = treeIn(Buffer.concat([base.bytes, added.bytes]), {
        eraseSizeBytes: ERASE_BYTES,
      });
      const whole = treeIn(make([a(), join(folder, 'b')], { source: { replace: true } }).bytes, {
        eraseSizeBytes: ERASE_BYTES,
      });
      expect(diffTrees(whole, both)).to.deep.equal([]);
      expect(both.map(({ uid }) => uid)).to.deep.equal(both.map(() => OWNER.uid));
    });

    it('say where they belong, and refuse what is no image', () => {
      const base = make([a()]);
      const image = file('base', Buffer.from(base.bytes).toString('latin1'));
      expect(make([a()], { options: { incremental: image } }).notes.join()).to.match(
        /belongs at offset 0x10000$/,
      );
      const big = { options: { incremental: image }, byteOrder: 'big' } as const;
      expect(refusal(() => make([a()], big))).to.equal(
        '/base has no big-endian jffs2 nodes to add to',
      );
    });
  });
});
