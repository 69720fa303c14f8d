/** How a server ends and goes on, whatever its transport: the cases that all transports share. */
import { expect } from 'chai';
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {
  commandOf,
  errorCode,
  memfsCommand,
  mountsBelow,
  processesWith,
  Running,
  umount,
  until,
  Workspace,
} from './server.js';

/** A folder for each test, with a mount point that a memory file system is served at. */
export class ServerRig {
  workspace!: Workspace;
  mountpoint!: string;
  readonly #words: readonly string[];
  readonly #ready: string;

  /**
   * Call it within describe(): it sets up before each test, and cleans up after.
   * @param words mount options of all servers
   * @param ready what a server prints when its mount is usable
   */
  constructor(words: readonly string[], ready: string) {
    this.#words = words;
    this.#ready = ready;
    beforeEach(() => {
      this.workspace = new Workspace();
      this.mountpoint = this.workspace.directory('mnt');
    });
    afterEach(() => {
      for (const pid of this.processes) process.kill(pid, 'SIGKILL');
      this.workspace.remove();
    });
  }

  /** Where a file system notes that it was closed. */
  get closedFile(): string {
    return this.workspace.path('closed');
  }

  get isClosed(): boolean {
    return existsSync(this.closedFile);
  }

  get isMounted(): boolean {
    return mountsBelow(this.workspace.folder).length > 0;
  }

  /** Those of the server and its helpers. */
  get processes(): number[] {
    return processesWith(this.workspace.folder);
  }

  /** Uses the mount of a server in the background, and ends it. */
  async useAndUnmount(): Promise<void> {
    const { mountpoint } = this;
    expect(mountsBelow(this.workspace.folder)).to.deep.equal([
      { mountpoint, type: 'fuse.lump_memfs' },
    ]);
    writeFileSync(`${mountpoint}/file`, 'text');
    expect(readFileSync(`${mountpoint}/file`, 'utf8')).to.equal('text');
    umount(mountpoint);
    await until(() => this.isClosed && this.processes.length === 0);
  }

  /** Starts a server in the foreground and waits for its mount. */
  async serve(...options: string[]): Promise<Running> {
    const words = [...this.#words, `closed=${this.closedFile}`, ...options];
    const running = new Running(memfsCommand(this.mountpoint, '-f', '-o', words.join(',')));
    await running.says(this.#ready);
    return running;
  }
}

/** @param cachesWrites The kernel's cache takes a write whose server is gone; close(2) tells. */
export function describeEnds(rig: ServerRig, cachesWrites: boolean): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`at ${signal}: unmounts, closes, 0`, async () => {
      const running = await rig.serve();
      writeFileSync(`${rig.mountpoint}/file`, 'text');
      running.kill(signal);
      expect(await running.ended).to.include({ status: 0, signal: null, stderr: '' });
      expect(rig.isMounted).to.equal(false);
      expect(rig.isClosed).to.equal(true);
    });
  }

  it('at umount(8) from outside', async () => {
    const running = await rig.serve();
    umount(rig.mountpoint);
    expect(await running.ended).to.include({ status: 0, stderr: '' });
    expect(rig.isClosed).to.equal(true);
  });

  it('when busy: out of sight at once, in fact when the last user is gone', async () => {
    const running = await rig.serve();
    const fd = openSync(`${rig.mountpoint}/file`, 'w+');
    running.kill('SIGINT');
    await running.says('is detached now', 'stderr');
    expect(rig.isMounted).to.equal(false);
    expect(rig.isClosed).to.equal(false);
    expect(writeSync(fd, 'late')).to.equal(4);
    expect(fstatSync(fd).size).to.equal(4);
    closeSync(fd);
    expect((await running.ended).status).to.equal(0);
    expect(rig.isClosed).to.equal(true);
  });

  it('when busy, at the second signal: its users are cut off', async () => {
    const running = await rig.serve();
    const fd = openSync(`${rig.mountpoint}/file`, 'w+');
    running.kill('SIGINT');
    await running.says('is detached now', 'stderr');
    running.kill('SIGINT');
    expect((await running.ended).status).to.equal(0);
    expect(rig.isClosed).to.equal(true);
    if (cachesWrites) expect(writeSync(fd, 'too late')).to.equal(8);
    else expect(errorCode(() => writeSync(fd, 'too late'))).to.equal('ENOTCONN');
    expect(errorCode(() => closeSync(fd))).to.equal('ENOTCONN');
  });

  it('when killed: the watchdog unmounts', async () => {
    const running = await rig.serve();
    writeFileSync(`${rig.mountpoint}/file`, '');
    running.kill('SIGKILL');
    expect((await running.ended).signal).to.equal('SIGKILL');
    await until(() => !rig.isMounted && rig.processes.length === 0);
  });

  it('when killed together with its watchdog: the next mount cleans up', async () => {
    await rig.serve();
    for (const pid of rig.processes) process.kill(pid, 'SIGKILL');
    await until(() => errorCode(() => readdirSync(rig.mountpoint)) === 'ENOTCONN');
    expect(rig.isMounted).to.equal(true);
    const running = await rig.serve();
    expect(mountsBelow(rig.workspace.folder)).to.have.length(1);
    running.kill('SIGTERM');
    await running.ended;
  });
}

export function describeServes(rig: ServerRig): void {
  it('after a bug; the request fails, the message is printed', async () => {
    const running = await rig.serve('crash_at=trap');
    expect(errorCode(() => statSync(`${rig.mountpoint}/trap`))).to.equal('EIO');
    writeFileSync(`${rig.mountpoint}/file`, 'text');
    running.kill('SIGTERM');
    const { status, stderr } = await running.ended;
    expect(status).to.equal(0);
    expect(stderr).to.match(/TypeError: crash on demand/);
  });

  it('nothing but EIO after a panic, and ends with an error', async () => {
    const running = await rig.serve('panic_at=trap');
    expect(errorCode(() => statSync(`${rig.mountpoint}/trap`))).to.equal('EIO');
    expect(errorCode(() => statSync(`${rig.mountpoint}/other`))).to.equal('EIO');
    umount(rig.mountpoint);
    const { status, stderr } = await running.ended;
    expect(status).to.equal(1);
    expect(stderr).to.match(/kernel panic: on demand/);
    expect(rig.isClosed).to.equal(false);
  });

  it('background work when it is due, without being asked', async () => {
    const work = rig.workspace.path('work');
    const running = await rig.serve(`work=${work}`);
    writeFileSync(`${rig.mountpoint}/file`, '');
    await until(() => existsSync(work));
    running.kill('SIGTERM');
    expect((await running.ended).status).to.equal(0);
    expect(readFileSync(work, 'utf8')).to.equal('worked\n');
  });

  it('without handing /dev/fuse to its children', async () => {
    const running = await rig.serve();
    const others = processesWith(rig.mountpoint).filter((pid) => pid !== running.child.pid);
    expect(others.map(commandOf)).to.have.length(1);
    const opened = readdirSync(`/proc/${others[0]}/fd`).map((fd) =>
      readlinkSync(`/proc/${others[0]}/fd/${fd}`),
    );
    expect(opened).to.include('/dev/null').and.not.include('/dev/fuse');
    running.kill('SIGTERM');
    await running.ended;
  });
}
