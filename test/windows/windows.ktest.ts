/**
 * The programs that need no mount, on Windows: the same answers as here, to the byte where that can
 * be, and nothing outside the target whatever the names in an image are.
 */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mount } from '../../src/ukfs/index.js';
import { FLASH_IMAGES_FOLDER } from '../images/flash_images.js';
import { type Ended, Wine, wineUnavailable } from './wine.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const IMAGE = 'kernel.jffs2';

describe('on Windows', function () {
  this.timeout(600_000);
  let wine: Wine;

  before(function () {
    const reason = wineUnavailable();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    try {
      wine = new Wine();
    } catch (error) {
      console.log(`      skipped: ${(error as Error).message}`);
      this.skip();
    }
    cpSync(join(FLASH_IMAGES_FOLDER, IMAGE), join(wine.folder, IMAGE));
  });
  after(() => wine?.remove());

  const here = (name: string, ...args: string[]): string =>
    execFileSync(process.execPath, [join(root, 'bin', name), ...args], {
      cwd: wine.folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  /** @returns what it printed. */
  const good = ({ status, stdout, stderr }: Ended): string => {
    expect(status, stderr).to.equal(0);
    return stdout;
  };
  const contents = (folder: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(join(wine.folder, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name))
        .map((path) => [
          path.slice(join(wine.folder, folder).length),
          readFileSync(path, 'base64'),
        ]),
    );

  it('flash_inspect says the same', () => {
    for (const words of [['info'], ['ls', '-lR'], ['history'], ['check'], ['info', '--json']]) {
      const [command, ...options] = words as [string, ...string[]];
      const said = good(wine.run('flash_inspect', command, ...options, IMAGE));
      expect(said, words.join(' ')).to.equal(here('flash_inspect', command, ...options, IMAGE));
    }
  });

  it('files come out the same, and what Windows has not is said', () => {
    const extracted = wine.run('flash_inspect', 'extract', IMAGE, 'extracted');
    expect(extracted.status).to.equal(1);
    expect(extracted.stderr).to.match(/moving\/device: block device: only root can make it/);
    const got = wine.run('fsu_get', IMAGE, '/', 'got');
    expect(got.status).to.equal(1);
    expect(got.stderr).to.match(/not kept: special file of 2 files/);
    here('fsu_get', IMAGE, '/', 'wanted', '--no-preserve', 'ownership,mode,xattr');
    expect(contents('extracted')).to.deep.equal(contents('wanted'));
    expect(contents('got')).to.deep.equal(contents('wanted'));
  });

  it('files go in, by paths as Windows writes them', () => {
    good(wine.run('fsu_put', IMAGE, 'got\\kept\\1', '/one'));
    const mounted = mount(join(wine.folder, IMAGE), { readOnly: true });
    const { fs } = mounted;
    expect(fs.readFileSync('/one')).to.deep.equal(fs.readFileSync('/kept/1'));
    expect(fs.statSync('/one').mode & 0o7777).to.equal(0o644);
    mounted.unmount();
    const differences = wine.run('fsu_diff', IMAGE, '--to', 'got', '-r', '/', '/');
    expect(differences.stdout.split('\n')).to.include(`Only in ${IMAGE}:/: one`);
    expect(differences.stderr).to.equal('');
    good(wine.run('fsu_diff', IMAGE, '--to', '.', '/kept/1', 'got\\kept\\1'));
    good(wine.run('fsu_find', IMAGE, '/kept', '-type', 'f', '-fprint', 'got\\kept\\list'));
    const listed = readFileSync(join(wine.folder, 'got/kept/list'), 'utf8');
    expect(listed.split('\n').sort()).to.deep.equal(['', '/kept/0', '/kept/1']);
    rmSync(join(wine.folder, 'got/kept/list'));
  });

  it('images are made, with modes that files of Windows do not have', () => {
    good(wine.run('mkfs.jffs2', '-r', 'got', '-o', 'made.jffs2', '-e', '64KiB', '--pad'));
    good(wine.run('makefs', '-t', 'ext2', '-s', '8m', 'made.ext2', 'got'));
    for (const image of ['made.jffs2', 'made.ext2']) {
      const mounted = mount(join(wine.folder, image), { readOnly: true });
      const { fs } = mounted;
      expect(fs.statSync('/moving/directory').mode).to.equal(0o40755);
      expect(fs.statSync('/kept/0').mode).to.equal(0o100644);
      expect(fs.readFileSync('/kept/0', 'base64')).to.equal(contents('got')['/kept/0']);
      mounted.unmount();
    }
  });

  it('names that mean more on Windows lead nowhere', () => {
    const names = ['..\\evil', 'C:evil', 'stream:evil', 'nul', 'COM1.txt', 'dot.', '..\\..\\evil'];
    writeFileSync(join(wine.folder, 'hostile.jffs2'), Buffer.alloc(512 << 10, 0xff));
    const made = mount(join(wine.folder, 'hostile.jffs2'), { type: 'jffs2' });
    made.fs.mkdirSync('/folder');
    for (const name of names) made.fs.writeFileSync(`/folder/${name}`, 'evil');
    made.fs.writeFileSync('/folder/good', 'good');
    made.unmount();
    const before = readdirSync(wine.folder).sort();
    const ways = { extract: ['flash_inspect', 'extract'], get: ['fsu_get'] } as const;
    for (const [folder, [program, ...words]] of Object.entries(ways)) {
      const from = program === 'fsu_get' ? ['/'] : [];
      const { status, stderr } = wine.run(program, ...words, 'hostile.jffs2', ...from, folder);
      expect(status, folder).to.equal(1);
      const said = stderr.replaceAll('\\\\', '\\');
      for (const name of names) expect(said, folder).to.contain(name);
      expect(contents(folder)).to.have.all.keys('/folder/good');
    }
    expect(readdirSync(wine.folder).sort()).to.deep.equal([...before, 'extract', 'get'].sort());
  });

  it('an experiment has the same results', () => {
    const experiment = {
      chip: { kind: 'nor', size: '1 MiB', erasesize: '64 KiB' },
      fill: { static: 0.3 },
      workload: [{ type: 'hot_cold', files: 10, filesize: '16 KiB', io: '4 KiB' }],
      stop: { erases: 200 },
      fidelity: 'full',
    };
    writeFileSync(join(wine.folder, 'small.json'), JSON.stringify(experiment));
    const words = ['run', 'small.json', '--quiet', '-o'];
    good(wine.run('wear_lab', ...words, 'windows.jsonl'));
    here('wear_lab', ...words, 'here.jsonl');
    const [there, wanted] = ['windows', 'here'].map((name) =>
      readFileSync(join(wine.folder, `${name}.jsonl`), 'utf8'),
    );
    expect(there).to.equal(wanted);
    good(wine.run('wear_lab', 'report', 'windows.jsonl'));
    expect(readFileSync(join(wine.folder, 'report.html'), 'utf8')).to.contain('small');
  });

  it('a mount is refused, with what to do instead', () => {
    const { status, stderr } = wine.run('lump_jffs2', IMAGE, 'mnt');
    expect(status).to.equal(32);
    expect(stderr).to.match(/Windows has no FUSE to mount with; fsu_ls, fsu_get/);
    expect(good(wine.run('lump_jffs2', '--help'))).to.match(/^Usage: lump_jffs2/);
  });
});
