/** The host's tools on the same image, mounted, as the oracle: the same words, the same output. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { jffs2Command, mountInBackground, NO_MOUNTS, umount } from '../fuse/server.js';
import { Rig } from './rig.js';
import { ODD_NAMES, makeTree } from './trees.js';

const ENVIRONMENT = {
  LC_ALL: 'C',
  POSIXLY_CORRECT: '1',
  TZ: process.env.TZ ?? '',
  PATH: process.env.PATH,
};

type Row = readonly [tool: string, ours: readonly string[], host?: readonly string[]];

/** Whose output must be the host's, byte for byte. */
const SAME: readonly Row[] = [
  ...[
    '-l',
    '-la',
    '-lA',
    '-li',
    '-ls',
    '-lsk',
    '-ln',
    '-lrt',
    '-lS',
    '-lu',
    '-lc',
    '-lF',
    '-lp',
  ].map((flags): Row => ['ls', [flags, 'etc', 'odd']]),
  ...[
    '-1',
    '-A',
    '-a',
    '-F',
    '-p',
    '-i',
    '-s',
    '-sk',
    '-q',
    '-r',
    '-R',
    '-t',
    '-tr',
    '-S',
    '-tu',
  ].map((flags): Row => ['ls', [flags, '.', 'etc']]),
  ['ls', ['-lh', 'etc']],
  ['ls', ['-lL', 'etc/link', 'etc/dirlink']],
  ['ls', ['-l', 'etc/dirlink', 'etc/dirlink/']],
  ['ls', ['-d', 'etc', 'odd', 'etc/dirlink']],
  ['ls', ['-ld', '.', 'empty']],
  ['ls', ['-lR']],
  ['ls', ['-g', 'etc']],
  ['ls', ['-m', 'etc']],
  ['ls', ['-1f', 'etc'], ['-1U', '-a', 'etc']],
  ...['-b', '-e', '-n', '-s', '-t', '-v', '-bs', '-nst'].map(
    (flags): Row => [
      'cat',
      [flags, 'etc/passwd.old', 'etc/lines', 'etc/deep/er/binary', 'etc/empty'],
    ],
  ),
  ['cat', ['etc/big', 'etc/hole']],
  ['du', []],
  ['du', ['-a']],
  ['du', ['-ak', 'etc']],
  ['du', ['-s', 'etc', 'odd']],
  ['du', ['-c', 'etc', 'etc/deep']],
  ['du', ['-d', '1']],
  ['du', ['-a', 'etc/link', 'etc/dirlink'], ['-a', 'etc/link', 'etc/dirlink']],
  ['du', ['-aL', 'etc/dirlink']],
  ['du', ['-aH', 'etc/dirlink']],
  ['readlink', ['etc/link', 'etc/dangling']],
  ['diff', ['etc/passwd.old', 'etc/lines']],
  ['diff', ['-rq', 'etc', 'odd']],
  ['diff', ['-q', 'etc/big', 'etc/hole']],
  ['diff', ['etc/big', 'etc/big']],
  ['diff', ['long', 'long2']],
  ['diff', ['etc/deep/er/binary', 'etc/big']],
];

const FIND: readonly (readonly string[])[] = [
  [],
  ['.', '-name', '*'],
  ['etc', '-type', 'f'],
  ['etc', '-type', 'l', '-o', '-type', 'p', '-o', '-type', 'c'],
  ['etc', '!', '-type', 'd', '-size', '+1'],
  ['etc', '-size', '-100c'],
  ['etc', '-size', '137'],
  ['.', '-name', '[a-e]*', '-o', '-name', '.??'],
  ['.', '-iname', 'P*D*'],
  ['.', '-path', '*deep*'],
  ['.', '-perm', '644'],
  ['.', '-perm', '-111'],
  ['.', '-perm', '/6000'],
  ['.', '-links', '+1'],
  ['.', '-newer', 'etc/big'],
  ['.', '-user', '1000'],
  ['.', '-nouser'],
  ['.', '-nogroup'],
  ['.', '-mtime', '+100'],
  ['.', '-mtime', '-100'],
  ['.', '-empty'],
  ['.', '-name', 'deep', '-prune', '-o', '-print'],
  ['.', '(', '-name', 'b*', '-o', '-name', 's*', ')', '-type', 'f'],
  ['.', '-depth'],
  ['.', '-print0'],
  ['etc', '-follow', '-type', 'f'],
];

/** Options that GNU's find wants first. */
const FIND_GLOBAL: readonly (readonly string[])[] = [
  ['.', '-maxdepth', '1'],
  ['.', '-mindepth', '2', '-maxdepth', '2', '-type', 'f'],
  ['etc', '-maxdepth', '2', '-ls'],
];

