/** Runs what docs/guide.md shows, and compares what is printed. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FLASH_IMAGES_FOLDER } from '../images/flash_images.js';
import { testGuide } from '../images/guide.js';
import { projectRoot } from '../images/project.js';

const IMAGES = {
  'demo.jffs2': 'flash.bin',
  'kernel.jffs2': 'worn.bin',
  'kernel-nand.bin': 'nand.bin',
};

describe('docs/guide.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lump-guide-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  before(() => {
    for (const [from, to] of Object.entries(IMAGES)) {
      copyFileSync(join(FLASH_IMAGES_FOLDER, from), join(folder, to));
    }
  });

  const text = readFileSync(join(projectRoot(), 'docs/guide.md'), 'utf8');
  const commandsRun = testGuide(text, { folder });

  it('has commands, and its program runs', () => {
    expect(commandsRun()).to.be.greaterThan(15);
    const program = /```js\n([\s\S]*?)```/.exec(text)![1]!;
    const source = `import { readFileSync } from 'node:fs';
const bytes = new Uint8Array(readFileSync('${join(folder, 'worn.bin')}'));
${program.replace("'lump/inspect'", `'${join(projectRoot(), 'dist/src/inspect/index.js')}'`)}`;
    const args = ['--input-type=module', '-e', source];
    const printed = execFileSync(process.execPath, args, { encoding: 'utf8' });
    expect(printed).to.match(/^kept\/0 8192$/m);
  });
});
