/**
 * `npm run docs`: manual pages and shell completions of every program that package.json names, from
 * the programs' own option tables. See bin/README.md.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Program } from '../bin/program.mjs';
import { bashCompletion, fishCompletion, zshCompletion } from './completions.js';
import { manualPage } from './manual_pages.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  bin: Record<string, string>;
};

for (const folder of ['man', 'completions'])
  rmSync(join(root, folder), { recursive: true, force: true });

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

for (const name of Object.keys(bin).sort()) {
  const module = (await import(new URL(`../bin/${name}.mjs`, import.meta.url).href)) as Program;
  const { program } = module;
  if (program?.name() !== name) throw new Error(`bin/${name}.mts exports no program "${name}"`);
  write(`man/man1/${name}.1`, manualPage(program));
  write(`completions/bash/${name}`, bashCompletion(program));
  write(`completions/zsh/_${name}`, zshCompletion(program));
  write(`completions/fish/${name}.fish`, fishCompletion(program));
}
