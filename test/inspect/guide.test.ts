/** Runs what docs/guide.md shows, and compares what is printed. */
import { expect } from 'chai';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FLASH_IMAGES_FOLDER } from '../images/flash_images.js';
import { projectRoot } from '../images/project.js';

const IMAGES = {
  'demo.jffs2': 'flash.bin',
  'kernel.jffs2': 'worn.bin',
  'kernel-nand.bin': 'nand.bin',
};

/** Lines as a pattern; a line of "…" stands for any. */
function pattern(lines: readonly string[]): RegExp {
  const parts = lines.map((line) =>
    line === '…' ? '(?:.*\\n)*?' : `${line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\n`,
  );
  return new RegExp(`^${parts.join('')}$`);
}

describe('docs/guide.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lump-guide-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  before(() => {
    for (const [from, to] of Object.entries(IMAGES)) {
      copyFileSync(join(FLASH_IMAGES_FOLDER, from), join(folder, to));
    }
  });

  const text = readFileSync(join(projectRoot(), 'docs/guide.md'), 'utf8');
  const sections = text.split(/^## /m).slice(1);
  let commands = 0;
  for (const section of sections) {
    const blocks = [...section.matchAll(/```console\n([\s\S]*?)```/g)].map(([, block]) => block!);
    if (blocks.length === 0) continue;
    it(section.split('\n')[0]!, function () {
      this.timeout(60_000);
      const env = { ...process.env, PATH: `${join(projectRoot(), 'bin')}:${process.env.PATH}` };
      for (const step of blocks.join('').split(/^\$ /m).slice(1)) {
        const [command, ...wanted] = step.trimEnd().split('\n');
        const { stdout, stderr } = spawnSync('sh', ['-c', command!], {
          cwd: folder,
          env,
          encoding: 'utf8',
        });
        expect(stdout, `${command}\n${stderr}`).to.match(pattern(wanted));
        commands++;
      }
    });
  }

  it('has commands, and its program runs', () => {
    expect(commands).to.be.greaterThan(15);
    const program = /```js\n([\s\S]*?)```/.exec(text)![1]!;
    const source = `import { readFileSync } from 'node:fs';
const bytes = new Uint8Array(readFileSync('${join(folder, 'worn.bin')}'));
${program.replace("'lump/inspect'", `'${join(projectRoot(), 'dist/src/inspect/index.js')}'`)}`;
    const args = ['--input-type=module', '-e', source];
    const printed = execFileSync(process.execPath, args, { encoding: 'utf8' });
    expect(printed).to.match(/^kept\/0 8192$/m);
  });
});
