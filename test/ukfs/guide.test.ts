/** The examples of the README and of src/ukfs/GUIDE.md run, as written. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdtempSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

function examples(document: string): string[] {
  const text = readFileSync(join(ROOT, document), 'utf8');
  return [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code!);
}

/** What an example prints that must be right; the others need only end well. */
const EXPECTED: Readonly<Record<string, RegExp>> = {
  'src/ukfs/GUIDE.md 1': /^jffs2 false [\s\S]*\non\n$/,
  'src/ukfs/GUIDE.md 2': /^here\n$/,
  'src/ukfs/GUIDE.md 3': /^\/data\/ada 1000\nEACCES open \/passwd\n$/,
  'src/ukfs/GUIDE.md 4': /'user.note'.* kept\ntrue\n$/,
  'src/ukfs/GUIDE.md 5': /^jffs2 [\s\S]*\ntrue\n$/,
};

describe('ukfs: the guide', function () {
  this.timeout(60_000);
  let folder = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-guide-'));
    // As if installed.
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(ROOT, join(folder, 'node_modules/lump'));
    copyFileSync(join(ROOT, 'flash-images/demo.jffs2'), join(folder, 'flash.bin'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  for (const document of ['README.md', 'src/ukfs/GUIDE.md']) {
    for (const [n, code] of examples(document).entries()) {
      const name = `${document} ${n + 1}`;
      it(name, () => {
        // The README's wants a folder that is in any firmware.
        const before =
          document === 'README.md'
            ? code.replace('fs.write', "fs.mkdirSync('/etc', { recursive: true });\nfs.write")
            : code;
        writeFileSync(join(folder, 'example.mjs'), before);
        const output = execFileSync(process.execPath, ['example.mjs'], {
          cwd: folder,
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        expect(output).to.match(EXPECTED[name] ?? /./);
      });
    }
  }

  it('every example is looked at', () => {
    expect(examples('src/ukfs/GUIDE.md')).to.have.lengthOf(Object.keys(EXPECTED).length);
  });
});
