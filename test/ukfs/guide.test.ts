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
  'src/ukfs/GUIDE.md 6': /^hello world\n\n$/,
};

/** One process for all: a folder of its own for each, and a line before what it prints. */
const RUNNER = `
import { chdir } from 'node:process';
for (const name of process.argv.slice(2)) {
  chdir(name);
  console.log('#');
  await import(name + '/example.mjs');
  await new Promise((resolve) => setTimeout(resolve, 100));
}
`;

describe('ukfs: the guide', function () {
  this.timeout(60_000);
  const all = ['README.md', 'src/ukfs/GUIDE.md'].flatMap((document) =>
    examples(document).map((code, n) => ({ name: `${document} ${n + 1}`, code })),
  );
  let printed: string[] = [];

  before(() => {
    const top = mkdtempSync(join(tmpdir(), 'lump-guide-'));
    try {
      // As if installed.
      mkdirSync(join(top, 'node_modules'));
      symlinkSync(ROOT, join(top, 'node_modules/lump'));
      writeFileSync(join(top, 'run.mjs'), RUNNER);
      const folders = all.map(({ name, code }, n) => {
        const folder = join(top, String(n));
        mkdirSync(folder);
        copyFileSync(join(ROOT, 'flash-images/demo.jffs2'), join(folder, 'flash.bin'));
        // The README's wants a folder that is in any firmware.
        const isReadme = name.startsWith('README');
        const etc = "fs.mkdirSync('/etc', { recursive: true });\nfs.write";
        const text = isReadme ? code.replace('fs.write', etc) : code;
        writeFileSync(join(folder, 'example.mjs'), text);
        return folder;
      });
      const output = execFileSync(process.execPath, [join(top, 'run.mjs'), ...folders], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      printed = output.split(/^#\n/m).slice(1);
    } finally {
      rmSync(top, { recursive: true });
    }
  });

  for (const [n, { name }] of all.entries()) {
    it(name, () => {
      expect(printed[n]).to.match(EXPECTED[name] ?? /./);
    });
  }

  it('every example is looked at', () => {
    expect(examples('src/ukfs/GUIDE.md')).to.have.lengthOf(Object.keys(EXPECTED).length);
    expect(printed).to.have.lengthOf(all.length);
  });
});
