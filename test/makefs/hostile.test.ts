/** Source trees that jffs2 cannot hold, that change, that lie: a clear error, and no image. */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { MakefsError } from '../../src/makefs/fsnode.js';
import type { HostSource, HostSourceStat } from '../../src/rumpuser/host_source.js';
import { nodeSource } from '../../src/rumpuser/node_source.js';
import { noise, text } from '../images/material.js';
import { projectRoot } from '../images/project.js';
import { make, type MakeOptions, treeIn } from './maker.js';

const isRoot = process.getuid?.() === 0;

describe('makefs: hostile source trees', () => {
  let folder: string;
  let source: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-makefs-'));
    source = join(folder, 'source');
    mkdirSync(source);
  });
  afterEach(() => spawnSync('rm', ['-r', '-f', folder]));

  const refusal = (options: MakeOptions = {}): string => {
    try {
      make([source], options);
    } catch (error) {
      expect(error).to.be.instanceOf(MakefsError);
      return (error as Error).message.replaceAll(source, '');
    }
    throw new Error('it was taken');
  };
  /** The host, with other facts. */
  const lying = (facts: (path: string, stat: HostSourceStat) => HostSourceStat): HostSource => ({
    ...nodeSource,
    lstat: (path) => facts(path, nodeSource.lstat(path)),
  });

  it('everything that jffs2 would cut is refused, all at once', () => {
    writeFileSync(join(source, 'n'.repeat(255)), '');
    writeFileSync(join(source, 'owned'), '');
    symlinkSync('t'.repeat(255), join(source, 'link'));
    writeFileSync(join(source, 'large'), 'x');
    const host = lying((path, stat) => {
      if (path.endsWith('/owned')) return { ...stat, uid: 65_536, gid: 70_000 };
      if (path.endsWith('/large')) return { ...stat, sizeBytes: 2 ** 32 };
      return stat;
    });
    const message = refusal({ host });
    expect(message.split('\n')).to.have.lengthOf(6);
    expect(message).to.match(/^jffs2 cannot hold this tree:/);
    expect(message).to.include('./large: 4294967296 bytes; files have 4294967295 at most');
    expect(message).to.include('./link: a symlink of 255 bytes; they have 254 at most');
    expect(message).to.include(': a name of 255 bytes; Linux finds names of up to 254 on jffs2');
    expect(message).to.include('./owned: owner 65536 does not fit 16 bits; squash owners');
    expect(message).to.include('./owned: group 70000 does not fit 16 bits');
    const squashed = refusal({ host, options: { 'squash-uids': true } });
    expect(squashed).not.to.include('owned');
  });

  it('a list of a thousand problems is cut short', () => {
    for (let i = 0; i < 1000; i++) writeFileSync(join(source, `${i}`), '');
    const message = refusal({ host: lying((_, stat) => ({ ...stat, uid: 1e9 })) });
    expect(message.split('\n')).to.have.lengthOf(22);
    expect(message).to.match(/\n {2}and 980 more$/);
  });

  it('files that change while they are read', () => {
    const path = join(source, 'log');
    for (const [what, change] of [
      ['grows', () => appendFileSync(path, 'more')],
      ['shrinks', () => truncateSync(path, 5)],
      ['is written to', () => utimesSync(path, 5, 5)],
      [
        'is replaced',
        () => {
          writeFileSync(join(folder, 'new'), text(9000));
          rmSync(path);
          linkSync(join(folder, 'new'), path);
        },
      ],
      [
        'becomes a symlink',
        () => {
          rmSync(path);
          symlinkSync('/etc/passwd', path);
        },
      ],
      [
        'becomes a fifo',
        () => {
          rmSync(path);
          spawnSync('mkfifo', [path]);
        },
      ],
      ['goes', () => rmSync(path)],
    ] as const) {
      rmSync(path, { force: true });
      writeFileSync(path, text(9000));
      const host: HostSource = {
        ...nodeSource,
        open(name) {
          change();
          return nodeSource.open(name);
        },
      };
      expect(refusal({ host }), what).to.match(
        /^\/log( changed while it was read|: (too many symbolic links|no such file))/,
      );
    }
  });

  it('names of every kind, and sizes at every border, come back', () => {
    const names = ['-rf', ' ', '\\', '\x7f', "'", '*', 'n'.repeat(254)];
    for (const name of names) writeFileSync(join(source, name), name);
    writeFileSync(Buffer.from(`${source}/\xff\xfe`, 'latin1'), 'no UTF-8');
    for (const bytes of [4095, 4096, 4097, 65_536, 200_001]) {
      writeFileSync(join(source, `noise ${bytes}`), noise(bytes));
      writeFileSync(join(source, `text ${bytes}`), text(bytes));
    }
    const { bytes } = make([source], { options: { eraseblock: '8KiB', summary: true } });
    const tree = treeIn(bytes, { eraseSizeBytes: 8192 });
    expect(tree).to.have.lengthOf(names.length + 12);
    expect(tree.filter(({ error }) => error !== undefined)).to.deep.equal([]);
    expect(tree.find(({ path }) => path === '\xff\xfe')?.size).to.equal(8);
  });

  it('a file of 3 GiB of nothing is read to its end', function () {
    if (process.env.LUMP_LARGE === undefined) {
      console.log('      skipped: reads 3 GiB; set LUMP_LARGE');
      this.skip();
    }
    writeFileSync(join(source, 'hole'), '');
    truncateSync(join(source, 'hole'), 3 * 2 ** 30);
    const { bytes } = make([source]);
    const tree = treeIn(bytes, { eraseSizeBytes: 65536 });
    expect(tree.find(({ path }) => path === 'hole')?.size).to.equal(3 * 2 ** 30);
  });

  it('directories two hundred deep', () => {
    let path = source;
    let deep = 0;
    for (; deep < 200; deep++) {
      path += '/d';
      mkdirSync(path);
    }
    const { bytes } = make([source]);
    expect(treeIn(bytes, { eraseSizeBytes: 65536 })).to.have.lengthOf(deep + 1);
  });

  it('times before 1970 and after 2106 become the nearest that fit; -T clamps', () => {
    const seconds = [-5000, 5e9, 1000];
    for (const i of seconds.keys()) writeFileSync(join(source, `${i}`), '');
    const host = lying((path, stat) => ({ ...stat, mtimeSec: seconds[Number(path.at(-1))]! }));
    const times = (options: MakeOptions): (number | undefined)[] =>
      treeIn(make([source], { ...options, host }).bytes, { eraseSizeBytes: 65536 })
        .slice(1)
        .map(({ mtime }) => mtime);
    expect(times({})).to.deep.equal([0, 2 ** 32 - 1, 1000]);
    expect(times({ timeMaxSec: 1500 })).to.deep.equal([0, 1500, 1000]);
    expect(times({ timeMaxSec: 500 })).to.deep.equal([0, 500, 500]);
  });

  it('a directory that cannot be read', function () {
    mkdirSync(join(source, 'private'));
    if (isRoot) {
      console.log('      skipped: root reads everything');
      this.skip();
    }
    chmodSync(join(source, 'private'), 0);
    expect(refusal()).to.equal('/private: permission denied');
  });

  it('an image too large for its limit leaves nothing behind', () => {
    writeFileSync(join(source, 'noise'), noise(100_000));
    expect(refusal({ maximumSizeBytes: 65536 })).to.equal('the image does not fit 65536 bytes');
    const { bytes } = make([source], { minimumSizeBytes: 2 ** 18, maximumSizeBytes: 2 ** 18 });
    expect(bytes.length).to.equal(2 ** 18);
    const free = make([source], { free: { percent: 50 } });
    expect(free.bytes.length).to.equal(4 * 65536);
    expect(make([source], { free: { blocks: 3 } }).bytes.length).to.equal(5 * 65536);
  });

  describe('the programs', () => {
    const run = (program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
      const path = join(projectRoot(), 'bin', program);
      const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
        cwd: source,
        env: { ...process.env, ...env },
      });
      return { status, stdout, stderr: stderr.toString() };
    };
    const image = (): string => join(folder, 'image');

    it('mkfs.jffs2: the command line of mtd-utils', () => {
      writeFileSync(join(source, 'hello'), 'hello\n');
      const piped = run('mkfs.jffs2', ['-lnp', '-e128', '-x', 'rtime', '-x', 'zlib']);
      expect(piped.stderr).to.equal('');
      expect(piped.stdout.length).to.equal(128 << 10);
      const args = [
        '--root',
        source,
        `--output=${image()}`,
        '--little',
        '--no-clean',
        '-p',
        '--erase=0x20000',
      ];
      expect(run('mkfs.jffs2', [...args, '-v']).stderr).to.match(/3 nodes in 1 erase blocks/);
      expect(readFileSync(image()).equals(piped.stdout)).to.equal(true);
      expect(run('mkfs.jffs2', ['-L']).stdout.toString()).to.match(/^lzo +priority 80, disabled$/m);
      for (const [words, message] of [
        [['-X', 'zip'], /no compressor is called zip; there are lzo, /],
        [['-e', '12x'], /eraseblock "12x" is no size/],
        [['-bl'], /big-endian or little-endian, not both/],
        [['--nonsense'], /unknown option '--nonsense'; see mkfs.jffs2 --help/],
        [['-D', 'none'], /ENOENT: no such file or directory, open 'none'/],
        [['-y', 'high:lzo'], /compressor-priority "high:lzo": expected N:NAME/],
      ] as const) {
        const { status, stderr } = run('mkfs.jffs2', ['-o', image(), ...words]);
        expect(stderr).to.match(message);
        expect(stderr).to.match(/^mkfs\.jffs2: .*\n$/);
        expect(status).to.equal(1);
      }
    });

    it('makefs: sizes, byte order, dates, the image in its own tree', () => {
      writeFileSync(join(source, 'hello'), 'hello\n');
      const inside = join(source, 'image');
      const args = ['-t', 'jffs2', '-B', 'be', '-s', '4x64k', '-o', 'summary,pad', inside, source];
      const env = { SOURCE_DATE_EPOCH: '1000' };
      expect(run('makefs', args, env)).to.deep.include({ status: 0, stderr: '' });
      const first = readFileSync(inside);
      expect(run('makefs', args, env).stderr).to.match(/image is the image; it is left out\n$/);
      expect(readFileSync(inside).equals(first)).to.equal(true);
      const tree = treeIn(first, { eraseSizeBytes: 65536, byteOrder: 'be' });
      expect(tree.map(({ path, mtime }) => [path, mtime])).to.deep.equal([
        ['.', 1000],
        ['hello', 1000],
      ]);
      for (const [words, message] of [
        [['x', source], /say which file system, with -t: jffs2/],
        [['-t', 'jffs2', '-o', 'fast', 'x', source], /jffs2 has no option fast/],
        [['-t', 'jffs2', '-o', 'summary=1', 'x', source], /option summary takes no value/],
        [['-t', 'jffs2', '-s', '1z', 'x', source], /-s 1z: expected a size/],
        [['-t', 'jffs2', '-x', 'x', source], /-x needs a specification/],
        [['-t', 'jffs2', '-B', 'pdp', 'x', source], /-B pdp: expected little, /],
        [
          ['-t', 'jffs2', join(folder, 'no/image'), source],
          /no\/image: no such file or directory\n$/,
        ],
      ] as const) {
        const { status, stderr } = run('makefs', words);
        expect(stderr).to.match(message);
        expect(status).to.equal(1);
      }
      const epoch = { SOURCE_DATE_EPOCH: 'today' };
      expect(run('makefs', args, epoch).stderr).to.match(/SOURCE_DATE_EPOCH is "today"/);
    });
  });

  it('owners of 16 bits are the last that are taken', function () {
    if (!isRoot) {
      console.log('      skipped: needs root');
      this.skip();
    }
    writeFileSync(join(source, 'file'), '');
    lchownSync(join(source, 'file'), 65_535, 65_535);
    const [, file] = treeIn(make([source]).bytes, { eraseSizeBytes: 65536 });
    expect([file!.uid, file!.gid]).to.deep.equal([65_535, 65_535]);
    lchownSync(join(source, 'file'), 65_536, 0);
    expect(refusal()).to.match(/file: owner 65536/);
  });
});
