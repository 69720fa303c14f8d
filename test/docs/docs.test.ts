/** Every program's manual page and completions, judged by the programs that will read them. */
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Command } from 'commander';
import { manualOf, type Program } from '../../bin/program.mjs';
import { bashCompletion, fishCompletion, zshCompletion } from '../../scripts/completions.js';
import { manualPage, visibleCommands, visibleOptions } from '../../scripts/manual_pages.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const { bin, man } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  bin: Record<string, string>;
  man: string[];
};
const names = Object.keys(bin).sort();

const has = (program: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

/** The words that a person may complete, first part and second. */
function optionWords(command: Command): { first: string[]; second: Map<string, string[]> } {
  const words = (of: Command): string[] =>
    visibleOptions(of).flatMap((option) =>
      [option.short, option.long].filter((word) => word !== undefined),
    );
  const second = new Map(visibleCommands(command).map((sub) => [sub.name(), words(sub)]));
  const { rest } = manualOf(command);
  if (rest !== undefined) second.set('image.bin', words(rest.command));
  return { first: words(command), second };
}

/** A command line to complete at its end, and the options that must be offered there. */
interface Question {
  readonly line: readonly string[];
  readonly offered: readonly string[];
}

const questionsOf = (command: Command): Question[] => {
  const { first, second } = optionWords(command);
  return [
    { line: [command.name()], offered: first },
    ...[...second].map(([word, offered]) => ({ line: [command.name(), word], offered })),
  ];
};

/**
 * zsh completes on a terminal only: a shell on one of zsh's own, which tells what it would show.
 */
const ZSH_SETUP = `
PS1=; LISTMAX=10000; unset zle_bracketed_paste
fpath=($PWD/zsh $fpath)
autoload -U compinit; compinit -D -u
compadd() {
  # What a completion only asks for itself is no answer.
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  local -a hits; builtin compadd -O hits "$@"
  (( $#hits )) && print -r -- "$hits" >> $PWD/hits
  builtin compadd "$@"
}
# Nothing is shown, and nothing asked: "do you wish to see all 81 possibilities?"
setopt no_auto_list no_auto_menu; LISTMAX=100000
ask() { zle complete-word; print "<done $((++asked))>" }
zle -N ask
bindkey '^I' ask
bindkey '^U' kill-whole-line
print "<ready>"
`;
const ZSH_ASK = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'source setup.zsh'
zpty -r z out '*<ready>*'
ask() {
  zpty -n -w z "$1"$'\\t'; zpty -r z out "*<done $((++asked))>*"; zpty -n -w z $'\\C-u'
  print -r -- "==" >> hits
}
`;

describe('documentation', () => {
  const programs: Command[] = [];
  let folder: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lump-docs-'));
    for (const part of ['man', 'bash', 'zsh', 'fish']) mkdirSync(join(folder, part));
    for (const name of names) {
      const { program } = (await import(join(root, 'dist/bin', `${name}.mjs`))) as Program;
      programs.push(program);
      writeFileSync(join(folder, 'man', `${name}.1`), manualPage(program));
      writeFileSync(join(folder, 'bash', name), bashCompletion(program));
      writeFileSync(join(folder, 'zsh', `_${name}`), zshCompletion(program));
      writeFileSync(join(folder, 'fish', `${name}.fish`), fishCompletion(program));
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  it('programs are those of package.json, each with its launcher', () => {
    const launchers = readdirSync(join(root, 'bin')).filter(
      (file) => !/\.(mts|cjs|json|md)$/.test(file),
    );
    expect(names).to.deep.equal(launchers.sort());
    expect(man).to.deep.equal(names.map((name) => `man/man1/${name}.1`));
    for (const name of names) {
      expect(bin[name]).to.equal(`bin/${name}`);
      expect(statSync(join(root, 'bin', name)).mode & 0o111, name).to.equal(0o111);
    }
    expect(programs.map((program) => program.name())).to.deep.equal(names);
  });

  it('manual pages have every option', () => {
    for (const program of programs) {
      const page = manualPage(program).replace(/\\(f[BIR]|-)/g, (_, kind) =>
        kind === '-' ? '-' : '',
      );
      const { first, second } = optionWords(program);
      for (const word of [...first, ...[...second.values()].flat()]) {
        const line = new RegExp(`^(.*, )?${word.replace(/[^\w-]/g, '\\$&')}([ ,=[].*)?$`, 'm');
        expect(page, `${program.name()} ${word}`).to.match(line);
      }
    }
  });

  it('manual pages are clean', () => {
    const pages = names.map((name) => join(folder, 'man', `${name}.1`));
    for (const [judge, ...options] of [
      ['mandoc', '-Tlint', '-W', 'style'],
      // What man(1) --warnings runs, once for all of them.
      ['groff', '-Kutf8', '-man', '-ww', '-Tutf8'],
    ] as const) {
      if (!has(judge)) {
        console.log(`      ${judge} is not installed: manual pages are not judged by it`);
        continue;
      }
      const env = { ...process.env, LC_ALL: 'C.UTF-8', MANWIDTH: '80' };
      const { stdout, stderr } = spawnSync(judge, [...options, ...pages], {
        encoding: 'utf8',
        env,
      });
      expect(stderr, judge).to.equal('');
      if (judge === 'mandoc') expect(stdout).to.equal('');
      else expect(stdout).to.include(`${names[0]!.toUpperCase()}(1)`);
    }
  });

  for (const [shell, script] of [
    [
      'bash',
      (questions: readonly Question[]): string =>
        [
          'for file in bash/*; do source "$file"; done',
          ...questions.flatMap(({ line }) => [
            `COMP_WORDS=(${line.join(' ')} -) COMP_CWORD=${line.length}`,
            `_${line[0]!.replace(/\W/g, '_')}`,
            `echo "\${COMPREPLY[*]}"`,
          ]),
        ].join('\n'),
    ],
    [
      'fish',
      (questions: readonly Question[]): string =>
        [
          'for file in fish/*; source $file; end',
          ...questions.flatMap(({ line }) =>
            // Long ones are offered by themselves when "--" stands there.
            [
              `set -l found (complete -C "${line.join(' ')} -") (complete -C "${line.join(' ')} --")`,
              String.raw`string join -- ' ' . (string replace -r '\t.*' '' -- $found)`,
            ],
          ),
        ].join('\n'),
    ],
  ] as const) {
    it(`completions work in ${shell}`, function () {
      if (!has(shell)) {
        console.log(`      ${shell} is not installed: its completions are not tried`);
        this.skip();
      }
      const questions = programs.flatMap(questionsOf);
      const env = { ...process.env, HOME: folder, LC_ALL: 'C.UTF-8' };
      const run = spawnSync(shell, ['-c', script(questions)], {
        cwd: folder,
        encoding: 'utf8',
        env,
      });
      expect(run.stderr).to.equal('');
      const answers = run.stdout.split('\n').slice(0, -1);
      expect(answers.length).to.equal(questions.length);
      for (const [i, { line, offered }] of questions.entries()) {
        expect(answers[i]!.split(' '), line.join(' ')).to.include.members([...offered]);
      }
    });
  }

  it('completions work in zsh', function () {
    if (!has('zsh')) {
      console.log('      zsh is not installed: its completions are not tried');
      this.skip();
    }
    // Each costs a twentieth of a second; and all are made alike.
    const questions = programs.filter((_, i) => i % 3 === 0).flatMap(questionsOf);
    writeFileSync(join(folder, 'setup.zsh'), ZSH_SETUP);
    const asking = questions.map(({ line }) => `ask '${line.join(' ')} -'`);
    const run = spawnSync('zsh', ['-f', '-c', `${ZSH_ASK}${asking.join('\n')}`], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, HOME: folder, TERM: 'dumb', LC_ALL: 'C.UTF-8' },
      timeout: 30_000,
      killSignal: 'SIGKILL',
    });
    expect(run.stderr).to.equal('');
    const answers = readFileSync(join(folder, 'hits'), 'utf8').split('==\n');
    expect(answers.length).to.equal(questions.length + 1);
    for (const [i, { line, offered }] of questions.entries()) {
      const found = answers[i]!.split(/\s+/);
      expect(found, line.join(' ')).to.include.members([...offered]);
    }
  });
});
