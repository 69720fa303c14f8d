/** Rules about the sources themselves, as far as no linter knows them. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

/** This file runs as dist/test/tidy.test.js. */
const root = fileURLToPath(new URL('../../', import.meta.url));
const SOURCE_FOLDERS = ['src', 'bin', 'test', 'bench', 'scripts'];
const SOURCE_FILE = /\.(ts|mts|mjs|cjs|sh)$/;
const LINES_MAX = 800;
const COLUMNS_MAX = 100;

function walk(folder: string): string[] {
  const absolute = path.join(root, folder);
  if (!fs.existsSync(absolute)) return [];
  return fs.readdirSync(absolute, { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(folder, entry.name);
    if (entry.name.startsWith('.') || ['node_modules', 'dist'].includes(entry.name)) return [];
    return entry.isDirectory() ? walk(name) : [name];
  });
}

const read = (file: string): string => fs.readFileSync(path.join(root, file), 'utf8');

const files = walk('.');
const sources = files.filter(
  (file) => SOURCE_FILE.test(file) && SOURCE_FOLDERS.includes(file.split('/')[0]),
);
const documents = files.filter((file) => file.endsWith('.md'));
const basenames = new Set(files.map((file) => path.basename(file)));

/** Of a compiled module: what it imports, or exports from. */
const IMPORT = /^(?:import|export)\b(?:[^'"]*\bfrom)?\s*['"]([^'"]+)['"]/gm;

/** "file:line: what" for every place where `pattern` matches a line. */
function places(file: string, pattern: RegExp): string[] {
  return read(file)
    .split('\n')
    .flatMap((line, i) => (pattern.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : []));
}

/** GitHub's anchor of a heading. */
const anchor = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');

const anchors = (markdown: string): string[] =>
  [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading));

describe('tidy: sources', () => {
  it(`no file has more than ${LINES_MAX} lines`, () => {
    const long = sources
      .map((file) => ({ file, lines: read(file).split('\n').length - 1 }))
      .filter(({ lines }) => lines > LINES_MAX);
    expect(long).to.deep.equal([]);
  });

  it(`no line has more than ${COLUMNS_MAX} characters`, () => {
    const pattern = new RegExp(`^.{${COLUMNS_MAX + 1}}`, 'u');
    // A literal that must not be broken (a regular expression, a URL, a line of shell) stays whole.
    const whole = /https?:\/\/|^\s*[/'"`]\S*.*[,;]?$|(['"`])(?:(?!\1).){60,}\1/;
    const long = sources
      .filter((file) => /ts$/.test(file))
      .flatMap((file) => places(file, pattern))
      .filter((place) => !whole.test(place.replace(/^\S+ /, '')))
      .map((place) => place.split(' ', 1)[0]);
    expect(long).to.deep.equal([]);
  });

  it('every folder of src opens with a README', () => {
    const folders = new Set(sources.map((file) => file.split('/').slice(0, 2).join('/')));
    const missing = [...folders]
      .filter((folder) => folder.startsWith('src/') && !folder.includes('.'))
      .filter((folder) => !files.includes(`${folder}/README.md`));
    expect(missing).to.deep.equal([]);
  });

  it('speak of this project alone, not of a machine it was written on', () => {
    const pattern = /(^|[^\w.$}\])])\/(work|farm|Users|home\/\w+)\//;
    const text = [...sources, ...documents, 'package.json', '.mocharc.json', '.gitignore'];
    expect(text.flatMap((file) => places(file, pattern))).to.deep.equal([]);
  });

  it('the medium, its codecs and the browser host run without node:', () => {
    const entries = walk('dist/src').filter((file) =>
      /\/(rumpuser\/browser|jffs2\/(medium|compr\w*)|inspect\/\w+)\.js$/.test(file),
    );
    expect(entries).to.include('dist/src/rumpuser/browser.js');
    const seen = new Set<string>();
    const offending: string[] = [];
    const queue = entries.slice();
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      for (const [, name] of read(file).matchAll(IMPORT)) {
        if (name.startsWith('node:')) offending.push(`${file} imports ${name}`);
        if (name.startsWith('.')) queue.push(path.posix.join(path.dirname(file), name));
      }
    }
    expect(offending).to.deep.equal([]);
  });
});

