/** The life of a mount, as a person sees it who mounts, is interrupted, mistypes, and reads. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { hostTree } from '../images/host_tree.js';
import { assertSameTree } from '../images/tree.js';
import { jffs2Command, mountsBelow, NO_MOUNTS, Running, umount, until } from '../fuse/server.js';
import { Flash, NOBODY, obstacle, TIME_LIMIT_MS } from './rig.js';

const LAUNCHER = fileURLToPath(new URL('../../../bin/lump_jffs2', import.meta.url));
const DEMO = fileURLToPath(new URL('../../../flash-images/demo.jffs2', import.meta.url));

describe('the life of a mount', function () {
  if (NO_MOUNTS !== undefined) {
    it(`(skipped: ${NO_MOUNTS})`);
    return;
  }
  this.timeout(TIME_LIMIT_MS);
  let flash: Flash;

  beforeEach(() => {
    flash = new Flash({ mebibytes: 8 });
  });
  afterEach(() => {
    flash.remove();
  });

  it('Ctrl-C in the middle of a cp: cp fails, what it had copied is there, the mount is gone', async () => {
    const source = flash.beside('source');
    flash.sh(source, 'for i in $(seq 200); do seq $i 3000 >$i; done');
    const server = new Running(jffs2Command(flash.image, flash.mountpoint, '-f'));
    await server.says('flash:');
    const cp = flash.start(
      flash.mountpoint,
      'while :; do cp -r "$1/." copy; rm -r copy/1*; done',
      source,
    );
    await until(() => existsSync(flash.at('copy/20')));
    server.kill('SIGINT');
    // It works in the mount, which is detached and served until it is gone.
    await server.says('the mount is in use', 'stderr');
    expect(mountsBelow(flash.mountpoint)).to.deep.equal([]);
    cp.kill('SIGKILL');
    expect(await server.ended).to.include({ status: 0 });
    flash.mount();
    const copied = readdirSync(flash.at('copy'));
    expect(copied.length).to.be.greaterThan(0);
    let complete = 0;
    for (const name of copied) {
      const content = readFileSync(flash.at(`copy/${name}`), 'utf8');
      const whole = readFileSync(`${source}/${name}`, 'utf8');
      expect(whole.startsWith(content), name).to.equal(true);
      if (content === whole) complete++;
    }
    expect(complete).to.be.greaterThan(0);
    flash.umount();
  });

  it('umount(8) of a busy mount is refused, and it goes on', () => {
    flash.mount();
    const fd = openSync(flash.at('file'), 'w');
    expect(() => flash.umount()).to.throw(/target is busy/);
    writeSync(fd, 'still here');
    closeSync(fd);
    expect(readFileSync(flash.at('file'), 'utf8')).to.equal('still here');
    flash.remount();
    expect(readFileSync(flash.at('file'), 'utf8')).to.equal('still here');
    flash.umount();
  });

  it('mounted, written and unmounted in a hurry, over and over: never busy, never in use', () => {
    for (let round = 0; round < 12; round++) {
      flash.mount();
      flash.sh(flash.mountpoint, 'ls -lR . >/dev/null; seq 1000 >"$1"; cat *', `${round}`);
      flash.umount();
    }
    flash.mount('ro');
    expect(readdirSync(flash.mountpoint)).to.have.length(12);
    flash.umount();
  });

  it('is there, and stays, when nobody reads what it says', async () => {
    const status = `${flash.beside('said')}/status`;
    const script = 'status=$1; shift; { code=0; "$@" || code=$?; echo $code >"$status"; } | true';
    for (const options of [[], ['-f']]) {
      const command = [process.execPath, LAUNCHER, ...options, flash.image, flash.mountpoint];
      const silent = flash.start('/', script, status, ...command);
      await until(() => mountsBelow(flash.mountpoint).length > 0);
      if (options.length === 0) await until(() => existsSync(status));
      writeFileSync(flash.at('written'), options.join());
      expect(readFileSync(flash.at('written'), 'utf8')).to.equal(options.join());
      umount(flash.mountpoint);
      await until(() => existsSync(status) && readFileSync(status, 'utf8') !== '');
      expect(readFileSync(status, 'utf8')).to.equal('0\n');
      rmSync(status);
      silent.kill();
    }
  });

  it('read-only media: mounted with ro, refused without, and nothing beside the image changes', () => {
    const folder = flash.workspace.directory('medium');
    cpSync(DEMO, `${folder}/demo.jffs2`);
    const state = (): unknown =>
      readdirSync(folder).map((name) => [
        name,
        statSync(`${folder}/${name}`, { bigint: true }).mtimeNs,
      ]);
    flash.asRoot('mount --bind . . && mount -o remount,ro,bind .', folder);
    try {
      const before = [state(), readFileSync(`${folder}/demo.jffs2`)];
      const refused = lump(['-o', 'rw'], `${folder}/demo.jffs2`, flash.mountpoint);
      expect(refused).to.deep.equal({
        status: 32,
        stderr: `lump_jffs2: ${folder}/demo.jffs2: its file system is read-only; mount with ro\n`,
      });
      expect(lump(['-r'], `${folder}/demo.jffs2`, flash.mountpoint).status).to.equal(0);
      const { stderr } = flash.try(
        flash.mountpoint,
        'find . -type f -exec cat {} + >/dev/null; touch x',
      );
      expect(stderr).to.contain('Read-only file system');
      flash.umount();
      flash.waitForServer();
      expect([state(), readFileSync(`${folder}/demo.jffs2`)]).to.deep.equal(before);
    } finally {
      umount(folder);
    }
  });

  it('from fstab, with blanks in names and commas in options', function () {
    if (!existsSync('/sbin/mount.fuse3')) {
      console.log('      (skipped: no mount.fuse3, Debian package fuse3)');
      this.skip();
    }
    const folder = flash.workspace.directory('with blanks');
    mkdirSync(`${folder}/mount point`);
    writeFileSync(`${folder}/my flash`, new Uint8Array(2 << 20).fill(0xff));
    symlinkSync(LAUNCHER, `${folder}/lump_jffs2`);
    const escaped = (text: string): string =>
      text.replaceAll(' ', '\\040').replaceAll(',', '\\054');
    const parts = 'mtdparts="flash:512k(boot),-(root)"';
    writeFileSync(
      `${folder}/fstab`,
      `${escaped(`${folder}/lump_jffs2#${folder}/my flash`)} ${escaped(`${folder}/mount point`)} ` +
        `fuse noauto,nofail,x-systemd.automount,${escaped(parts)},part=root 0 0\n`,
    );
    const mount = 'mount -T fstab "$1" && echo text >"$1/file" && umount "$1"';
    flash.asRoot(mount, folder, `${folder}/mount point`);
    flash.asRoot(
      'mount -T fstab "$1" && df "$1" | grep -q 1536 && grep -q text "$1/file" && umount "$1"',
      folder,
      `${folder}/mount point`,
    );
    const firstPartition = readFileSync(`${folder}/my flash`).subarray(0, 512 << 10);
    expect(firstPartition.every((byte) => byte === 0xff)).to.equal(true);
  });

  it('mistakes are explained in a line, with what to do, and leave no mount', () => {
    const folder = flash.workspace.directory('mistakes');
    const at = (name: string): string => `${folder}/${name}`;
    mkdirSync(at('mnt'));
    mkdirSync(at('folder'));
    writeFileSync(at('empty'), '');
    writeFileSync(at('garbage'), 'garbage'.repeat(1000));
    writeFileSync(at('blank'), new Uint8Array(1 << 20).fill(0xff));
    const mistakes: readonly (readonly [string, string, string, number, RegExp])[] = [
      // image, mount point, options, status, message
      ['nothing', 'mnt', '', 32, /nothing: no such file$/],
      ['folder', 'mnt', '', 32, /folder is a directory$/],
      [
        'empty',
        'mnt',
        '',
        32,
        /empty is empty: to make a blank flash of it, mount with size=, as size=16M$/,
      ],
      ['nothing', 'mnt', 'size=1M', 32, /no such file; .* truncate -s 0 .*nothing$/],
      [
        'garbage',
        'mnt',
        '',
        32,
        /garbage is no JFFS2 image: it has no JFFS2 node, and is not blank/,
      ],
      ['blank', 'nowhere', '', 32, /nowhere: no such directory; create it first$/],
      ['blank', 'blank', '', 32, /blank: not a directory$/],
      ['blank', 'mnt', 'erasesize=0', 32, /erasesize=0: an erase block has at least 4096 bytes/],
      ['blank', 'mnt', 'erasesize=x', 1, /"erasesize=x": expected bytes, as 131072, 0x20000, 128K/],
      ['blank', 'mnt', 'erasesize', 1, /"erasesize" needs a value: erasesize=BYTES$/],
      ['blank', 'mnt', 'size=100001', 32, /100001 bytes has no whole number of erase blocks/],
      ['blank', 'mnt', 'size=8G', 32, /jffs2 counts in 32 bits, up to 4 GiB$/],
      ['blank', 'mnt', 'offset=2M', 32, /offset 2097152 is past the end of the file/],
      ['blank', 'mnt', 'endian=middle', 1, /"endian=middle": expected one of big, little$/],
      ['blank', 'mnt', 'compr=gzip', 1, /"compr=gzip": expected one of none, priority, size/],
      ['blank', 'mnt', 'part=x', 32, /part=x: mtdparts= must say which partitions there are$/],
      ['blank', 'mnt', 'mtdparts="512k(a),-(b)"', 32, /part= must say which .*: 0 "a", 1 "b"$/],
      ['blank', 'mnt', 'mtdparts="512k(a),-(b)",part=c', 32, /no partition "c"; there are: 0 "a"/],
      ['blank', 'mnt', 'mtdparts=junk', 32, /a size or "-" was expected at character 16/],
      ['blank', 'mnt', 'wrong', 1, /unknown mount option "wrong"; --help lists those that exist$/],
      ['blank', 'mnt', 'remount', 1, /"remount" is not offered: .* unmount and mount again$/],
      [
        'blank',
        '',
        '',
        1,
        /invalid for argument 'mountpoint'\. It is empty; see lump_jffs2 --help$/,
      ],
    ];
    for (const [image, mountpoint, options, status, message] of mistakes) {
      const words = options === '' ? [] : ['-o', options];
      const target = mountpoint === '' ? '' : at(mountpoint);
      const told = lump(words, at(image), target);
      const what = `${options} ${image} ${mountpoint}: ${JSON.stringify(told)}`;
      expect(told.status, what).to.equal(status);
      expect(told.stderr.trimEnd(), what)
        .to.match(/^lump_jffs2: [^\n]*$/)
        .and.match(message);
    }
    expect(mountsBelow(folder)).to.deep.equal([]);
  });
});

describe('an ordinary user who mounts', function () {
  const reason =
    obstacle('fusermount3', 'setpriv', 'python3', 'git') ??
    ((statSync('/dev/fuse').mode & 0o006) === 0o006 ? undefined : '/dev/fuse is for root alone');
  if (reason !== undefined) {
    it(`(skipped: ${reason})`);
    return;
  }
  this.timeout(TIME_LIMIT_MS);

  it('works in the mount, unmounts it, and mounts it again', () => {
    const flash = new Flash({ mebibytes: 16, uid: NOBODY });
    try {
      chownSync(flash.mountpoint, NOBODY, NOBODY);
      chmodSync(flash.workspace.folder, 0o755);
      const home = flash.beside('home');
      const image = `${home}/my.jffs2`;
      const mount = `'${process.execPath}' '${jffs2Command('', '')[1]}'`;
      // A chip in a new file; its root directory is his, like every other thing he makes.
      flash.sh(home, `: >my.jffs2 && ${mount} -o size=16M my.jffs2 "$1"`, flash.mountpoint);
      const make = `
        cd "$1" && seq 50000 >numbers && mkdir -p a/b && ln -s a/b link && ln numbers again
        mkfifo fifo && chmod 6711 numbers && touch -d @1000000000 a/b
        git init -q git && cd git && git config user.name d && git config user.email d@e.f
        cp ../numbers . && git add . && git commit -qm numbers && git fsck --strict`;
      expect(flash.try(home, 'touch "$1/x"', flash.mountpoint).stderr).to.match(
        /Permission denied|^$/,
      );
      flash.sh(home, make, flash.mountpoint);
      flash.sh(home, 'tar -C "$1" -cf before.tar . && fusermount3 -u "$1"', flash.mountpoint);
      flash.sh(
        home,
        `${mount} my.jffs2 "$1" && tar -C "$1" --diff -f before.tar`,
        flash.mountpoint,
      );
      flash.sh(home, 'git -C "$1/git" fsck --strict && fusermount3 -u "$1"', flash.mountpoint);
      // The same for root. (To jffs2, as in Linux, the root directory has a link more.)
      expect(lump(['-o', 'ro'], image, flash.mountpoint).status).to.equal(0);
      const tree = hostTree(flash.mountpoint);
      flash.sh(home, 'mkdir copy && tar -C copy -xpf before.tar');
      assertSameTree('by root', hostTree(`${home}/copy`), tree, {
        ignoreAtRoot: ['mtime', 'mode', 'nlink'],
      });
      umount(flash.mountpoint);
    } finally {
      flash.remove();
    }
  });
});

function lump(
  words: readonly string[],
  image: string,
  mountpoint: string,
): { status: number | null; stderr: string } {
  const [file, ...args] = jffs2Command(image, mountpoint, ...words);
  const { status, stderr } = spawnSync(file!, args, { encoding: 'utf8' });
  return { status, stderr };
}
