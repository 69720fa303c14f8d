/** Guides are tested: what their ```console blocks show is run, and what is printed is compared. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectRoot } from './project.js';

interface GuideOptions {
  /** Where commands are run. */
  readonly folder: string;
  /** How the lines that they print end, as a pattern. */
  readonly newline?: string;
  /** What no command may say on stderr. */
  readonly complaint?: RegExp;
}

/** Lines as a pattern; a line of "…" stands for any. */
function pattern(lines: readonly string[], newline: string): RegExp {
  const parts = lines.map((line) =>
    line === '…' ? `(?:.*${newline})*?` : line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') + newline,
  );
  return new RegExp(`^${parts.join('')}$`);
}

/** Defines a test for each section that has commands. @returns how many of them have been run. */
export function testGuide(text: string, options: GuideOptions): () => number {
  const { folder, newline = '\\n', complaint } = options;
  const env = { ...process.env, PATH: `${join(projectRoot(), 'bin')}:${process.env.PATH}` };
  let commands = 0;
  for (const section of text.split(/^## /m).slice(1)) {
    const blocks = [...section.matchAll(/```console\n([\s\S]*?)```/g)].map(([, block]) => block!);
    if (blocks.length === 0) continue;
    it(section.split('\n')[0]!, () => {
      for (const step of blocks.join('').split(/^\$ /m).slice(1)) {
        const lines = step.trimEnd().split('\n');
        // A file may stand there, up to the word that ends it.
        const [, word] = /<<'(\w+)'$/.exec(lines[0]!) ?? [];
        const end = word === undefined ? 1 : lines.indexOf(word) + 1;
        const command = lines.slice(0, end).join('\n');
        const wanted = lines.slice(end);
        const { stdout, stderr } = spawnSync('sh', ['-c', command], {
          cwd: folder,
          env,
          encoding: 'utf8',
        });
        expect(stdout, `${command}\n${stderr}`).to.match(pattern(wanted, newline));
        if (complaint) expect(stderr, command).to.not.match(complaint);
        commands++;
      }
    });
  }
  return () => commands;
}
