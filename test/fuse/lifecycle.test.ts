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
} from './server.js';
import { describeEnds, describeServes, ServerRig } from './lifecycle_cases.js';

describe('a mounting command', () => {
  if (NO_MOUNTS !== undefined) {
    it(`(skipped: ${NO_MOUNTS})`);
    return;
  }
  const rig = new ServerRig(['report=ready'], 'ready');

  describe('begins', () => {
    it('in the background: prints its report and returns when the mount is usable', async () => {
      const options = `report=found it,closed=${rig.closedFile}`;
      expect(mountInBackground(memfsCommand(rig.mountpoint, '-o', options))).to.equal('found it\n');
      await rig.useAndUnmount();
    });

    const refused: readonly (readonly [string, () => string[], number, RegExp])[] = [
      [
        'a mount point that is missing',
        () => memfsCommand(rig.workspace.path('none')),
        32,
        /^lump_memfs: .*none: no such directory; create it first\n$/,
      ],
      [
        'a mount point that is a file',
        () => {
          writeFileSync(rig.workspace.path('file'), '');
          return memfsCommand(rig.workspace.path('file'));
        },
        32,
        /file: not a directory\n$/,
      ],
      [
        'a file system that cannot be opened',
        () => memfsCommand(rig.mountpoint, '-o', 'failure=no luck'),
        32,
        /^lump_memfs: no luck\n$/,
      ],
      [
        'the same in the foreground',
        () => memfsCommand(rig.mountpoint, '-f', '-o', 'failure=no luck'),
        32,
        /^lump_memfs: no luck\n$/,
      ],
      [
        'an unknown mount option',
        () => memfsCommand(rig.mountpoint, '-o', 'frobnicate'),
        1,
        /^lump_memfs: unknown mount option "frobnicate"; --help lists/,
      ],
      [
        'an unknown flag',
        () => memfsCommand(rig.mountpoint, '--frobnicate'),
        1,
        /^lump_memfs: unknown option '--frobnicate'; see lump_memfs --help\n$/,
      ],
    ];
    for (const [what, command, status, message] of refused) {
      it(`not with ${what}: says why, leaves nothing`, () => {
        const error = failing(command());
        expect(error.status).to.equal(status);
        expect(error.stderr).to.match(message);
        expect(rig.isMounted).to.equal(false);
        expect(rig.processes).to.deep.equal([]);
      });
    }

    it('read-only with ro', async () => {
      const running = await rig.serve('ro');
      expect(errorCode(() => writeFileSync(`${rig.mountpoint}/file`, ''))).to.equal('EROFS');
      umount(rig.mountpoint);
      expect((await running.ended).status).to.equal(0);
    });

    it('by mount.fuse3, as from fstab, also when that has mounted already', async function () {
      if (!existsSync('/sbin/mount.fuse3')) {
        console.log('      (skipped: no mount.fuse3)');
        this.skip();
      }
      const program = rig.workspace.path('program');
      const [node, script] = memfsCommand(rig.mountpoint) as [string, string];
      writeFileSync(program, `#!/bin/sh\nexec '${node}' '${script}' "$@"\n`, { mode: 0o755 });
      for (const option of ['noauto', 'drop_privileges']) {
        const options = `${option},nofail,x-test,closed=${rig.closedFile}`;
        // drop_privileges gives no -o words of its own to the program but those it knows not.
        const words = option === 'noauto' ? options : option;
        execFileSync('/sbin/mount.fuse3', [`${program}#image`, rig.mountpoint, '-o', words]);
        writeFileSync(`${rig.mountpoint}/file`, option);
        expect(readFileSync(`${rig.mountpoint}/file`, 'utf8')).to.equal(option);
        umount(rig.mountpoint);
        await until(() => rig.processes.length === 0);
      }
      expect(rig.isClosed).to.equal(true);
    });
  });

  describe('ends', () => {
    describeEnds(rig, true);

    it('in the background at SIGTERM', async () => {
      mountInBackground(memfsCommand(rig.mountpoint, '-o', `closed=${rig.closedFile}`));
      const [server] = processesWith(rig.mountpoint).filter(
        (pid) => !/stat -f/.test(commandOf(pid)),
      );
      process.kill(server!, 'SIGTERM');
      await until(() => rig.isClosed && rig.processes.length === 0);
      expect(rig.isMounted).to.equal(false);
    });

    it('when its thread dies: says so, unmounts, fails', async () => {
      const running = await rig.serve('exit_at=trap');
      expect(errorCode(() => statSync(`${rig.mountpoint}/trap`))).to.be.oneOf([
        'ECONNABORTED',
        'ENOTCONN',
      ]);
      const { status, stderr } = await running.ended;
      expect(status).to.equal(1);
      expect(stderr).to.match(/thread ended by itself \(status 3\)/);
      expect(rig.isMounted).to.equal(false);
    });

    it('when it hangs: the third signal is the end', async () => {
      const running = await rig.serve('hang_at=trap');
      const client = spawn('stat', [`${rig.mountpoint}/trap`], { stdio: 'ignore' });
      const clientEnded = new Promise((resolve) => {
        client.once('exit', resolve);
      });
      await running.says('hanging', 'stderr');
      running.kill('SIGINT');
      // umount(8) asks the server as well, and waits.
      await until(() =>
        processesWith(rig.mountpoint).some((pid) => /^umount/.test(commandOf(pid))),
      );
      running.kill('SIGINT');
      await running.says('aborting', 'stderr');
      // The client is released before the server is.
      expect(await clientEnded).to.equal(1);
      running.kill('SIGINT');
      expect((await running.ended).signal).to.equal('SIGKILL');
      await until(() => !rig.isMounted);
    });
  });

  describe('serves', () => {
    describeServes(rig);

    it('background work also where the mount is out of sight', async () => {
      const work = rig.workspace.path('work');
      const running = await rig.serve(`work=${work}`);
      const fd = openSync(`${rig.mountpoint}/file`, 'w');
      umount(rig.mountpoint, '-l');
      await until(() => existsSync(work));
      closeSync(fd);
      expect((await running.ended).status).to.equal(0);
    });

    it('its messages on the terminal', async () => {
      const running = await rig.serve('log_at=trap');
      expect(errorCode(() => statSync(`${rig.mountpoint}/trap`))).to.equal('ENOENT');
      running.kill('SIGTERM');
      expect((await running.ended).stderr).to.equal('lump_memfs: as demanded\n');
    });

    it('its messages to logger(1), in the background', async () => {
      const bin = rig.workspace.directory('bin');
      const log = rig.workspace.path('log');
      writeFileSync(`${bin}/logger`, `#!/bin/sh\necho "$@" > ${log}\ncat >> ${log}\n`, {
        mode: 0o755,
      });
      const [file, ...args] = memfsCommand(rig.mountpoint, '-o', 'log_at=trap');
      execFileSync(file!, args, { env: { ...process.env, PATH: `${bin}:${process.env.PATH}` } });
      expect(errorCode(() => statSync(`${rig.mountpoint}/trap`))).to.equal('ENOENT');
      umount(rig.mountpoint);
      await until(() => rig.processes.length === 0);
      // 28: facility daemon, level warning.
      expect(readFileSync(log, 'utf8')).to.match(
        /^--prio-prefix -t lump_memfs\[\d+\]\n<28>as demanded\n$/,
      );
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
      const bin = rig.workspace.directory('bin');
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
        const script = memfsCommand(rig.mountpoint)[1]!;
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
      execFileSync('chown', [`${USER}`, rig.mountpoint]);
    });

    for (const interpreter of ['python3', 'perl']) {
      it(`through fusermount3 and ${interpreter}`, async () => {
        const env = {
          ...process.env,
          PATH: pathOf(interpreter, 'fusermount3', 'sh', 'stat', 'uname', 'setpriv'),
        };
        const [file, ...args] = asUser(...memfsCommand(rig.mountpoint, '-o', 'report=mine'));
        const said = execFileSync(`/usr/bin/${file}`, args, { env, encoding: 'utf8' });
        expect(said).to.equal('mine\n');
        expect(mountsBelow(rig.workspace.folder)).to.deep.equal([
          { mountpoint: rig.mountpoint, type: 'fuse.lump_memfs' },
        ]);
        // Root is somebody else here: without allow_other not even it may look in.
        expect(errorCode(() => statSync(`${rig.mountpoint}/x`))).to.equal('EACCES');
        const [client, ...clientArgs] = asUser('stat', '-f', rig.mountpoint);
        execFileSync(client!, clientArgs, { stdio: 'ignore' });
        const server = processesWith(rig.mountpoint).find(
          (pid) => !/stat -f/.test(commandOf(pid)),
        )!;
        const opened = readdirSync(`/proc/${server}/fd`).map((fd) =>
          readlinkSync(`/proc/${server}/fd/${fd}`),
        );
        expect(opened.filter((path) => path === '/dev/fuse')).to.have.length(1);
        // Its watchdog may unmount as well.
        process.kill(server, 'SIGKILL');
        await until(() => !rig.isMounted && rig.processes.length === 0);
      });
    }

    it('in the foreground, until SIGTERM', async () => {
      const running = new Running(
        asUser(...memfsCommand(rig.mountpoint, '-f', '-o', 'report=ready')),
      );
      await running.says('ready');
      running.kill('SIGTERM');
      expect(await running.ended).to.include({ status: 0, stderr: '' });
      expect(rig.isMounted).to.equal(false);
    });

    it('fails with a reason: file system, fusermount3, no interpreter', () => {
      const run = (path: string, ...args: string[]): { status: number; stderr: string } =>
        failing([
          'env',
          `PATH=${path}`,
          '/usr/bin/setpriv',
          ...asUser().slice(1),
          ...memfsCommand(rig.mountpoint, ...args),
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
      expect(run(rig.workspace.directory('empty')).stderr).to.match(/install the package fuse3/);
      expect(rig.isMounted).to.equal(false);
    });
  });
});
