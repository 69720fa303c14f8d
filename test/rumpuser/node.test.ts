/** What only the real host has: other processes, and files that others see. */
import { expect } from 'chai';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { NodeHost } from '../../src/rumpuser/node.js';
import { lockFile } from '../../src/rumpuser/node_lock.js';
import { HostError } from '../../src/rumpuser/rumpuser.js';

const nodeModule = new URL('../../src/rumpuser/node.js', import.meta.url).href;

/** A second process that takes a lock, says how that went, and stays until it is killed. */
async function otherProcess(
  file: string,
  kind: 'shared' | 'exclusive',
): Promise<{ child: ChildProcess; answer: string }> {
  const script = `
    const { NodeHost } = await import(${JSON.stringify(nodeModule)});
    try {
      new NodeHost().lock(${JSON.stringify(file)}, '${kind}');
      console.log('granted');
    } catch (error) {
      console.log(error.code + ' ' + error.message);
    }
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return { child, answer: line.toString().trim() };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

describe('rumpuser: node, and other processes', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'rumpuser-node-'));
  const image = path.join(directory, 'image');
  const warnings: string[] = [];
  const host = new NodeHost({ console: (_level, line) => warnings.push(line) });
  let lockable = true;

  before(() => {
    fs.writeFileSync(image, 'image');
    host.lock(image, 'shared').unlock();
    lockable = warnings.length === 0;
  });
  after(() => fs.rmSync(directory, { recursive: true }));

  function needsFlock(test: Mocha.Context): void {
    if (lockable) return;
    console.log(`      skipped: ${warnings[0]}`);
    test.skip();
  }

  it('keeps a second process out, and names the first', async function () {
    needsFlock(this);
    const lock = host.lock(image, 'exclusive');
    const other = await otherProcess(image, 'shared');
    await kill(other.child);
    lock.unlock();
    expect(other.answer).to.match(/^EWOULDBLOCK .*is in use by /);
    if (process.platform === 'linux') expect(other.answer).to.contain(`process ${process.pid}`);
  });

  it('lets readers of two processes in, and no writer', async function () {
    needsFlock(this);
    const other = await otherProcess(image, 'shared');
    expect(other.answer).to.equal('granted');
    host.lock(image, 'shared').unlock();
    expect(() => host.lock(image, 'exclusive')).to.throw(HostError, /is in use by /);
    await kill(other.child);
    host.lock(image, 'exclusive').unlock();
  });

  it('a lock ends with a killed process, and leaves nothing behind', async function () {
    needsFlock(this);
    const other = await otherProcess(image, 'exclusive');
    expect(other.answer).to.equal('granted');
    expect(() => host.lock(image, 'shared')).to.throw(HostError, /is in use by /);
    await kill(other.child);
    host.lock(image, 'exclusive').unlock();
    expect(fs.readdirSync(directory)).to.deep.equal(['image']);
  });

  it('two names of one image are one lock', () => {
    const second = path.join(directory, 'second');
    fs.linkSync(image, second);
    const symlink = path.join(directory, 'symlink');
    fs.symlinkSync('image', symlink);
    const lock = host.lock(image, 'exclusive');
    expect(() => host.lock(second, 'shared')).to.throw(HostError, 'this process');
    expect(() => host.lock(symlink, 'shared')).to.throw(HostError, 'this process');
    lock.unlock();
    fs.unlinkSync(second);
    fs.unlinkSync(symlink);
  });

  it('without the flock program it guards this process, and says so', function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: only Linux needs the program');
      this.skip();
    }
    const first = lockFile(image, 'exclusive', 'no-such-flock');
    if (!first.granted) throw new Error('not granted');
    expect(first.warning).to.contain('not locked against other processes');
    expect(lockFile(image, 'shared', 'no-such-flock').granted).to.equal(false);
    first.unlock();
    const again = lockFile(image, 'shared', 'no-such-flock');
    expect(again.granted).to.equal(true);
    if (again.granted) again.unlock();
  });

  it('replaceFile keeps the mode, follows symlinks and leaves no other file', () => {
    const target = path.join(directory, 'sidecar');
    const symlink = path.join(directory, 'sidecar-link');
    fs.writeFileSync(target, 'old', { mode: 0o640 });
    fs.chmodSync(target, 0o640);
    fs.symlinkSync('sidecar', symlink);
    host.replaceFile(symlink, new TextEncoder().encode('new'));
    expect(fs.readFileSync(target, 'utf8')).to.equal('new');
    expect(fs.lstatSync(symlink).isSymbolicLink()).to.equal(true);
    expect(fs.statSync(target).mode & 0o777).to.equal(0o640);
    fs.unlinkSync(symlink);
    fs.unlinkSync(target);
    expect(fs.readdirSync(directory)).to.deep.equal(['image']);
  });

  it('a failed replaceFile leaves the old file and no other', () => {
    const target = path.join(directory, 'full');
    fs.mkdirSync(target);
    expect(() => host.replaceFile(target, new Uint8Array(3))).to.throw(HostError);
    expect(fs.readdirSync(directory).sort()).to.deep.equal(['full', 'image']);
    fs.rmdirSync(target);
  });

  it('tells directories and devices from files', () => {
    expect(host.getfileinfo(directory).type).to.equal('directory');
    expect(host.getfileinfo('/dev/null').type).to.equal('char');
    expect(() => host.open(directory, 'read')).to.throw(HostError, 'directory');
  });

  it('reads and writes beyond 4 GiB', () => {
    const name = path.join(directory, 'sparse');
    const file = host.open(name, 'create');
    const far = 6 * 2 ** 40 + 5;
    try {
      file.write(new Uint8Array([1, 2, 3]), 0, 3, far);
    } catch (error) {
      // A host whose files end before is no failure of ours.
      expect((error as HostError).code).to.equal('EFBIG');
      return;
    } finally {
      fs.unlinkSync(name);
    }
    const back = new Uint8Array(4);
    expect(file.read(back, 0, 4, far)).to.equal(3);
    expect([...back]).to.deep.equal([1, 2, 3, 0]);
    expect(file.size()).to.equal(far + 3);
    file.close();
  });
});
