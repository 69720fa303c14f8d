/** The tools that change an image, and what they say when they cannot. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { expect } from 'chai';
import { diffLines } from '../../src/fs-utils/lines.js';
import { parseMode } from '../../src/fs-utils/modes.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { Rig } from './rig.js';

const MODES = [
  '755',
  '0',
  '4711',
  '7777',
  'u+x',
  'go-rwx',
  'a=rX',
  '+x',
  '-w',
  'u=rwx,go=rx',
  'g+s',
  'u+s',
  'o+t',
  '+t',
  'a+t',
  'g=u',
  'o=g',
  'u=g',
  'u+w-x',
  'ug=rw,o=',
  '=',
  '+X',
  'a-x+X',
  'g-s',
  'u-s',
  '-s',
  'o+s',
  'go=',
  'u=,g=,o=',
  'a=rwxs',
  '+rwx',
  '=r',
];

describe('fs-utils: tools', () => {
  let rig: Rig;
  before(() => {
    rig = new Rig();
  });
  after(() => rig.remove());

  it('chmod: modes mean what they mean to chmod(1)', () => {
    const folder = fs.mkdtempSync(`${rig.folder}/modes-`);
    const cases = MODES.flatMap((mode) =>
      [0o644, 0o6751, 0o1000].flatMap((start) =>
        [true, false].map((isFile) => ({ mode, start, isFile })),
      ),
    );
    const script = cases.map(({ mode, start, isFile }, i) => {
      const path = `${folder}/${i}`;
      if (isFile) fs.writeFileSync(path, '');
      else fs.mkdirSync(path);
      fs.chmodSync(path, start);
      return `chmod -- '${mode}' ${i}`;
    });
    spawnSync('sh', ['-c', `umask 022\n${script.join('\n')}`], { cwd: folder });
    for (const [i, { mode, start, isFile }] of cases.entries()) {
      const expected = fs.statSync(`${folder}/${i}`).mode & 0o7777;
      // A number leaves set-id bits of directories there; to POSIX that is for the system to say.
      if (!isFile && /^\d+$/.test(mode)) continue;
      const type = isFile ? 0o100000 : 0o040000;
      const ours = parseMode(mode, 0o022)!(type | start);
      expect(
        ours.toString(8),
        `${mode} of ${start.toString(8)}, ${isFile ? 'file' : 'directory'}`,
      ).to.equal(expected.toString(8));
    }
    for (const wrong of ['', '8', 'u', 'x', 'a+q', '77777', 'u+x,', ',']) {
      expect(parseMode(wrong, 0), wrong).to.equal(undefined);
    }
  });

  it('diff finds a shortest way', () => {
    const prng = new Prng(7);
    for (let round = 0; round < 300; round++) {
      const text = (): string[] =>
        Array.from({ length: prng.below(12) }, () => 'abc'[prng.below(3)]!);
      const [old, fresh] = [text(), text()];
      const changes = diffLines(old, fresh, 0).flatMap((hunk) => hunk.changes);
      const made: string[] = [];
      let at = 0;
      let edits = 0;
      for (const { oldStart, oldEnd, newStart, newEnd } of changes) {
        made.push(...old.slice(at, oldStart), ...fresh.slice(newStart, newEnd));
        at = oldEnd;
        edits += oldEnd - oldStart + newEnd - newStart;
      }
      made.push(...old.slice(at));
      expect(made).to.deep.equal(fresh);
      // By the textbook: the longest common subsequence.
      const common = old.map(() => new Array<number>(fresh.length + 1).fill(0));
      common.push(new Array<number>(fresh.length + 1).fill(0));
      for (let i = old.length - 1; i >= 0; i--) {
        for (let j = fresh.length - 1; j >= 0; j--) {
          common[i]![j] =
            old[i] === fresh[j]
              ? common[i + 1]![j + 1]! + 1
              : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
        }
      }
      expect(edits, `${old.join('')} ${fresh.join('')}`).to.equal(
        old.length + fresh.length - 2 * common[0]![0]!,
      );
    }
  });

  it('diff of long texts with many changes shows the changes', () => {
    const old = Array.from({ length: 20_000 }, (_, i) => `line ${i}`);
    const fresh = old.map((line, i) => (i % 4 === 0 ? `${line}, changed` : line));
    const changes = diffLines(old, fresh, 0);
    expect(changes.length).to.equal(5000);
    for (const { oldStart, oldEnd } of changes) expect(oldEnd - oldStart).to.equal(1);
  });

  it('diff -u is what patch(1) wants', async function () {
    if (spawnSync('patch', ['--version']).status !== 0) {
      console.log('      patch is not installed: not tried');
      this.skip();
    }
    const prng = new Prng(11);
    for (let round = 0; round < 10; round++) {
      const old = Array.from({ length: 60 }, (_, i) => `line ${i % 17}`);
      const fresh = old.flatMap((line) =>
        prng.below(9) === 0 ? [] : prng.below(9) === 0 ? [line, 'new'] : [line],
      );
      const ends = [round % 2 === 0 ? '\n' : '', round % 3 === 0 ? '\n' : ''];
      await rig.output('write', ['/a'], { stdin: old.join('\n') + ends[0] });
      await rig.output('write', ['/b'], { stdin: fresh.join('\n') + ends[1] });
      const { out } = await rig.run('diff', ['-u', '/a', '/b']);
      fs.writeFileSync(rig.path('a'), old.join('\n') + ends[0]);
      const patched = spawnSync('patch', [rig.path('a')], { input: out, encoding: 'utf8' });
      expect(patched.stdout + patched.stderr).to.not.include('FAILED');
      expect(fs.readFileSync(rig.path('a'), 'utf8')).to.equal(fresh.join('\n') + ends[1]);
    }
  });

  it('write empties the file first, or appends, and succeeds', async () => {
    await rig.output('write', ['/w'], { stdin: 'a long first text\n' });
    await rig.output('write', ['/w'], { stdin: 'short\n' });
    expect(await rig.output('cat', ['/w'])).to.equal('short\n');
    await rig.output('write', ['-a', '/w'], { stdin: 'more\n' });
    expect(await rig.output('cat', ['/w'])).to.equal('short\nmore\n');
  });

  it('touch makes files, and sets times', async () => {
    await rig.output('touch', ['-t', '202001020304.05', '/t']);
    expect(await rig.output('stat', ['-f', '%Sm', '-t', '%Y%m%d%H%M%S', '/t'])).to.equal(
      '20200102030405\n',
    );
    await rig.output('touch', ['-m', '-d', '@1000000000', '/t']);
    expect(await rig.output('stat', ['-f', '%m', '/t'])).to.equal('1000000000\n');
    await rig.output('touch', ['-r', '/t', '/u']);
    expect(await rig.output('stat', ['-f', '%m', '/u'])).to.equal('1000000000\n');
    await rig.output('touch', ['-c', '/nothing']);
    expect((await rig.run('ls', ['/nothing'])).status).to.equal(1);
    expect((await rig.run('touch', ['-t', '209913', '/t'])).status).to.equal(2);
  });

  it('mkdir -p, rmdir -p, mknod, mkfifo, ln, mv', async () => {
    await rig.output('mkdir', ['-p', '-m', '1750', '/p/q/r']);
    await rig.output('mkdir', ['-p', '/p/q/r']);
    expect(await rig.output('stat', ['-f', '%Mp%.3Lp', '/p/q', '/p/q/r'])).to.equal('0755\n1750\n');
    await rig.output('rmdir', ['-p', '/p/q/r']);
    await rig.output('mknod', ['-m', '600', '-u', '3', '-g', '4', '/c', 'c', '5', '1']);
    await rig.output('mknod', ['-F', 'solaris', '/s', 'b', '1', '2']);
    await rig.output('mkfifo', ['-m', 'u=rw,go=', '/f']);
    expect(await rig.output('stat', ['-f', '%Sp %u %g %Hr,%Lr', '/c', '/s', '/f'])).to.equal(
      'crw------- 3 4 5,1\nbrw-r--r-- 0 0 1024,2\nprw------- 0 0 0,0\n',
    );
    expect((await rig.run('mknod', ['/c', 'c', '5', '2'])).err).to.equal(
      'fsu_mknod: /c: File exists\n',
    );
    await rig.output('mknod', ['-R', '/c', 'c', '5', '2']);
    await rig.output('write', ['/one'], { stdin: '1' });
    await rig.output('ln', ['/one', '/two']);
    await rig.output('ln', ['-s', 'one', '/three']);
    await rig.output('ln', ['-sf', 'two', '/three']);
    expect(await rig.output('readlink', ['/three'])).to.equal('two\n');
    await rig.output('mkdir', ['/d']);
    await rig.output('mv', ['/one', '/three', '/d']);
    expect(await rig.output('ls', ['-1', '/d'])).to.equal('one\nthree\n');
    expect(await rig.output('stat', ['-f', '%l', '/two'])).to.equal('2\n');
    expect((await rig.run('mv', ['/d', '/d/below'])).err).to.match(/Invalid argument\n$/);
    expect((await rig.run('mv', ['/two'])).err).to.match(
      /^fsu_mv: missing operand\nusage: fsu_mv image /,
    );
    expect((await rig.run('mv', ['/two', '/d/one', '/two'])).err).to.match(/Not a directory\n$/);
  });

  it('rm asks, goes down, and leaves the root alone', async () => {
    await rig.output('mkdir', ['-p', '/r/s']);
    for (const name of ['/r/a', '/r/s/b', '/r/s/c']) await rig.output('touch', [name]);
    expect((await rig.run('rm', ['/r'])).err).to.equal('fsu_rm: /r: Is a directory\n');
    for (const root of ['/', '.', '/r/..'])
      expect((await rig.run('rm', ['-rf', root])).status).to.equal(1);
    // All but two: what they are in must stay, too.
    const answer = (question: string): boolean => !/^remove \/r\/(a|s\/c)\?/.test(question);
    await rig.run('rm', ['-ri', '/r'], { answer });
    expect((await rig.output('find', ['/r'])).split('\n').sort().join(' ').trim()).to.equal(
      '/r /r/a /r/s /r/s/c',
    );
    await rig.output('rm', ['-r', '/r']);
    expect((await rig.run('rm', ['/r'])).status).to.equal(1);
    await rig.output('rm', ['-f', '/r']);
    expect((await rig.run('rm', ['-P', '/two'])).err).to.include('the old data would stay');
  });

  it('find acts: -delete, -exec, -execdir, -prune, -exit', async () => {
    await rig.output('mkdir', ['-p', '/find/keep', '/find/go/deep']);
    for (const name of ['keep/a', 'go/b', 'go/deep/c'])
      await rig.output('touch', [`/find/${name}`]);
    expect(
      await rig.output('find', ['/find', '-type', 'f', '-exec', 'stat', '-f', '%N', '{}', '+']),
    ).to.match(/^(\/find\/\S+\n){3}$/);
    expect(
      await rig.output('find', ['/find', '-name', 'c', '-execdir', 'ls', '-1', '.', ';']),
    ).to.equal('c\n');
    await rig.output('find', ['/find/go', '-delete']);
    expect((await rig.output('find', ['/find'])).split('\n').sort().join(' ').trim()).to.equal(
      '/find /find/keep /find/keep/a',
    );
    expect((await rig.run('find', ['/find', '-exit', '7'])).status).to.equal(7);
    for (const wrong of [
      ['-nme', 'x'],
      ['('],
      ['-name'],
      ['-exec', 'nothing', ';'],
      ['!'],
      ['-type', 'q'],
    ]) {
      const { status, out } = await rig.run('find', ['/find', ...wrong]);
      expect({ status, out }, wrong.join(' ')).to.deep.equal({ status: 2, out: '' });
    }
  });

  it('chown knows the names of the image', async () => {
    await rig.output('mkdir', ['-p', '/etc']);
    await rig.output('write', ['/etc/passwd'], {
      stdin: 'admin:x:4711:42::/:\nbad\x1b[m:x:4712:1::/:\n',
    });
    await rig.output('write', ['/etc/group'], { stdin: 'staff:x:42:\n' });
    await rig.output('touch', ['/owned']);
    await rig.output('chown', ['admin:staff', '/owned']);
    expect(await rig.output('stat', ['-f', '%u %g %Su %Sg', '/owned'])).to.equal(
      '4711 42 admin staff\n',
    );
    expect((await rig.run('chown', ['nobody-here', '/owned'])).status).to.equal(1);
    await rig.output('chown', ['4712', '/owned']);
    // A name that a terminal would obey is no name.
    expect(await rig.output('ls', ['-l', '/owned'])).to.include(' 4712 staff ');
    await rig.output('rm', ['-r', '/etc']);
  });

  it('chflags is refused where there are no flags', async () => {
    const { status, err } = await rig.run('chflags', ['uchg', '/owned']);
    expect({ status, err }).to.deep.equal({
      status: 1,
      err: 'fsu_chflags: /owned: Operation not supported\n',
    });
  });

  it('a directory of many names', async () => {
    await rig.output('mkdir', ['/many']);
    const names = Array.from({ length: 2000 }, (_, i) => `/many/${i}`);
    await rig.output('touch', names);
    expect((await rig.output('ls', ['/many'])).split('\n').length).to.equal(2001);
    await rig.output('rm', ['-r', '/many']);
  });

  it('console: scripts, quoting, patterns, redirection', async () => {
    const out = rig.path('ls.txt');
    const text = await rig.output('console', [
      '-c',
      `mkdir '/a b' ; cd "/a b"; touch one two 't*'; ls -1 t*; ls -1 > ${out}; cat < ${out}; pwd\nrm 't*'; ls -m`,
    ]);
    expect(text).to.equal('t*\ntwo\none\nt*\ntwo\n/a b\none, two\n');
    const failed = await rig.run('console', [], { stdin: 'cd /\n-cat /nothing\nnonsense\nls\n' });
    expect(failed.status).to.equal(1);
    expect(failed.out).to.equal('');
    expect(failed.err).to.include('nonsense: there is no such command');
    expect((await rig.run('console', ['-c', "ls 'x"])).err).to.include("' is missing");
  });
});