describe('fs-utils: the tools and those of the host, on one image', () => {
  if (NO_MOUNTS !== undefined) {
    it(`(skipped: ${NO_MOUNTS})`);
    return;
  }
  let rig: Rig;
  let mountpoint: string;

  before(async () => {
    rig = new Rig();
    const tree = rig.path('tree');
    mkdirSync(tree);
    makeTree(tree);
    await rig.output('put', [`${tree}/.`, '/']);
    await rig.output('write', ['/etc/lines'], {
      stdin: 'a\n\n\n\nb\tc\nroot:x:0:0\nlast without newline',
    });
    // More than is read at once.
    const long = Array.from({ length: 40_000 }, (_, i) => `${i}\n`);
    await rig.output('write', ['/long'], { stdin: long.join('') });
    long[30_000] = 'changed\n';
    await rig.output('write', ['/long2'], { stdin: long.join('') });
    rig.readOnly();
    mountpoint = rig.path('mnt');
    mkdirSync(mountpoint);
    mountInBackground(jffs2Command(rig.image, mountpoint, '-o', 'ro,noatime'));
  });
  after(() => {
    if (mountpoint !== undefined) umount(mountpoint, '-l');
    rig.remove();
  });

  const host = (
    tool: string,
    words: readonly string[],
  ): { status: number | null; out: string; err: string } => {
    const { status, stdout, stderr } = spawnSync(tool, words, {
      cwd: mountpoint,
      encoding: 'latin1',
      env: ENVIRONMENT,
    });
    return { status, out: stdout, err: stderr };
  };

  for (const [tool, ours, theirs] of SAME) {
    it(`${tool} ${ours.join(' ')}`, async () => {
      const { status, out, err } = await rig.run(tool, ours);
      const expected = host(tool, theirs ?? ours);
      expect({ status, out }).to.deep.equal({ status: expected.status, out: expected.out });
      expect(err === '').to.equal(expected.err === '');
    });
  }

  const lines = (text: string): string[] => text.split(/[\n\0]/).sort();

  for (const words of FIND) {
    it(`find ${words.join(' ')}`, async () => {
      const expected = host('find', words);
      expect(expected.err).to.equal('');
      expect(lines(await rig.output('find', words))).to.deep.equal(lines(expected.out));
    });
  }

  for (const words of FIND_GLOBAL) {
    it(`find ${words.join(' ')}`, async () => {
      const columns = (text: string): string[] =>
        lines(text)
          .map((line) => line.replace(/\\(.)/g, '$1').replace(/ +/g, ' '))
          .sort();
      const expected = host('find', words);
      expect(columns(await rig.output('find', words))).to.deep.equal(columns(expected.out));
    });
  }

  it('stat: every number of every inode', async () => {
    const names = (await rig.output('find', ['.', '-print0'])).split('\0').filter(Boolean);
    const paths = names.filter((name) => !/[\x80-\xff]/.test(name));
    expect(paths.length).to.be.greaterThan(30);
    const ours = await rig.output('stat', [
      '-f',
      '%N %i %Mp%.3Lp %Xp %l %u %g %z %b %k %a %m %c %Hr:%Lr',
      ...paths,
    ]);
    const theirs = host('stat', [
      '-c',
      '%n %i %04a %f %h %u %g %s %b %o %X %Y %Z %Hr:%Lr',
      ...paths,
    ]);
    expect(theirs.err).to.equal('');
    expect(ours).to.equal(theirs.out);
  });

  it('df', async () => {
    const numbers = (text: string): string[] =>
      text.split('\n')[1]!.trim().split(/\s+/).slice(1, 5);
    for (const flags of ['-P', '-Pk']) {
      const expected = numbers(host('df', [flags, '.']).out);
      expect(numbers(await rig.output('df', [flags])), flags).to.deep.equal(expected);
    }
  });

  it('ls on a terminal shows no bytes that it would obey', async () => {
    const { out } = await rig.run('ls', ['odd'], {
      columns: 80,
      environment: { LC_ALL: 'C.UTF-8' },
    });
    expect(out).to.not.match(/[^\n -~\x80-\xff]/);
    expect(out).to.include('new?line').and.to.include(Buffer.from('日本語').toString('latin1'));
    for (const line of out.split('\n')) {
      if (!line.includes('x'.repeat(254))) expect(line.length).to.be.at.most(300);
    }
    const { out: plain } = await rig.run('ls', ['-1', 'odd'], { columns: 80 });
    // One more that is no UTF-8, one less that starts with a dot, and the end.
    expect(plain.split('\n').length).to.equal(ODD_NAMES.length + 1);
  });
});
