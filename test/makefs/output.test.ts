/** What is there when an image is not made to its end: what was there before. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { noise } from '../images/material.js';
import { projectRoot } from '../images/project.js';

const program = (name: string): string => join(projectRoot(), 'bin', name);

describe('makefs: the image file', () => {
  let folder: string;
  let source: string;
  let image: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-output-'));
    source = join(folder, 'source');
    mkdirSync(source);
    image = join(folder, 'image');
    writeFileSync(image, 'old');
  });
  afterEach(() => spawnSync('rm', ['-r', '-f', folder]));

  const run = (name: string, words: readonly string[]): { status: number | null; stderr: string } =>
    spawnSync(process.execPath, [program(name), ...words], { encoding: 'utf8' });
  const names = (): string[] => readdirSync(folder).sort();

  it('a failure, early or in the middle, leaves the old one', () => {
    writeFileSync(join(source, 'noise'), noise(200_000));
    const args = ['-t', 'jffs2', image, source];
    expect(run('makefs', ['-m', '64k', ...args]).stderr).to.match(/does not fit 65536 bytes/);
    symlinkSync('x'.repeat(300), join(source, 'link'));
    expect(run('makefs', args).stderr).to.match(/a symlink of 300 bytes/);
    expect(readFileSync(image, 'utf8')).to.equal('old');
    expect(names()).to.deep.equal(['image', 'source']);
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`stopped by ${signal}: the same, and nothing else is left`, async () => {
      const bytes = noise(1 << 20);
      for (let i = 0; i < 24; i++) writeFileSync(join(source, `${i}`), bytes);
      const args = [program('mkfs.jffs2'), '-j', '1', '-r', source, '-o', image];
      const running = spawn(process.execPath, args, { stdio: 'inherit' });
      const ended = new Promise((resolve) => {
        running.on('exit', (code, by) => resolve(by ?? code));
      });
      while (running.exitCode === null && names().length === 2) await setTimeout(2);
      running.kill(signal);
      expect(await ended).to.equal(signal);
      expect(readFileSync(image, 'utf8')).to.equal('old');
      expect(names()).to.deep.equal(['image', 'source']);
    });
  }

  it('what a killed run left in the tree is not packed', () => {
    const inside = join(source, 'flash');
    const args = ['-v', '-r', source, '-o', inside];
    writeFileSync(join(source, '.flash.123456789.0.new'), 'x');
    const { status, stderr } = run('mkfs.jffs2', args);
    expect(status).to.equal(0);
    expect(stderr).to.match(/\.0\.new is part of an image that is not finished; it is left out\n/);
    expect(stderr).to.match(/^1 nodes in 1 erase blocks$/m);
  });

  it('is made when nobody reads the list of what is in it', function () {
    if (process.platform === 'win32') {
      console.log('      skipped: needs a shell');
      this.skip();
    }
    for (let n = 0; n < 2000; n++) writeFileSync(join(source, `${n}`), '');
    const args = [process.execPath, program('mkfs.jffs2'), '-v', '-r', source, '-o', image];
    const script = '{ "$@"; echo "status $?" >&2; } | true';
    const { stderr } = spawnSync('sh', ['-c', script, 'sh', ...args], { encoding: 'utf8' });
    expect(stderr).to.match(/^4001 nodes in .*\n\d+ bytes\nstatus 0\n$/ms);
  });

  it('a new file keeps the mode and follows links; a device is written to', () => {
    const link = join(folder, 'link');
    symlinkSync('image', link);
    chmodSync(image, 0o604);
    expect(run('mkfs.jffs2', ['-r', source, '-o', link])).to.deep.include({
      status: 0,
      stderr: '',
    });
    expect(lstatSync(link).isSymbolicLink()).to.equal(true);
    expect(statSync(image).mode & 0o777).to.equal(0o604);
    expect(statSync(image).size).to.be.greaterThan(0);
    expect(run('mkfs.jffs2', ['-r', source, '-o', '/dev/null']).status).to.equal(0);
    expect(lstatSync('/dev/null').isCharacterDevice()).to.equal(true);
    expect(run('sumtool', ['-i', image, '-o', image]).status).to.equal(0);
    expect(names()).to.deep.equal(['image', 'link', 'source']);
  });

  it('an offset leaves what is before, and what is there after a failure is said', () => {
    const args = ['-t', 'jffs2', '-O', '8', image, source];
    expect(run('makefs', args).status).to.equal(0);
    const bytes = readFileSync(image);
    expect(bytes.subarray(0, 4).toString('latin1')).to.equal('old\0');
    expect(bytes.readUInt16LE(8)).to.equal(0x1985);
    const { status, stderr } = run('makefs', ['-t', 'jffs2', join(image, 'x'), source]);
    expect(stderr).to.match(/^makefs: .*image\/x: not a directory\n$/);
    expect(status).to.equal(1);
  });
});
