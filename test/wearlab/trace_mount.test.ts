/** lump_jffs2 -o trace=FILE: what programs do to a mount becomes a workload. */
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { failing, jffs2Command, mountInBackground, NO_MOUNTS } from '../fuse/server.js';
import { umount, until, Workspace } from '../fuse/server.js';
import { parseTrace } from '../../src/wearlab/trace_files.js';

const DEMO = fileURLToPath(new URL('../../../flash-images/demo.jffs2', import.meta.url));

describe('wearlab: a trace of a mount', function () {
  this.timeout(30_000);
  let workspace: Workspace;

  before(function () {
    if (NO_MOUNTS !== undefined) {
      console.log(`      ${NO_MOUNTS}: nothing is traced`);
      this.skip();
    }
    workspace = new Workspace();
  });
  after(() => workspace?.remove());

  it('has what programs did, and can be read', async () => {
    const mountpoint = workspace.directory('mnt');
    const image = workspace.path('flash.bin');
    const trace = workspace.path('work.trace');
    copyFileSync(DEMO, image);
    mountInBackground(jffs2Command(image, mountpoint, '-o', `trace=${trace}`));
    try {
      for (let n = 0; n < 3; n++) {
        const fd = openSync(`${mountpoint}/state.new`, 'w');
        writeSync(fd, Buffer.alloc(6000, n));
        fsyncSync(fd);
        closeSync(fd);
        renameSync(`${mountpoint}/state.new`, `${mountpoint}/state`);
      }
      expect(readFileSync(`${mountpoint}/state`)).to.have.lengthOf(6000);
    } finally {
      umount(mountpoint);
    }
    const text = (): string => readFileSync(trace, 'utf8');
    await until(() => text().split('"op":"rename"').length === 4);
    const operations = parseTrace(text(), 'work.trace');
    const count = (op: string): number => operations.filter((one) => one.op === op).length;
    expect(count('create')).to.equal(3);
    expect(count('rename')).to.equal(3);
    expect(count('fsync')).to.equal(3);
    const bytes = operations.reduce((sum, one) => (one.op === 'write' ? sum + one.bytes : sum), 0);
    expect(bytes).to.equal(3 * 6000);
  });

  it('never overwrites a file', () => {
    const image = workspace.path('other.bin');
    const trace = workspace.path('precious');
    copyFileSync(DEMO, image);
    writeFileSync(trace, 'kept');
    const mountpoint = workspace.directory('other');
    const { status, stderr } = failing(jffs2Command(image, mountpoint, '-o', `trace=${trace}`));
    expect(status).to.not.equal(0);
    expect(stderr).to.include(`trace=${trace}: the file has something in it; choose a new one`);
    expect(readFileSync(trace, 'utf8')).to.equal('kept');
    const nowhere = workspace.path('missing/trace');
    const second = failing(jffs2Command(image, mountpoint, '-o', `trace=${nowhere}`));
    expect(second.stderr).to.include(`trace=${nowhere}: ENOENT`);
  });
});