describe('tidy: tests', () => {
  const tests = sources.filter((file) => file.startsWith('test/') && file !== 'test/tidy.test.ts');

  it('none is skipped in silence, none runs alone', () => {
    const marks = /\b(it|describe|context)\.(skip|only)\b(?!\(\))|\bx(it|describe)\(/;
    const marked = tests.flatMap((file) => places(file, marks));
    // A title is printed, too.
    expect(marked.filter((place) => !place.includes('(skipped: '))).to.deep.equal([]);
    const silent = tests.flatMap((file) => {
      const lines = read(file).split('\n');
      return lines.flatMap((line, i) => {
        if (!/\.skip\(\)/.test(line)) return [];
        const before = lines.slice(Math.max(0, i - 4), i + 1).join('\n');
        return /console\.log\(/.test(before) ? [] : [`${file}:${i + 1}: no reason is printed`];
      });
    });
    expect(silent).to.deep.equal([]);
  });
});

describe('tidy: packages', () => {
  it('package-lock.json has the packages of every platform', () => {
    // npm writes only those that its registry has, and `npm ci` then fails elsewhere.
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => {
        const places = [`node_modules/${name}`, `${path}/node_modules/${name}`];
        return places.every((place) => !(place in packages));
      }),
    );
    expect(missing).to.deep.equal([]);
  });
});

describe('tidy: documents', () => {
  const {
    scripts = {},
    dependencies = {},
    devDependencies = {},
    bin = {},
  } = JSON.parse(read('package.json')) as Record<string, Record<string, string> | undefined>;

  it('links lead somewhere', () => {
    const broken = documents.flatMap((document) => {
      const text = read(document);
      return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target]) => target)
        .filter((target) => !/^[a-z]+:/.test(target))
        .filter((target) => {
          const [file, fragment] = target.split('#');
          const linked = file === '' ? document : path.posix.join(path.dirname(document), file);
          if (!fs.existsSync(path.join(root, linked))) return true;
          return fragment !== undefined && !anchors(read(linked)).includes(fragment);
        })
        .map((target) => `${document}: ${target}`);
    });
    expect(broken).to.deep.equal([]);
  });

  it('files that they name exist', () => {
    const missing = documents.flatMap((document) =>
      quoted(read(document))
        .filter((name) => !exists(name, document))
        .map((name) => `${document}: ${name}`),
    );
    expect(missing).to.deep.equal([]);
  });

  it('npm scripts and programs that they name exist', () => {
    const missing = documents.flatMap((document) => {
      const code = [...read(document).matchAll(/```[\s\S]*?```|`[^`\n]+`/g)].join('\n');
      const runs = [...code.matchAll(/\bnpm (?:run )?([\w:-]+)/g)]
        .filter(([whole, name]) => whole.includes(' run ') || ['test', 'start'].includes(name))
        .filter(([, name]) => !(name in scripts))
        .map(([whole]) => `${document}: ${whole}`);
      const programs = [...code.matchAll(/\bnpx (?:-\S+ )*([@\w/-]+)/g)]
        .filter(([, name]) => !hasProgram(name))
        .map(([whole]) => `${document}: ${whole}`);
      return [...runs, ...programs];
    });
    expect(missing).to.deep.equal([]);
  });

  it('TESTING.md names every variable that tests and scripts read', () => {
    const known = read('TESTING.md');
    const pattern = /process\.env(?:\.|\[')(LUMP_\w+)/g;
    const unknown = sources
      .filter((file) => !file.startsWith('src/'))
      .flatMap((file) => [...read(file).matchAll(pattern)].map(([, name]) => `${file}: ${name}`))
      .filter((place) => !known.includes(`\`${place.split(' ')[1]}\``));
    expect(unknown).to.deep.equal([]);
  });

  function hasProgram(name: string): boolean {
    if (name === 'lump' || name in bin || name in dependencies || name in devDependencies) {
      return true;
    }
    return fs.existsSync(path.join(root, 'node_modules/.bin', name));
  }

  /** What stands in backticks and looks like a path or a file of ours. */
  function quoted(markdown: string): string[] {
    const ours = new RegExp(`^(${SOURCE_FOLDERS.join('|')}|flash-images)/`);
    return [...markdown.replace(/```[\s\S]*?```/g, '').matchAll(/`([^`\s]+)`/g)]
      .map(([, text]) => text)
      .filter((text) => ours.test(text) || /^[\w.-]+\.(ts|mts|mjs|md|json)$/.test(text))
      .filter((text) => !/[<>…]/.test(text));
  }

  function exists(name: string, document: string): boolean {
    const beside = path.posix.join(path.dirname(document), name);
    if (name.includes('*')) {
      const pattern = new RegExp(
        `^${name.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*+/g, '.*')}$`,
      );
      return files.some((file) => pattern.test(file) || pattern.test(path.basename(file)));
    }
    if (!name.includes('/')) return basenames.has(name);
    return [name, beside].some((file) => fs.existsSync(path.join(root, file)));
  }
});

describe('tidy: direction of imports', () => {
  it('is that of DESIGN.md', function () {
    this.timeout(120_000);
    const program = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
    const folders = SOURCE_FOLDERS.filter((folder) => fs.existsSync(path.join(root, folder)));
    try {
      execFileSync(process.execPath, [program, '--output-type', 'err', ...folders], {
        cwd: root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (error) {
      throw new Error((error as { stdout: string }).stdout);
    }
  });
});
