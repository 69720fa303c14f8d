/** Copies over the border and inside: everything is kept, or told. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { expect } from 'chai';
import { Rig } from './rig.js';
import { describeTree, IS_ROOT, makeTree } from './trees.js';

const HAS_PYTHON = spawnSync('python3', ['-c', '']).status === 0;

describe('fs-utils: copying', () => {
  let rig: Rig;

  beforeEach(() => {
    rig = new Rig();
    fs.mkdirSync(rig.path('tree'));
    makeTree(rig.path('tree'));
  });
  afterEach(() => rig.remove());

  it('put, cp -a and get bring back the tree that went in', async function () {
    if (!HAS_PYTHON) {
      console.log('      python3 is not installed: special files do not come back');
      this.skip();
    }
    await rig.output('put', [rig.path('tree'), '/']);
    await rig.output('cp', ['-a', '/tree', '/copy']);
    await rig.output('get', ['/copy', rig.path('back')]);
    // What cp -a of the host makes of it is what can be kept here.
    spawnSync('cp', ['-a', rig.path('tree'), rig.path('oracle')]);
    expect(describeTree(rig.path('back'))).to.deep.equal(describeTree(rig.path('oracle')));
    expect(await rig.output('diff', ['-r', '/tree', '/copy'])).to.equal('');
  });

  it('extended attributes go both ways', async function () {
    const file = rig.path('tree/etc/big');
    const set = spawnSync('setfattr', ['-n', 'user.colour', '-v', 'blue', file]);
    if (set.status !== 0 || !HAS_PYTHON) {
      console.log(
        '      setfattr or python3 is missing, or no attributes are kept here: not tried',
      );
      this.skip();
    }
    await rig.output('put', [`${rig.path('tree')}/.`, '/']);
    await rig.output('get', ['/etc', rig.path('back')]);
    const got = spawnSync('getfattr', ['-n', 'user.colour', '--only-values', rig.path('back/big')]);
    expect(String(got.stdout)).to.equal('blue');
  });

  it('what cannot be copied is told, and the status says so', async () => {
    const { status, err } = await rig.run('put', [rig.path('tree/etc/big'), '/no/such/place']);
    expect(status).to.equal(1);
    expect(err).to.equal('fsu_put: /no/such/place: No such file or directory\n');
  });

  it('an owner that the caller may not set is told once, and can be waived', async function () {
    if (!IS_ROOT) {
      console.log('      only root can show what another user cannot do: not tried');
      this.skip();
    }
    await rig.output('put', [rig.path('tree/etc/big'), '/big']);
    await rig.output('chown', ['0:0', '/big']);
    await rig.output('chmod', ['4755', '/big']);
    fs.mkdirSync(rig.path('out'));
    fs.chownSync(rig.path('out'), 65534, 65534);
    fs.chmodSync(rig.folder, 0o755);
    process.seteuid!(65534);
    try {
      const { status, err } = await rig.run('get', ['/big', rig.path('out/big')]);
      expect(status).to.equal(1);
      expect(err).to.equal(
        'fsu_get: not kept: owner of 1 file (Operation not permitted): /big\n' +
          'fsu_get: not kept: set-id bits of 1 file (Operation not permitted): /big\n',
      );
      const waived = ['--no-preserve=ownership', '/big', rig.path('out/again')];
      expect(await rig.output('get', waived)).to.equal('');
    } finally {
      process.seteuid!(0);
    }
    // In another's name the bit would be another's right.
    expect(fs.statSync(rig.path('out/big')).mode & 0o7777).to.equal(0o755);
  });

  it('links planted in the target are not followed', async () => {
    await rig.output('put', [`${rig.path('tree')}/.`, '/']);
    const [out, secret] = [rig.path('out'), rig.path('secret')];
    for (const folder of [out, secret, `${secret}/inside`]) fs.mkdirSync(folder);
    fs.writeFileSync(`${secret}/file`, 'untouched');
    fs.mkdirSync(`${out}/etc`);
    fs.symlinkSync(`${secret}/inside`, `${out}/odd`);
    fs.symlinkSync(`${secret}/file`, `${out}/etc/big`);
    const { status, err } = await rig.run('get', ['/.', out]);
    expect(status).to.equal(1);
    expect(err).to.include('/odd: Not a directory');
    expect(fs.readdirSync(`${secret}/inside`)).to.deep.equal([]);
    expect(fs.readFileSync(`${secret}/file`, 'utf8')).to.equal('untouched');
    expect(fs.lstatSync(`${out}/etc/big`).isFile()).to.equal(true);
  });

  it('a directory is not copied into itself, a file not onto itself', async () => {
    await rig.output('put', [`${rig.path('tree')}/.`, '/']);
    const { status, err } = await rig.run('cp', ['-R', '/etc', '/etc/deep/copy']);
    expect(status).to.equal(1);
    expect(err).to.include('not copied into itself');
    expect(await rig.output('find', ['/etc/deep/copy', '-name', 'copy'])).to.equal(
      '/etc/deep/copy\n',
    );
    const same = await rig.run('cp', ['/etc/big', '/etc/../etc/big']);
    expect(same.err).to.include('are the same file');
    expect(await rig.output('stat', ['-f', '%z', '/etc/big'])).to.equal('70000\n');
  });

  it('emv moves what was copied whole, and only that', async () => {
    await rig.output('emv', ['-p', rig.path('tree/odd'), '/']);
    expect(fs.existsSync(rig.path('tree/odd'))).to.equal(false);
    await rig.output('ecp', ['-g', '-d', '/odd', rig.path('tree/odd')]);
    expect((await rig.run('ls', ['/odd'])).status).to.equal(1);
    expect(fs.readdirSync(rig.path('tree/odd')).length).to.be.greaterThan(15);
    fs.mkdirSync(rig.path('tree/empty/keep'));
    await rig.output('write', ['/empty'], { stdin: 'in the way' });
    const { status, err } = await rig.run('emv', ['-p', rig.path('tree/empty'), '/empty']);
    expect(status).to.equal(1);
    expect(err).to.include('not removed, since not all of it was copied');
    expect(fs.existsSync(rig.path('tree/empty/keep'))).to.equal(true);
  });
});
