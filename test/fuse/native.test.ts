/**
 * Servers through the transport fuse-native: how they begin and end, and what the conformance cases
 * do not reach.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { expect } from 'chai';
import {
  errorCode,
  failing,
  memfsCommand,
  mountInBackground,
  NO_FUSE_NATIVE,
  Running,
  umount,
  until,
} from './server.js';
import { describeEnds, describeServes, ServerRig } from './lifecycle_cases.js';

const TRANSPORT = 'transport=fuse-native';
const USER = 65534;

describe('fuse-native', () => {
  if (NO_FUSE_NATIVE !== undefined) {
    it(`(skipped: ${NO_FUSE_NATIVE})`);
    return;
  }
  const rig = new ServerRig([TRANSPORT], 'transport fuse-native:');

  describe('begins', () => {
    it('in the background, and says in one line what it cannot do', async () => {
      const options = `${TRANSPORT},report=found it,closed=${rig.closedFile},nodiratime`;
      const said = mountInBackground(memfsCommand(rig.mountpoint, '-o', options));
      expect(said).to.match(/^found it\ntransport fuse-native: .*DIFFERENCES\.md\)\n$/);
      await rig.useAndUnmount();
    });

    it('read-only with ro', async () => {
      const running = await rig.serve('ro');
      expect(errorCode(() => writeFileSync(`${rig.mountpoint}/file`, ''))).to.equal('EROFS');
      umount(rig.mountpoint);
      expect((await running.ended).status).to.equal(0);
    });

    it('with what no shell and no list of options must take apart', async () => {
      rig.mountpoint = rig.workspace.directory('$(touch here), "mnt" \\');
      // The second comma and the backslash reach libfuse behind a backslash.
      const running = await rig.serve('fsname=a\\,suid\\\\b');
      expect(readFileSync('/proc/mounts', 'utf8')).to.contain('\na,suid\\134b ');
      running.kill('SIGTERM');
      expect((await running.ended).status).to.equal(0);
      expect(rig.isMounted).to.equal(false);
      expect(readdirSync(rig.workspace.folder)).to.not.include('here');
    });

    const refused: readonly (readonly [string, () => string[], RegExp])[] = [
      [
        'a file system that cannot be opened',
        () => memfsCommand(rig.mountpoint, '-o', `${TRANSPORT},failure=no luck`),
        /^lump_memfs: no luck\n$/,
      ],
      [
        'a source that libfuse has no room for',
        () => memfsCommand(rig.mountpoint, '-o', `${TRANSPORT},fsname=${'x'.repeat(1000)}`),
        /^lump_memfs: the mount options are too long/,
      ],
      [
        'a mount point that is a mount',
        () => {
          mountInBackground(memfsCommand(rig.mountpoint));
          return memfsCommand(rig.mountpoint, '-o', TRANSPORT);
        },
        /^lump_memfs: .*mnt: is a mount already/,
      ],
      [
        'a descriptor that is mounted',
        () => memfsCommand('/dev/fd/9', '-f', '-o', TRANSPORT),
        /^lump_memfs: what is mounted already can be served with transport=kernel only/,
      ],
    ];
    for (const [what, command, message] of refused) {
      it(`not with ${what}: says why`, () => {
        const error = failing(command());
        expect(error.status).to.equal(32);
        expect(error.stderr).to.match(message);
        expect(rig.isClosed).to.equal(false);
      });
    }
  });

  describe('ends', () => {
    describeEnds(rig, false);

    it('when the file system ends the process: the watchdog unmounts', async () => {
      const running = await rig.serve('exit_at=trap');
      expect(errorCode(() => statSync(`${rig.mountpoint}/trap`))).to.be.oneOf([
        'ECONNABORTED',
        'ENOTCONN',
      ]);
      expect((await running.ended).status).to.equal(3);
      await until(() => !rig.isMounted && rig.processes.length === 0);
    });
  });

  describe('serves', () => {
    describeServes(rig);

    it('several clients at once, and many requests in flight', async () => {
      const running = await rig.serve();
      writeFileSync(`${rig.mountpoint}/large`, Buffer.alloc(8 << 20, 'lump'));
      const script = `
        for i in $(seq 30); do
          echo "$2 $i" > "$1/$2-$i" && mv "$1/$2-$i" "$1/done-$2-$i" || exit 1
          ls "$1" > /dev/null && cmp -n 1000000 -i "$i" "$1/large" "$1/large" || exit 1
        done`;
      const clients = Array.from(
        { length: 8 },
        (_, client) => new Running(['sh', '-c', script, 'sh', rig.mountpoint, `${client}`]).ended,
      );
      for (const { status, stderr } of await Promise.all(clients)) {
        expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' });
      }
      expect(readdirSync(rig.mountpoint)).to.have.length(8 * 30 + 1);
      running.kill('SIGTERM');
      expect((await running.ended).status).to.equal(0);
    });
  });

  describe('keeps to the rules:', () => {
    const folder = (): string => `${rig.mountpoint}/folder`;
    const sh = (script: string, ...args: string[]): string =>
      execFileSync('sh', ['-c', script, 'sh', ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    const needs = (context: Mocha.Context, program: string): void => {
      if (existsSync(`/usr/bin/${program}`)) return;
      console.log(`      (skipped: no ${program})`);
      context.skip();
    };
    let running: Running;

    beforeEach(async () => {
      running = await rig.serve(`journal=${rig.workspace.path('journal')}`);
      mkdirSync(folder());
    });
    afterEach(async () => {
      running.kill('SIGTERM');
      expect(await running.ended).to.include({ status: 0, stderr: '' });
    });

    it('an unlinked file that is open has no name, no links, and all its data', async () => {
      const fd = openSync(`${folder()}/file`, 'w+');
      writeSync(fd, 'text');
      linkSync(`${folder()}/file`, `${folder()}/other`);
      unlinkSync(`${folder()}/file`);
      expect(fstatSync(fd)).to.include({ nlink: 1, size: 4 });
      unlinkSync(`${folder()}/other`);
      expect(readdirSync(folder())).to.deep.equal([]);
      expect(fstatSync(fd)).to.include({ nlink: 0, size: 4 });
      expect(errorCode(() => rmdirSync(folder()))).to.equal('EBUSY');
      renameSync(folder(), `${folder()}-moved`);
      writeSync(fd, ' and more');
      fsyncSync(fd);
      expect(readFileSync(`/proc/self/fd/${fd}`, 'utf8')).to.equal('text and more');
      const free = statfsSync(rig.mountpoint).ffree;
      closeSync(fd);
      // Nobody waits for RELEASE.
      await until(() => statfsSync(rig.mountpoint).ffree === free + 1);
      rmdirSync(`${folder()}-moved`);
    });

    it('values of extended attributes fit the buffer, or are refused', function () {
      needs(this, 'setfattr');
      needs(this, 'python3');
      const file = `${folder()}/file`;
      writeFileSync(file, '');
      sh('setfattr -n user.empty "$1"; setfattr -n user.big -v "$2" "$1"', file, 'x'.repeat(4000));
      expect(sh('getfattr --absolute-names -d "$1"', file))
        .to.contain('user.empty=""\n')
        .and.contain(`user.big="${'x'.repeat(4000)}"`);
      expect(() => sh('getfattr -n user.none "$1"', file)).to.throw(/No such attribute/);
      sh('setfattr -x user.big "$1"', file);
      expect(sh('getfattr --absolute-names "$1"', file)).to.not.contain('big');
      const python = `
import ctypes, os, sys
file = sys.argv[1].encode()
libc = ctypes.CDLL(None, use_errno=True)
room = ctypes.create_string_buffer(64)
os.setxattr(file, b'user.ten', b'0123456789')
for n in 0, 9, 10: print(libc.getxattr(file, b'user.ten', room, n), ctypes.get_errno())
print(libc.listxattr(file, room, 3), ctypes.get_errno())
print(libc.listxattr(file, None, 0))`;
      const said = execFileSync('python3', ['-c', python, file], { encoding: 'utf8' });
      expect(said).to.equal('10 0\n-1 34\n10 34\n-1 34\n20\n');
    });

    it('nobody makes a set-id file in the name of the mounting user', function () {
      needs(this, 'setpriv');
      needs(this, 'perl');
      chmodSync(folder(), 0o777);
      const user = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'];
      const perl = 'umask 0; use Fcntl; sysopen(my $f, shift, O_CREAT|O_WRONLY, 06755) or die $!';
      execFileSync(user[0]!, [...user.slice(1), 'perl', '-e', perl, `${folder()}/file`]);
      expect(statSync(`${folder()}/file`)).to.include({ mode: 0o100755, uid: 0 });
    });

    it('names that are no UTF-8 are refused, not merged', () => {
      const name = Buffer.concat([Buffer.from(`${folder()}/`), Buffer.from([0xff, 0xfe])]);
      expect(errorCode(() => writeFileSync(name, ''))).to.equal('EILSEQ');
      expect(errorCode(() => mkdirSync(name))).to.equal('EILSEQ');
      expect(errorCode(() => statSync(name))).to.equal('ENOENT');
      writeFileSync(`${folder()}/grün`, 'leaf');
      expect(readdirSync(folder())).to.deep.equal(['grün']);
    });

    it('times before 1970 are refused; both times are set to the first', function () {
      needs(this, 'perl');
      const file = `${folder()}/file`;
      writeFileSync(file, '');
      expect(() => sh('touch -d 1960-01-01 "$1"', file)).to.throw(/Invalid argument/);
      const times = 'utime 1000000000, 2000000000, shift or die $!';
      execFileSync('perl', ['-e', times, file]);
      expect(statSync(file).atimeMs).to.equal(1e12);
      expect(statSync(file).mtimeMs).to.equal(1e12);
    });

    it('writes come large; fsync(2) reaches the file system', () => {
      const journal = rig.workspace.path('journal');
      const fd = openSync(`${folder()}/file`, 'w');
      writeFileSync(journal, '');
      writeSync(fd, Buffer.alloc(1 << 20));
      fsyncSync(fd);
      closeSync(fd);
      const operations = readFileSync(journal, 'utf8').trim().split('\n');
      expect(operations.filter((each) => each.startsWith('node_write'))).to.have.length(8);
      expect(operations.at(-1)).to.equal('node_fsync');
    });

    it('names of one file show one size at once', () => {
      writeFileSync(`${folder()}/a`, 'short');
      linkSync(`${folder()}/a`, `${folder()}/b`);
      expect(statSync(`${folder()}/b`)).to.include({ size: 5, nlink: 2 });
      writeFileSync(`${folder()}/a`, 'rather long');
      expect(statSync(`${folder()}/b`).size).to.equal(11);
      expect(readFileSync(`${folder()}/b`, 'utf8')).to.equal('rather long');
      expect(statSync(`${folder()}/b`).ino).to.equal(statSync(`${folder()}/a`).ino);
    });
  });

  it('mounts as an ordinary user, through fusermount', async function () {
    const script = memfsCommand(rig.mountpoint)[1]!;
    const asUser = (...command: readonly string[]): string[] => [
      'setpriv',
      `--reuid=${USER}`,
      `--regid=${USER}`,
      '--clear-groups',
      ...command,
    ];
    if (
      !existsSync('/usr/bin/fusermount') ||
      errorCode(() => {
        const [file, ...args] = asUser('test', '-r', script, '-a', '-w', '/dev/fuse');
        execFileSync(file!, args, { stdio: 'ignore' });
      }) !== undefined
    ) {
      console.log(
        '      (skipped: no fusermount, or a user may not open /dev/fuse or the program)',
      );
      this.skip();
    }
    execFileSync('chown', [`${USER}`, rig.mountpoint]);
    const running = new Running(asUser(...memfsCommand(rig.mountpoint, '-f', '-o', TRANSPORT)));
    await running.says('transport fuse-native:');
    expect(errorCode(() => statSync(`${rig.mountpoint}/x`))).to.equal('EACCES');
    const [file, ...args] = asUser('stat', '-f', rig.mountpoint);
    execFileSync(file!, args, { stdio: 'ignore' });
    running.kill('SIGTERM');
    expect(await running.ended).to.include({ status: 0, stderr: '' });
    expect(rig.isMounted).to.equal(false);
  });
});
