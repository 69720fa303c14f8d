/** How servers begin and end: every way out leaves no mount, no process and no lie behind. */
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
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
  NO_MOUNTS,
  processesWith,
  Running,
  umount,
  until,
  Workspace,
} from './server.js';

describe('a mounting command', () => {
  if (NO_MOUNTS !== undefined) {
    it(`(skipped: ${NO_MOUNTS})`);
    return;
  }
  let workspace: Workspace;
  let mountpoint: string;
  const closedFile = (): string => workspace.path('closed');
  const isMounted = (): boolean => mountsBelow(workspace.folder).length > 0;
  const isClosed = (): boolean => existsSync(closedFile());

  /** Starts a server in the foreground and waits for its mount. */
  async function serve(...options: string[]): Promise<Running> {
    const words = ['report=ready', `closed=${closedFile()}`, ...options];
    const running = new Running(memfsCommand(mountpoint, '-f', '-o', words.join(',')));
    await running.says('ready');
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
    it('in the background: prints its report and returns when the mount is usable', async () => {
      const options = `report=found it,closed=${closedFile()}`;
      expect(mountInBackground(memfsCommand(mountpoint, '-o', options))).to.equal('found it\n');
      expect(mountsBelow(workspace.folder)).to.deep.equal([
        { mountpoint, type: 'fuse.lump_memfs' },
      ]);
      writeFileSync(`${mountpoint}/file`, 'text');
      expect(readFileSync(`${mountpoint}/file`, 'utf8')).to.equal('text');
      umount(mountpoint);
      await until(() => isClosed() && processesWith(workspace.folder).length === 0);
    });

    const refused: readonly (readonly [string, () => string[], number, RegExp])[] = [
      [
        'a mount point that is missing',
        () => memfsCommand(workspace.path('none')),
        32,
        /^lump_memfs: .*none: no such directory; create it first\n$/,
      ],
      [
        'a mount point that is a file',
        () => {
          writeFileSync(workspace.path('file'), '');
          return memfsCommand(workspace.path('file'));
        },
        32,
        /file: not a directory\n$/,
      ],
      [
        'a file system that cannot be opened',
        () => memfsCommand(mountpoint, '-o', 'failure=no luck'),
        32,
        /^lump_memfs: no luck\n$/,
      ],
      [
        'the same in the foreground',
        () => memfsCommand(mountpoint, '-f', '-o', 'failure=no luck'),
        32,
        /^lump_memfs: no luck\n$/,
      ],
      [
        'an unknown mount option',
        () => memfsCommand(mountpoint, '-o', 'frobnicate'),
        1,
        /^lump_memfs: unknown mount option "frobnicate"; --help lists/,
      ],
      [
        'an unknown flag',
        () => memfsCommand(mountpoint, '--frobnicate'),
        1,
        /^lump_memfs: unknown option '--frobnicate'; see lump_memfs --help\n$/,
      ],
    ];
    for (const [what, command, status, message] of refused) {
      it(`not with ${what}: says why, leaves nothing`, () => {
        const error = failing(command());
        expect(error.status).to.equal(status);
        expect(error.stderr).to.match(message);
        expect(isMounted()).to.equal(false);
        expect(processesWith(workspace.folder)).to.deep.equal([]);
      });
    }

    it('read-only with ro', async () => {
      const running = await serve('ro');
      expect(errorCode(() => writeFileSync(`${mountpoint}/file`, ''))).to.equal('EROFS');
      umount(mountpoint);
      expect((await running.ended).status).to.equal(0);
    });

    it('by mount.fuse3, as from fstab, also when that has mounted already', async function () {
      if (!existsSync('/sbin/mount.fuse3')) {
        console.log('      (skipped: no mount.fuse3)');
        this.skip();
      }
      const program = workspace.path('program');
      const [node, script] = memfsCommand(mountpoint) as [string, string];
      writeFileSync(program, `#!/bin/sh\nexec '${node}' '${script}' "$@"\n`, { mode: 0o755 });
      for (const option of ['noauto', 'drop_privileges']) {
        const options = `${option},nofail,x-test,closed=${closedFile()}`;
        // drop_privileges gives no -o words of its own to the program but those it knows not.
        const words = option === 'noauto' ? options : option;
        execFileSync('/sbin/mount.fuse3', [`${program}#image`, mountpoint, '-o', words]);
        writeFileSync(`${mountpoint}/file`, option);
        expect(readFileSync(`${mountpoint}/file`, 'utf8')).to.equal(option);
        umount(mountpoint);
        await until(() => processesWith(workspace.folder).length === 0);
      }
      expect(isClosed()).to.equal(true);
    });
  });

  describe('ends', () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      it(`at ${signal}: unmounts, closes, 0`, async () => {
        const running = await serve();
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

    it('in the background at SIGTERM', async () => {
      mountInBackground(memfsCommand(mountpoint, '-o', `closed=${closedFile()}`));
      const [server] = processesWith(mountpoint).filter((pid) => !/stat -f/.test(commandOf(pid)));
      process.kill(server!, 'SIGTERM');
      await until(() => isClosed() && processesWith(workspace.folder).length === 0);
      expect(isMounted()).to.equal(false);
    });

    it('when busy: out of sight at once, in fact when the last user is gone', async () => {
      const running = await serve();
      const fd = openSync(`${mountpoint}/file`, 'w+');
      running.kill('SIGINT');
      await running.says('is detached now', 'stderr');
      expect(isMounted()).to.equal(false);
      expect(isClosed()).to.equal(false);
      expect(writeSync(fd, 'late')).to.equal(4);
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
      // The page cache still takes it; close(2) tells.
      expect(writeSync(fd, 'too late')).to.equal(8);
      expect(errorCode(() => closeSync(fd))).to.equal('ENOTCONN');
    });

    it('when killed: the watchdog unmounts', async () => {
      const running = await serve();
      writeFileSync(`${mountpoint}/file`, '');
      running.kill('SIGKILL');
      expect((await running.ended).signal).to.equal('SIGKILL');
      await until(() => !isMounted() && processesWith(workspace.folder).length === 0);
    });

    it('when killed together with its watchdog: the next mount cleans up', async () => {
      await serve();
      for (const pid of processesWith(workspace.folder)) process.kill(pid, 'SIGKILL');
      await until(() => errorCode(() => readdirSync(mountpoint)) === 'ENOTCONN');
      expect(isMounted()).to.equal(true);
      const running = await serve();
      expect(mountsBelow(workspace.folder)).to.have.length(1);
      running.kill('SIGTERM');
      await running.ended;
    });

    it('when its thread dies: says so, unmounts, fails', async () => {
      const running = await serve('exit_at=trap');
      expect(errorCode(() => statSync(`${mountpoint}/trap`))).to.be.oneOf([
        'ECONNABORTED',
        'ENOTCONN',
      ]);
      const { status, stderr } = await running.ended;
      expect(status).to.equal(1);
      expect(stderr).to.match(/thread ended by itself \(status 3\)/);
      expect(isMounted()).to.equal(false);
    });

    it('when it hangs: the third signal is the end', async () => {
      const running = await serve('hang_at=trap');
      const client = spawn('stat', [`${mountpoint}/trap`], { stdio: 'ignore' });
      const clientEnded = new Promise((resolve) => {
        client.once('exit', resolve);
      });
      await running.says('hanging', 'stderr');
      running.kill('SIGINT');
      // umount(8) asks the server as well, and waits.
      await until(() => processesWith(mountpoint).some((pid) => /^umount/.test(commandOf(pid))));
      running.kill('SIGINT');
      await running.says('aborting', 'stderr');
      // The client is released before the server is.
      expect(await clientEnded).to.equal(1);
      running.kill('SIGINT');
      expect((await running.ended).signal).to.equal('SIGKILL');
      await until(() => !isMounted());
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
      expect(errorCode(() => statSync(`${mountpoint}/other`))).to.equal('EIO');
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

    it('background work also where the mount is out of sight', async () => {
      const work = workspace.path('work');
      const running = await serve(`work=${work}`);
      const fd = openSync(`${mountpoint}/file`, 'w');
      umount(mountpoint, '-l');
      await until(() => existsSync(work));
      closeSync(fd);
      expect((await running.ended).status).to.equal(0);
    });

    it('its messages on the terminal', async () => {
      const running = await serve('log_at=trap');
      expect(errorCode(() => statSync(`${mountpoint}/trap`))).to.equal('ENOENT');
      running.kill('SIGTERM');
      expect((await running.ended).stderr).to.equal('lump_memfs: as demanded\n');
    });

    it('its messages to logger(1), in the background', async () => {
      const bin = workspace.directory('bin');
      const log = workspace.path('log');
      writeFileSync(`${bin}/logger`, `#!/bin/sh\necho "$@" > ${log}\ncat >> ${log}\n`, {
        mode: 0o755,
      });
      const [file, ...args] = memfsCommand(mountpoint, '-o', 'log_at=trap');
      execFileSync(file!, args, { env: { ...process.env, PATH: `${bin}:${process.env.PATH}` } });
      expect(errorCode(() => statSync(`${mountpoint}/trap`))).to.equal('ENOENT');
      umount(mountpoint);
      await until(() => processesWith(workspace.folder).length === 0);
      // 28: facility daemon, level warning.
      expect(readFileSync(log, 'utf8')).to.match(
        /^--prio-prefix -t lump_memfs\[\d+\]\n<28>as demanded\n$/,
      );
    });

    it('without handing /dev/fuse to its children', async () => {
      const running = await serve();
      const others = processesWith(mountpoint).filter((pid) => pid !== running.child.pid);
      expect(others).to.have.length(1);
      const opened = readdirSync(`/proc/${others[0]}/fd`).map((fd) =>
        readlinkSync(`/proc/${others[0]}/fd/${fd}`),
      );
      expect(opened).to.include('/dev/null').and.not.include('/dev/fuse');
      running.kill('SIGTERM');
      await running.ended;
    });
  });

  describe('by an ordinary user', () => {
    const USER = 65534;
    const asUser = (...command: string[]): string[] => [
      'setpriv',
      `--reuid=${USER}`,
      `--regid=${USER}`,
      '--clear-groups',
      ...command,
    ];

    /** A PATH on which only these programs are found. */
    function pathOf(...programs: string[]): string {
      const bin = workspace.directory('bin');
      for (const program of programs) {
        const found = execFileSync('sh', ['-c', `PATH=/usr/bin:/bin command -v ${program}`]);
        execFileSync('ln', ['-s', found.toString().trim(), `${bin}/${program}`]);
      }
      return bin;
    }

    /** Why the tests below cannot run; undefined when they can. */
    function obstacle(): string | undefined {
      if (!existsSync('/usr/bin/fusermount3')) return 'no fusermount3';
      try {
        const script = memfsCommand(mountpoint)[1]!;
        const [file, ...args] = asUser('test', '-r', script, '-a', '-w', '/dev/fuse');
        execFileSync(file!, args, { stdio: 'ignore' });
        return undefined;
      } catch {
        return 'an ordinary user may not open /dev/fuse, or not read the program';
      }
    }

    beforeEach(function () {
      const reason = obstacle();
      if (reason !== undefined) {
        console.log(`      (skipped: ${reason})`);
        this.skip();
      }
      execFileSync('chown', [`${USER}`, mountpoint]);
    });

    for (const interpreter of ['python3', 'perl']) {
      it(`through fusermount3 and ${interpreter}`, async () => {
        const env = {
          ...process.env,
          PATH: pathOf(interpreter, 'fusermount3', 'sh', 'stat', 'uname', 'setpriv'),
        };
        const [file, ...args] = asUser(...memfsCommand(mountpoint, '-o', 'report=mine'));
        const said = execFileSync(`/usr/bin/${file}`, args, { env, encoding: 'utf8' });
        expect(said).to.equal('mine\n');
        expect(mountsBelow(workspace.folder)).to.deep.equal([
          { mountpoint, type: 'fuse.lump_memfs' },
        ]);
        // Root is somebody else here: without allow_other not even it may look in.
        expect(errorCode(() => statSync(`${mountpoint}/x`))).to.equal('EACCES');
        const [client, ...clientArgs] = asUser('stat', '-f', mountpoint);
        execFileSync(client!, clientArgs, { stdio: 'ignore' });
        const server = processesWith(mountpoint).find((pid) => !/stat -f/.test(commandOf(pid)))!;
        const opened = readdirSync(`/proc/${server}/fd`).map((fd) =>
          readlinkSync(`/proc/${server}/fd/${fd}`),
        );
        expect(opened.filter((path) => path === '/dev/fuse')).to.have.length(1);
        // Its watchdog may unmount as well.
        process.kill(server, 'SIGKILL');
        await until(() => !isMounted() && processesWith(workspace.folder).length === 0);
      });
    }

    it('in the foreground, until SIGTERM', async () => {
      const running = new Running(asUser(...memfsCommand(mountpoint, '-f', '-o', 'report=ready')));
      await running.says('ready');
      running.kill('SIGTERM');
      expect(await running.ended).to.include({ status: 0, stderr: '' });
      expect(isMounted()).to.equal(false);
    });

    it('fails with a reason: file system, fusermount3, no interpreter', () => {
      const run = (path: string, ...args: string[]): { status: number; stderr: string } =>
        failing([
          'env',
          `PATH=${path}`,
          '/usr/bin/setpriv',
          ...asUser().slice(1),
          ...memfsCommand(mountpoint, ...args),
        ]);
      expect(run('/usr/bin:/bin', '-o', 'failure=no luck')).to.include({
        status: 32,
        stderr: 'lump_memfs: no luck\n',
      });
      expect(run('/usr/bin:/bin', '-o', 'allow_other').stderr).to.match(
        /allow_other only allowed|no luck/,
      );
      const only = pathOf('fusermount3');
      expect(run(only).stderr).to.match(/needs python3 or perl/);
      expect(run(workspace.directory('empty')).stderr).to.match(/install the package fuse3/);
      expect(isMounted()).to.equal(false);
    });
  });
});
