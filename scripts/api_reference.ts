/**
 * `npm run docs:api`: the API reference, pages for a browser in docs/api, made by typedoc from the
 * docstrings of everything that package.json exports. An export without one is an error.
 *
 * typedoc takes the TypeScript before lump's own; both are a package of their own, scripts/typedoc,
 * which is installed with the first run (from the npm registry, by its lock file).
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = join(root, 'scripts/typedoc');

function run(program: string, args: readonly string[]): boolean {
  const { status, error } = spawnSync(program, args, { cwd: folder, stdio: 'inherit' });
  if (error) console.log(`${program}: ${error.message}`);
  return status === 0;
}

/** @param out a folder, made anew @returns whether all went well; if not, it was said why not. */
export function makeApiReference(out: string): boolean {
  const typedoc = join(folder, 'node_modules/typedoc/bin/typedoc');
  if (!existsSync(typedoc) && !run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'])) {
    console.log('typedoc could not be installed: it comes from the npm registry');
    return false;
  }
  return run(process.execPath, [typedoc, '--out', out]);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const out = join(root, 'docs/api');
  const isMade = makeApiReference(out);
  if (isMade) console.log(`${out}/index.html`);
  process.exitCode = isMade ? 0 : 1;
}
