/**
 * What the conformance cases do not reach through node:fs: bytes in names, xattrs and ACLs by their
 * own tools, flags of system calls, large and many files, several clients. With and without the
 * write-back cache.
 */
import { createHash } from 'node:crypto';
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { expect } from 'chai';
import { memfsCommand, mountInBackground, NO_MOUNTS, umount, Workspace } from './server.js';

const O_TMPFILE = 0o20200000;
const ENTRIES = 10_000;
const CLIENTS = 8;
const FILES_PER_CLIENT = 50;
const LARGE_BYTES = (24 << 20) + 12345;

const sh = (script: string, ...args: string[]): string =>
  execFileSync('sh', ['-c', script, 'sh', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** A statement of perl, which reaches system calls that nothing else here does. */
const perl = (script: string, ...args: string[]): string =>
  execFileSync('perl', ['-e', script, '--', ...args], { encoding: 'utf8' });

const isInstalled = (program: string): boolean => existsSync(`/usr/bin/${program}`);

/** Bytes from a multiplicative generator, the same each time. */
function noise(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = 1;
  for (let i = 0; i < words.length; i++) words[i] = state = Math.imul(state, 1664525) + 1013904223;
  return new Uint8Array(words.buffer, 0, length);
}

const digest = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

for (const cache of ['writeback_cache', 'no_writeback_cache']) {
  describe(`a mount with ${cache}`, function () {
    if (NO_MOUNTS !== undefined) {
      it(`(skipped: ${NO_MOUNTS})`);
      return;
    }
    this.timeout(120_000);
    const workspace = new Workspace();
    const mountpoint = workspace.directory('mnt');
    const journal = workspace.path('journal');
    let folder = '';

    before(() => {
      mountInBackground(memfsCommand(mountpoint, '-o', `${cache},suid,journal=${journal}`));
    });
    after(() => {
      umount(mountpoint);
      workspace.remove();
    });
    let tests = 0;
    beforeEach(() => {
      folder = `${mountpoint}/${++tests}`;
      mkdirSync(folder);
    });

    const needs = (context: Mocha.Context, program: string): void => {
      if (isInstalled(program)) return;
      console.log(`      (skipped: no ${program})`);
      context.skip();
    };

    it('keeps names and targets that are no UTF-8 apart', () => {
      const names = [
        [0xff, 0xfe],
        [0xff, 0xfd],
        [0xc3, 0xbc],
        [0x66, 0x0a, 0x22],
      ];
      const path = (name: number[]): Buffer =>
        Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]);
      names.forEach((name, i) => {
        writeFileSync(path(name), `${i}`);
      });
      names.forEach((name, i) => {
        expect(readFileSync(path(name), 'latin1')).to.equal(`${i}`);
      });
      const listed = readdirSync(folder, 'buffer')
        .map((name) => name.toString('hex'))
        .sort();
      expect(listed).to.deep.equal(['660a22', 'c3bc', 'fffd', 'fffe']);
      symlinkSync(Buffer.from([0x80, 0xff]), `${folder}/link`);
      expect(sh('readlink -n "$1" | od -An -tx1', `${folder}/link`).trim()).to.equal('80 ff');
    });

    it('has extended attributes, and access lists that the kernel enforces', function () {
      needs(this, 'setfattr');
      needs(this, 'setfacl');
      const file = `${folder}/file`;
      writeFileSync(file, 'secret', { mode: 0o600 });
      const stranger = ['setpriv', '--reuid=4711', '--regid=4711', '--clear-groups', 'cat', file];
      const readAsStranger = (): string =>
        execFileSync(stranger[0]!, stranger.slice(1), { encoding: 'utf8', stdio: 'pipe' });
      sh('setfattr -n user.empty "$1"; setfattr -n user.big -v "$2" "$1"', file, 'x'.repeat(4000));
      const dump = sh('getfattr --absolute-names -d -m - "$1"', file);
      expect(dump)
        .to.contain('user.empty=""\n')
        .and.contain(`user.big="${'x'.repeat(4000)}"`);
      expect(() => sh('getfattr -n user.none "$1"', file)).to.throw(/No such attribute/);
      expect(readAsStranger).to.throw(/Permission denied/);
      sh('setfacl -m u:4711:r "$1"', file);
      expect(readAsStranger()).to.equal('secret');
      expect(statSync(file).mode & 0o777).to.equal(0o640);
      sh('setfacl -m d:u:4711:rwx,d:o::- "$1"', folder);
      sh('umask 000; mkdir "$1/sub"; : > "$1/new"', folder);
      expect(sh('getfacl -cpE "$1/new"', folder))
        .to.contain('user:4711:rwx\n')
        .and.contain('mask::rw-\n')
        .and.contain('other::---\n');
      expect(sh('getfacl -cpE "$1/sub"', folder)).to.contain('default:user:4711:rwx\n');
    });

    it("drops set-id bits at a stranger's write, for all to see", () => {
      const file = `${folder}/file`;
      writeFileSync(file, 'text');
      sh('chmod 6777 "$1"', file);
      expect(statSync(file).mode & 0o7777).to.equal(0o6777);
      sh('setpriv --reuid=4711 --regid=4711 --clear-groups sh -c "echo more >> $1"', file);
      expect(statSync(file).mode & 0o7777).to.equal(0o777);
    });

    it('makes files without names, and lists none', () => {
      const fd = openSync(folder, O_TMPFILE | constants.O_RDWR, 0o600);
      writeSync(fd, 'nameless');
      expect(fstatSync(fd)).to.include({ nlink: 0, size: 8 });
      expect(readdirSync(folder)).to.deep.equal([]);
      sh('ln -L "/proc/$1/fd/$2" "$3/named"', `${process.pid}`, `${fd}`, folder);
      closeSync(fd);
      expect(readFileSync(`${folder}/named`, 'utf8')).to.equal('nameless');
    });

    it('renames without replacing, and exchanges', function () {
      needs(this, 'perl');
      const number = { x64: 316, arm64: 276 }[process.arch as 'x64'];
      if (number === undefined) {
        console.log('      (skipped: the number of renameat2 is not known here)');
        this.skip();
      }
      const renameat2 = (flags: number): string =>
        perl(
          'syscall(shift() + 0, -100, my $a = shift, -100, my $b = shift, shift() + 0) == 0 or print $!',
          `${number}`,
          `${folder}/a`,
          `${folder}/b`,
          `${flags}`,
        );
      writeFileSync(`${folder}/a`, 'a');
      writeFileSync(`${folder}/b`, 'b');
      expect(renameat2(1)).to.equal('File exists');
      expect(renameat2(4)).to.equal('Invalid argument');
      expect(renameat2(2)).to.equal('');
      expect(readFileSync(`${folder}/a`, 'utf8') + readFileSync(`${folder}/b`, 'utf8')).to.equal(
        'ba',
      );
    });

    it('never takes fresh data for a hole', function () {
      needs(this, 'perl');
      const file = `${folder}/file`;
      const fd = openSync(file, 'w+');
      writeSync(fd, noise(100_000), 0, 100_000, 1 << 20);
      // Not written back yet, as far as the kernel is concerned. 3: SEEK_DATA, 4: SEEK_HOLE.
      const seek = (offset: number, whence: number): string =>
        perl(
          'open(my $f, "<", shift) or die; my $at = sysseek($f, shift() + 0, shift() + 0); ' +
            'print defined $at ? $at + 0 : "none"',
          file,
          `${offset}`,
          `${whence}`,
        );
      expect(Number(seek(0, 3))).to.be.at.most(1 << 20);
      expect(Number(seek((1 << 20) + 5000, 3))).to.equal((1 << 20) + 5000);
      expect(Number(seek(1 << 20, 4))).to.equal((1 << 20) + 100_000);
      sh('cp --sparse=auto "$1" "$1.copy"', file);
      expect(digest(readFileSync(`${file}.copy`))).to.equal(digest(readFileSync(file)));
      closeSync(fd);
      if (cache === 'no_writeback_cache') expect(seek(0, 3)).to.equal(`${1 << 20}`);
      expect(statSync(file).blocks).to.equal(200);
    });

    it('fsync(2) returns when the data were handed down and flushed, in this order', () => {
      const fd = openSync(`${folder}/file`, 'w');
      writeFileSync(journal, '');
      for (let i = 0; i < 3; i++) writeSync(fd, noise(4096), 0, 4096, i * 4096);
      fsyncSync(fd);
      const operations = readFileSync(journal, 'utf8').trim().split('\n');
      expect(operations.at(-1)).to.equal('node_fsync');
      const writes = operations.filter((each) => each.startsWith('node_write'));
      expect(writes).to.have.length(cache === 'writeback_cache' ? 1 : 3);
      closeSync(fd);
    });

    it('copies large files exactly, also past the page cache', () => {
      const bytes = noise(LARGE_BYTES);
      writeFileSync(`${folder}/large`, bytes);
      expect(digest(readFileSync(`${folder}/large`))).to.equal(digest(bytes));
      sh('cp "$1/large" "$1/copy"', folder);
      const direct = execFileSync(
        'dd',
        [`if=${folder}/copy`, 'bs=1M', 'iflag=direct', 'status=none'],
        { maxBuffer: 2 * LARGE_BYTES },
      );
      expect(digest(direct)).to.equal(digest(bytes));
      // Odd pieces, backwards, over what is there.
      const fd = openSync(`${folder}/large`, 'r+');
      const piece = 77_777;
      for (let at = LARGE_BYTES - piece; at > 0; at -= 3 * piece) {
        bytes.fill(at & 0xff, at, at + piece);
        writeSync(fd, bytes, at, piece, at);
      }
      closeSync(fd);
      expect(digest(readFileSync(`${folder}/large`))).to.equal(digest(bytes));
    });

    it(`lists ${ENTRIES} entries with their attributes, once each`, () => {
      mkdirSync(`${folder}/many`);
      writeFileSync(`${folder}/file`, 'x');
      for (let i = 0; i < ENTRIES; i++) linkSync(`${folder}/file`, `${folder}/many/entry-${i}`);
      const lines = sh('ls -lU "$1/many"', folder).trim().split('\n').slice(1);
      expect(lines).to.have.length(ENTRIES);
      expect(new Set(lines.map((line) => line.split('entry-')[1])).size).to.equal(ENTRIES);
      expect(
        lines.every((line) => line.startsWith(`-rw-r--r-- ${ENTRIES + 1} root root 1 `)),
      ).to.equal(true);
      // The directory is cached now; it must not be after a change.
      linkSync(`${folder}/file`, `${folder}/many/last`);
      expect(readdirSync(`${folder}/many`)).to.have.length(ENTRIES + 1);
      sh('rm -r "$1/many"', folder);
      expect(statSync(`${folder}/file`).nlink).to.equal(1);
    });

    it(`serves ${CLIENTS} clients at once`, async () => {
      const script = `
        for i in $(seq ${FILES_PER_CLIENT}); do
          echo "$2 $i" > "$1/$2-$i" && mv "$1/$2-$i" "$1/done-$2-$i" || exit 1
          ls "$1" > /dev/null
        done`;
      const clients = Array.from(
        { length: CLIENTS },
        (_, client) =>
          new Promise((resolve) => {
            spawn('sh', ['-c', script, 'sh', folder, `${client}`], { stdio: 'ignore' }).once(
              'exit',
              resolve,
            );
          }),
      );
      expect(await Promise.all(clients)).to.deep.equal(new Array(CLIENTS).fill(0));
      const names = readdirSync(folder);
      expect(names).to.have.length(CLIENTS * FILES_PER_CLIENT);
      for (const name of names) {
        const [, client, i] = name.split('-');
        expect(readFileSync(`${folder}/${name}`, 'utf8')).to.equal(`${client} ${i}\n`);
      }
    });

    it('shares pages between hard links and descriptors', () => {
      writeFileSync(`${folder}/a`, 'before');
      linkSync(`${folder}/a`, `${folder}/b`);
      const fd = openSync(`${folder}/a`, 'r+');
      writeSync(fd, 'after!', 0);
      const buffer = Buffer.alloc(6);
      const other = openSync(`${folder}/b`, 'r');
      readSync(other, buffer, 0, 6, 0);
      expect(buffer.toString()).to.equal('after!');
      expect(statSync(`${folder}/b`).ino).to.equal(fstatSync(fd).ino);
      closeSync(fd);
      closeSync(other);
    });

    it('tells how full it is', () => {
      const before = statfsSync(mountpoint);
      writeFileSync(`${folder}/file`, noise(1 << 20));
      const after = statfsSync(mountpoint);
      expect(after.blocks * after.bsize).to.equal(1 << 30);
      expect((before.bfree - after.bfree) * after.bsize).to.equal(1 << 20);
      expect(before.ffree - after.ffree).to.equal(1);
    });
  });
}
