/** The program, as processes: what it prints, its reports against their schema, its exit status. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flashInspectCommand, runFlashInspect } from '../../bin/inspect_program.mjs';
import { Interrupted, Run } from '../../bin/inspect_run.mjs';
import { FLASH_IMAGES_FOLDER } from '../images/flash_images.js';
import { projectRoot } from '../images/project.js';

const PROGRAM = join(projectRoot(), 'bin/flash_inspect');
const KERNEL = join(FLASH_IMAGES_FOLDER, 'kernel.jffs2');
const DEMO = join(FLASH_IMAGES_FOLDER, 'demo.jffs2');

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function inspect(...args: string[]): Ran {
  return spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
}

/** The same in this process, which starts faster. @returns what it printed. */
async function inspectHere(...args: string[]): Promise<string> {
  const outcome = { status: 0 };
  const { argv } = process;
  const { write } = process.stdout;
  let printed = '';
  try {
    process.argv = [argv[0]!, PROGRAM, ...args];
    process.stdout.write = (text: string | Uint8Array): boolean => {
      printed += Buffer.from(text as string).toString();
      return true;
    };
    await runFlashInspect(flashInspectCommand(outcome), outcome);
  } finally {
    process.argv = argv;
    process.stdout.write = write;
  }
  return printed;
}

describe('flash_inspect', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lump-inspect-'));
  const temporary = (name: string): string => join(folder, name);
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('every command prints JSON that fits its schema, which it prints itself', async () => {
    const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false });
    const validate = ajv.compile(JSON.parse(await inspectHere('schema')));
    const runs: string[][] = [
      ['info', KERNEL],
      ['ls', '-R', KERNEL],
      ['cat', KERNEL, 'kept/0'],
      ['extract', KERNEL, temporary('json-extract')],
      ['nodes', '--all', KERNEL],
      ['blocks', KERNEL],
      ['history', KERNEL],
      ['recover', KERNEL, '-o', temporary('json-recover')],
      ['check', KERNEL],
      ['repair', KERNEL, '-o', temporary('json-repair')],
      ['carve', KERNEL, '-o', temporary('json-carve')],
      ['oob', join(FLASH_IMAGES_FOLDER, 'kernel-nand.bin'), '-o', temporary('json-oob')],
      ['diff', KERNEL, DEMO],
      ['convert', KERNEL, '--to-endian', 'big', '-o', temporary('json-convert')],
    ];
    for (const [command, ...args] of runs as [string, ...string[]][]) {
      const report = JSON.parse(await inspectHere(command, '--json', ...args));
      expect(report.command).to.equal(command);
      const fits = validate(report);
      expect(fits, `${command}: ${ajv.errorsText(validate.errors)}`).to.equal(true);
    }
    // A schema that takes anything would pass as well.
    expect(
      validate({ ...JSON.parse(await inspectHere('info', '--json', KERNEL)), version: 2 }),
    ).to.equal(false);
  });

  it('lists, prints and says where it cannot', () => {
    expect(inspect('ls', DEMO).stdout.split('\n')).to.include.members(['README', 'bin', 'etc']);
    expect(inspect('ls', '-l', DEMO, 'etc/hostname').stdout).to.match(
      /^-rw-r--r-- .* etc\/hostname$/m,
    );
    expect(inspect('cat', DEMO, 'etc/hostname').stdout).to.equal('lump\n');
    const missing = inspect('cat', DEMO, 'etc/nothing');
    expect(missing.status).to.equal(2);
    expect(missing.stderr).to.match(/^flash_inspect: etc\/nothing: no such name/);
    const noImage = inspect('info', temporary('nothing'));
    expect(noImage.status).to.equal(2);
    expect(noImage.stderr).to.match(/nothing: no such file\n$/);
    const noReport = inspect('info', '--json', temporary('nothing'));
    expect(noReport.stderr).to.equal(noImage.stderr);
  });

  it('tells by its status what was not complete', () => {
    const noise = temporary('noise');
    writeFileSync(noise, readFileSync(process.execPath).subarray(0, 200_000));
    expect(inspect('info', noise).status).to.equal(1);
    expect(inspect('info', KERNEL).status).to.equal(0);
    expect(inspect('diff', KERNEL, KERNEL).status).to.equal(0);
    expect(inspect('diff', KERNEL, DEMO).status).to.equal(1);
    expect(inspect('check', KERNEL).status).to.equal(0);
    expect(inspect('check', noise).status).to.equal(4);
    expect(inspect('check', temporary('nothing')).status).to.equal(8);
    expect(inspect('check').status).to.equal(16);
    expect(inspect('info').status).to.equal(2);
    expect(inspect('repair', KERNEL).status).to.equal(8);
  });

  it('says that there is nothing to show, of a wrong file, byte order, path or inode', () => {
    const noise = temporary('noise');
    writeFileSync(noise, readFileSync(process.execPath).subarray(0, 200_000));
    const wrongOrder = ['--endian', 'big', KERNEL];
    for (const command of ['ls', 'history', 'recover']) {
      const { status, stderr } = inspect(command, noise);
      expect(status, command).to.equal(2);
      expect(stderr).to.match(/noise: no JFFS2 node in it, and not blank either\n$/);
    }
    expect(inspect('ls', ...wrongOrder).stderr).to.match(
      /no JFFS2 node in big endian byte order; l/,
    );
    const out = temporary('out');
    expect(inspect('extract', noise, out).status).to.equal(2);
    expect(inspect('diff', KERNEL, noise).status).to.equal(2);
    const repaired = inspect('repair', '-o', out, ...wrongOrder);
    expect(repaired.status).to.equal(8);
    expect(existsSync(out)).to.equal(false);
    const blank = temporary('blank');
    writeFileSync(blank, new Uint8Array(1 << 19).fill(0xff));
    expect(inspect('ls', blank)).to.include({ status: 0, stdout: '', stderr: '' });
    expect(inspect('history', '--path', 'none', KERNEL).stderr).to.match(/none: nothing on the fl/);
    expect(inspect('nodes', '-i', '4711', KERNEL).stderr).to.match(/inode 4711: no node on the fl/);
  });

  describe('interrupted', () => {
    const run = new Run('test', KERNEL, {});
    const interrupt = (): true => process.kill(process.pid, 'SIGHUP');

    it('stops between two steps', async () => {
      const seen: number[] = [];
      const steps = function* (): Generator<number, void, undefined> {
        for (let n = 0; ; n++) yield n;
      };
      const each = (n: number): void => {
        seen.push(n);
        if (n === 3) interrupt();
      };
      expect(await run.steps(steps(), each).catch((error: unknown) => error)).to.be.instanceOf(
        Interrupted,
      );
      expect(seen.length).to.be.greaterThan(3);
    });

    it('writes a file to its end, or replaces none', async () => {
      const file = temporary('whole');
      writeFileSync(file, 'old');
      const write = run.write(file, Buffer.alloc(1 << 20));
      interrupt();
      expect(await write.catch((error: unknown) => error)).to.be.instanceOf(Interrupted);
      expect(readFileSync(file)).to.have.lengthOf(1 << 20);
      expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).to.deep.equal([]);
    });

    it('a device is written to, and stays one', async () => {
      await run.write('/dev/null', Buffer.alloc(10)).catch(() => {});
      expect(lstatSync('/dev/null').isCharacterDevice()).to.equal(true);
    });
  });
});
