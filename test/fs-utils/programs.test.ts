/** The fsu_ programs as processes: the words before the image, the environment, pipes, signals. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));

describe('fs-utils: programs', () => {
  let folder: string;
  let image: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-fsu-'));
    image = join(folder, 'flash.bin');
    copyFileSync(join(root, 'flash-images/demo.jffs2'), image);
  });
  after(() => rmSync(folder, { recursive: true }));

  function run(
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    input = '',
  ): SpawnSyncReturns<string> {
    const [tool, ...rest] = words;
    return spawnSync(join(root, 'bin', `fsu_${tool}`), rest, {
      encoding: 'utf8',
      input,
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, ...environment },
    });
  }

  const shell = (script: string): SpawnSyncReturns<string> =>
    spawnSync('bash', ['-c', script], {
      encoding: 'utf8',
      cwd: folder,
      env: { PATH: `${join(root, 'bin')}:${process.env.PATH}`, HOME: folder },
    });

  it('take the image first, and words of theirs behind it', () => {
    expect(run(['ls', image, '-1', '/etc']).stdout).to.equal(
      'config\nfstab\nhostname\ninit.d\nmtab\npasswd\n',
    );
    const verbose = run(['ls', '-v', '-t', 'jffs2', '-o', 'ro,endian=little', image, '/etc/fstab']);
    expect(verbose.stderr).to.match(/^fsu_ls: flash: \d+ bytes/m);
    expect({ status: verbose.status, out: verbose.stdout }).to.deep.equal({
      status: 0,
      out: '/etc/fstab\n',
    });
  });

  it('take the image from the environment, and then all words are theirs', () => {
    const environment = { FSU_DEVICE: image, FSU_TYPE: 'jffs2', FSU_MNTOPTS: 'ro' };
    const { stdout, status } = run(['ls', '-t', '-1', '/etc/fstab'], environment);
    expect({ stdout, status }).to.deep.equal({ stdout: '/etc/fstab\n', status: 0 });
    const { stderr } = run(['touch', '/x'], environment);
    expect(stderr).to.match(/it can only be read: mount option ro\n$/);
  });

  it('know names of ~/.fsurc, unless -f says that it is a file', () => {
    writeFileSync(join(folder, '.fsurc'), '# mine\n\nrouter : ~/flash.bin : jffs2 : ro\n');
    expect(run(['cat', 'router', '/etc/hostname']).stdout).to.equal('lump\n');
    expect(run(['cat', '-f', 'router', '/etc/hostname']).stderr).to.equal(
      'fsu_cat: router: no such file\n',
    );
  });

  it('say what is wrong, where, and end with 2 when nothing was begun', () => {
    const cases: readonly (readonly [words: string[], message: RegExp])[] = [
      [['ls'], /^fsu_ls: missing required argument 'image'; see fsu_ls --help\n$/],
      [['ls', image, '-Z'], /^fsu_ls: unknown option '-Z'\nusage: fsu_ls image \[-1AaBb/],
      [['ls', '-t', 'zfs', image], /^fsu_ls: type zfs is not known; there are: /],
      [['ls', join(root, 'package.json')], /^fsu_ls: .*package\.json is no JFFS2 image/],
      [['chmod', image, 'rwx', '/etc'], /^fsu_chmod: invalid mode 'rwx'\n$/],
    ];
    for (const [words, message] of cases) {
      const { status, stderr, stdout } = run(words);
      expect(stderr, words.join(' ')).to.match(message);
      expect({ status, stdout }, words.join(' ')).to.deep.equal({ status: 2, stdout: '' });
    }
    expect(run(['cat', image, '/etc', '/nothing', '/etc/hostname'])).to.include({
      status: 1,
      stdout: 'lump\n',
      stderr: 'fsu_cat: /etc: Is a directory\nfsu_cat: /nothing: No such file or directory\n',
    });
    expect(run(['ls', '--help']).stdout).to.match(/^Usage: fsu_ls \[-fv\]/);
  });

  it('end in silence when the reader goes away, and not when the disk is full', () => {
    const piped = shell(
      `fsu_cat ${image} ${'/usr/share/words '.repeat(20)} | head -c 10; echo "\${PIPESTATUS[0]}" >&2`,
    );
    expect(piped.stderr).to.equal('141\n');
    expect(piped.stdout.length).to.equal(10);
    const full = shell(`fsu_ls ${image} -R / > /dev/full`);
    expect({ status: full.status, stderr: full.stderr }).to.deep.equal({
      status: 1,
      stderr: 'fsu_ls: standard output: No space left on device\n',
    });
  });

  it('take names that are no UTF-8', () => {
    const { stdout, stderr } = shell(
      `fsu_touch ${image} $'/tmp/b\\xff\\xfe' && fsu_ls ${image} $'/tmp/b\\xff\\xfe' | od -An -tx1`,
    );
    expect(stderr).to.equal('');
    expect(stdout.trim()).to.equal('2f 74 6d 70 2f 62 ff fe 0a');
  });

  it('write binary data through pipes unharmed', () => {
    const bytes = Buffer.from([...Array(256).keys()]);
    writeFileSync(join(folder, 'binary'), bytes);
    const { status } = shell(
      `fsu_write ${image} /tmp/bin < binary && fsu_cat ${image} /tmp/bin | cmp - binary`,
    );
    expect(status).to.equal(0);
  });

  it('exec writes back what the command made, also after Ctrl-C, with its status', () => {
    const edited = shell(
      `fsu_exec ${image} sh -c 'echo new > "$1"; kill -INT $PPID; exit 7' sh /etc/hostname`,
    );
    expect({ status: edited.status, stderr: edited.stderr }).to.deep.equal({
      status: 7,
      stderr: '',
    });
    expect(run(['cat', image, '/etc/hostname']).stdout).to.equal('new\n');
    expect(run(['stat', image, '-f', '%Sp', '/etc/hostname']).stdout).to.equal('-rw-r--r--\n');
    // More than is read at once.
    writeFileSync(join(folder, 'long'), 'a line\n'.repeat(50_000));
    const long = shell(
      `fsu_put ${image} long / && fsu_exec ${image} sed -i '$s/line/last/' /long && ` +
        `sed -i '$s/line/last/' long && fsu_cat ${image} /long | cmp - long`,
    );
    expect({ status: long.status, stderr: long.stderr }).to.deep.equal({ status: 0, stderr: '' });
    expect(run(['exec', image, 'no-such-command', '/etc/hostname'])).to.include({
      status: 127,
      stderr: 'fsu_exec: no-such-command: command not found\n',
    });
  });

  it('a writer keeps others out, readers do not', () => {
    const { stderr } = shell(
      `fsu_exec ${image} sh -c 'fsu_ls ${image} / >&2; true' sh /etc/hostname`,
    );
    expect(stderr).to.match(/^fsu_ls: .*flash\.bin.*(in use|locked)/);
    const inner = shell(`fsu_console ${image} -c '!fsu_ls ${image} /etc/fstab'`);
    expect(inner.status).to.equal(2);
    expect(readFileSync(image).length).to.be.greaterThan(0);
  });
});
