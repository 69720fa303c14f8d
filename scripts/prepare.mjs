/**
 * Compiles the project and makes the manual pages and completions. npm runs this after `npm ci` in a checkout, and before it packs; then with
 * --clean, so that nothing of an earlier state is packed.
 *
 * Without devDependencies (npm ci --omit=dev) there is no compiler: that is said and no error,
 * since dist/ may be there already. In an installed package there is nothing to compile.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
if (process.argv.includes('--clean')) rmSync(`${root}dist`, { recursive: true, force: true });
if (existsSync(`${root}tsconfig.json`)) {
  // npm puts node_modules/.bin into PATH; on Windows the compiler is a .cmd file there.
  const { error, status } = spawnSync('tsc', ['-p', 'tsconfig.json'], {
    cwd: root,
    shell: process.platform === 'win32',
    stdio: 'inherit',
  });
  if (error?.code === 'ENOENT') {
    console.log('lump: TypeScript is not installed, dist/ stays as it is');
  } else {
    process.exitCode = status ?? 1;
    // What the reports of wear_lab draw with; users of the package need none of the rest of it.
    const library = `${root}node_modules/echarts/dist/echarts.min.js`;
    if (status === 0 && existsSync(library)) {
      mkdirSync(`${root}dist/src/wearlab`, { recursive: true });
      copyFileSync(library, `${root}dist/src/wearlab/echarts.min.js`);
    }
    // Manual pages and completions, from the programs as compiled.
    if (status === 0) await import(new URL('../dist/scripts/docs.js', import.meta.url).href);
  }
}
