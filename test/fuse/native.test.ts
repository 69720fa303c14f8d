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
  readlinkSync,
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
  commandOf,
  errorCode,
  failing,
  memfsCommand,
  mountInBackground,
  mountsBelow,
  NO_FUSE_NATIVE,
  processesWith,
  Running,
  umount,
  until,
  Workspace,
} from './server.js';

const TRANSPORT = 'transport=fuse-native';
const USER = 65534;

describe('fuse-native', () => {
  if (NO_FUSE_NATIVE !== undefined) {
    it(`(skipped: ${NO_FUSE_NATIVE})`);
    return;
  }
  let workspace: Workspace;
  let mountpoint: string;
  const closedFile = (): string => workspace.path('closed');
  const isMounted = (): boolean => mountsBelow(workspace.folder).length > 0;
  const isClosed = (): boolean => existsSync(closedFile());
  const isGone = (): boolean => processesWith(workspace.folder).length === 0;

  /** Starts a server in the foreground and waits for its mount. */
  async function serve(...options: string[]): Promise<Running> {
    const words = [TRANSPORT, `closed=${closedFile()}`, ...options];
    const running = new Running(memfsCommand(mountpoint, '-f', '-o', words.join(',')));
    await running.says('transport fuse-native:');
    return running;
  }

  beforeEach(() => {
    workspace = new Workspace();
    mountpoint = workspace.directory('mnt');
  });
  afterEach(() => {
    for (const pid of processesWith(workspace.folder)) process.kill(pid, 'SIGKILL');
    workspace.remove();
  });

  describe('begins', () => {
    it('in the background, and says in one line what it cannot do', async () => {
      const options = `${TRANSPORT},report=found it,closed=${closedFile()},nodiratime`;
      const said = mountInBackground(memfsCommand(mountpoint, '-o', options));
      expect(said).to.match(/^found it\ntransport fuse-native: .*DIFFERENCES\.md\)\n$/);
      expect(mountsBelow(workspace.folder)).to.deep.equal([
        { mountpoint, type: 'fuse.lump_memfs' },
      ]);
      writeFileSync(`${mountpoint}/file`, 'text');
      expect(readFileSync(`${mountpoint}/file`, 'utf8')).to.equal('text');
      umount(mountpoint);
      await until(() => isClosed() && isGone());
    });

    it('read-only with ro', async () => {
      const running = await serve('ro');
      expect(errorCode(() => writeFileSync(`${mountpoint}/file`, ''))).to.equal('EROFS');
      umount(mountpoint);
      expect((await running.ended).status).to.equal(0);
    });

    it('with what no shell and no list of options must take apart', async () => {
      mountpoint = workspace.directory('$(touch here), "mnt" \\');
      // The second comma and the backslash reach libfuse behind a backslash.
      const running = await serve('fsname=a\\,suid\\\\b');
      expect(readFileSync('/proc/mounts', 'utf8')).to.contain('\na,suid\\134b ');
      running.kill('SIGTERM');
      expect((await running.ended).status).to.equal(0);
      expect(isMounted()).to.equal(false);
      expect(readdirSync(workspace.folder)).to.not.include('here');
    });

    const refused: readonly (readonly [string, () => string[], RegExp])[] = [
      [
        'a file system that cannot be opened',
        () => memfsCommand(mountpoint, '-o', `${TRANSPORT},failure=no luck`),
        /^lump_memfs: no luck\n$/,
      ],
      [
        'a source that libfuse has no room for',
        () => memfsCommand(mountpoint, '-o', `${TRANSPORT},fsname=${'x'.repeat(1000)}`),
        /^lump_memfs: the mount options are too long/,
      ],
      [
        'a mount point that is a mount',
        () => {
          mountInBackground(memfsCommand(mountpoint));
          return memfsCommand(mountpoint, '-o', TRANSPORT);
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
        expect(isClosed()).to.equal(false);
      });
    }
  });

  describe('ends', () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      it(`at ${signal}: unmounts, closes, 0`, async () => {
        const running = await serve();
        writeFileSync(`${mountpoint}/file`, 'text');
        running.kill(signal);
        expect(await running.ended).to.include({ status: 0, signal: null, stderr: '' });
        expect(isMounted()).to.equal(false);
        expect(isClosed()).to.equal(true);
      });
    }

    it('at umount(8) from outside', async () => {
      const running = await serve();
      umount(mountpoint);
      expect(await running.ended).to.include({ status: 0, stderr: '' });
      expect(isClosed()).to.equal(true);
    });

    it('when busy: out of sight at once, in fact when the last user is gone', async () => {
      const running = await serve();
      const fd = openSync(`${mountpoint}/file`, 'w+');
      running.kill('SIGINT');
      await running.says('is detached now', 'stderr');
      expect(isMounted()).to.equal(false);
      expect(isClosed()).to.equal(false);
      expect(writeSync(fd, 'late')).to.equal(4);
      expect(fstatSync(fd).size).to.equal(4);
      closeSync(fd);
      expect((await running.ended).status).to.equal(0);
      expect(isClosed()).to.equal(true);
    });

    it('when busy, at the second signal: its users are cut off', async () => {
      const running = await serve();
      const fd = openSync(`${mountpoint}/file`, 'w+');
      running.kill('SIGINT');
      await running.says('is detached now', 'stderr');
      running.kill('SIGINT');
      expect((await running.ended).status).to.equal(0);
      expect(isClosed()).to.equal(true);
      expect(errorCode(() => writeSync(fd, 'too late'))).to.equal('ENOTCONN');
      expect(errorCode(() => closeSync(fd))).to.equal('ENOTCONN');
    });

    it('when killed: the watchdog unmounts', async () => {
      const running = await serve();
      writeFileSync(`${mountpoint}/file`, '');
      running.kill('SIGKILL');
      expect((await running.ended).signal).to.equal('SIGKILL');
      await until(() => !isMounted() && isGone());
    });

    it('when killed together with its watchdog: the next mount cleans up', async () => {
      await serve();
      for (const pid of processesWith(workspace.folder)) process.kill(pid, 'SIGKILL');
      await until(() => errorCode(() => readdirSync(mountpoint)) === 'ENOTCONN');
      const running = await serve();
      expect(mountsBelow(workspace.folder)).to.have.length(1);
      running.kill('SIGTERM');
      await running.ended;
    });

    it('when the file system ends the process: the watchdog unmounts', async () => {
      const running = await serve('exit_at=trap');
      expect(errorCode(() => statSync(`${mountpoint}/trap`))).to.be.oneOf([
        'ECONNABORTED',
        'ENOTCONN',
      ]);
      expect((await running.ended).status).to.equal(3);
      await until(() => !isMounted() && isGone());
    });
  });

  describe('serves', () => {
    it('after a bug; the request fails, the message is printed', async () => {
      const running = await serve('crash_at=trap');
      expect(errorCode(() => statSync(`${mountpoint}/trap`))).to.equal('EIO');
      writeFileSync(`${mountpoint}/file`, 'text');
      running.kill('SIGTERM');
      const { status, stderr } = await running.ended;
      expect(status).to.equal(0);
      expect(stderr).to.match(/TypeError: crash on demand/);
    });

    it('nothing but EIO after a panic, and ends with an error', async () => {
      const running = await serve('panic_at=trap');
      writeFileSync(`${mountpoint}/file`, 'text');
      expect(errorCode(() => statSync(`${mountpoint}/trap`))).to.equal('EIO');
      expect(errorCode(() => statSync(`${mountpoint}/file`))).to.equal('EIO');
      umount(mountpoint);
      const { status, stderr } = await running.ended;
      expect(status).to.equal(1);
      expect(stderr).to.match(/kernel panic: on demand/);
      expect(isClosed()).to.equal(false);
    });

    it('background work when it is due, without being asked', async () => {
      const work = workspace.path('work');
      const running = await serve(`work=${work}`);
      writeFileSync(`${mountpoint}/file`, '');
      await until(() => existsSync(work));
      running.kill('SIGTERM');
      expect((await running.ended).status).to.equal(0);
      expect(readFileSync(work, 'utf8')).to.equal('worked\n');
    });

    it('without handing /dev/fuse to its children', async () => {
      const running = await serve();
      const others = processesWith(mountpoint).filter((pid) => pid !== running.child.pid);
      expect(others.map(commandOf)).to.have.length(1);
      const opened = readdirSync(`/proc/${others[0]}/fd`).map((fd) =>
        readlinkSync(`/proc/${others[0]}/fd/${fd}`),
      );
      expect(opened).to.include('/dev/null').and.not.include('/dev/fuse');
      running.kill('SIGTERM');
      await running.ended;
    });

    it('several clients at once, and many requests in flight', async () => {
      const running = await serve();
      writeFileSync(`${mountpoint}/large`, Buffer.alloc(8 << 20, 'lump'));
      const script = `
        for i in $(seq 30); do
          echo "$2 $i" > "$1/$2-$i" && mv "$1/$2-$i" "$1/done-$2-$i" || exit 1
          ls "$1" > /dev/null && cmp -n 1000000 -i "$i" "$1/large" "$1/large" || exit 1
        done`;
      const clients = Array.from(
        { length: 8 },
        (_, client) => new Running(['sh', '-c', script, 'sh', mountpoint, `${client}`]).ended,
      );
      for (const { status, stderr } of await Promise.all(clients)) {
        expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' });
      }
      expect(readdirSync(mountpoint)).to.have.length(8 * 30 + 1);
      running.kill('SIGTERM');
      expect((await running.ended).status).to.equal(0);
    });
  });

  describe('keeps to the rules:', () => {
    const folder = (): string => `${mountpoint}/folder`;
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
      running = await serve(`journal=${workspace.path('journal')}`);
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
      const free = statfsSync(mountpoint).ffree;
      closeSync(fd);
      // Nobody waits for RELEASE.
      await until(() => statfsSync(mountpoint).ffree === free + 1);
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
      const journal = workspace.path('journal');
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
    const script = memfsCommand(mountpoint)[1]!;
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
    execFileSync('chown', [`${USER}`, mountpoint]);
    const running = new Running(asUser(...memfsCommand(mountpoint, '-f', '-o', TRANSPORT)));
    await running.says('transport fuse-native:');
    expect(errorCode(() => statSync(`${mountpoint}/x`))).to.equal('EACCES');
    const [file, ...args] = asUser('stat', '-f', mountpoint);
    execFileSync(file!, args, { stdio: 'ignore' });
    running.kill('SIGTERM');
    expect(await running.ended).to.include({ status: 0, stderr: '' });
    expect(isMounted()).to.equal(false);
  });
});
