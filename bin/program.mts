/** What the programs of this folder share: the version, and the parts of a manual page. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';

/** Term and meaning, as options and their texts. */
export type ManualRow = readonly [term: string, meaning: string];

export interface ManualSection {
  readonly title: string;
  /** Paragraphs. */
  readonly text?: string;
  readonly rows?: readonly ManualRow[];
}

/** What a manual page has beyond what commander knows. */
export interface Manual {
  /** After the image, say, the words are this command's. Its options are listed under `title`. */
  readonly rest?: { readonly title: string; readonly command: Command };
  readonly sections?: readonly ManualSection[];
  /** Command lines. */
  readonly examples?: readonly string[];
  readonly exitStatus?: readonly ManualRow[];
  readonly environment?: readonly ManualRow[];
  readonly files?: readonly ManualRow[];
  /** As "fsu_ls(1)". */
  readonly seeAlso?: readonly string[];
}

/** What a file of this folder exports. */
export interface Program {
  readonly program: Command;
  /** Runs on process.argv. @returns the exit status. */
  main(): number | Promise<number>;
}

const manuals = new WeakMap<Command, Manual>();

export const manualOf = (command: Command): Manual => manuals.get(command) ?? {};

/** Adds to the help text and to the manual page of a program. */
export function describe(command: Command, manual: Manual): Command {
  manuals.set(command, manual);
  return command.addHelpText('after', () => helpText(manual));
}

export const version = (): string => {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
};

const TERM_COLUMNS = 25;

const rowLines = (rows: readonly ManualRow[]): string =>
  rows.map(([term, meaning]) => `  ${term.padEnd(TERM_COLUMNS)} ${meaning}`).join('\n');

function helpText(manual: Manual): string {
  const parts: string[] = [];
  const { rest } = manual;
  if (rest !== undefined && rest.command.options.length > 0) {
    const help = rest.command.createHelp();
    const rows = help
      .visibleOptions(rest.command)
      .filter((option) => option.long !== '--help')
      .map((option): ManualRow => [help.optionTerm(option), help.optionDescription(option)]);
    parts.push(`${rest.title}:\n${rowLines(rows)}`);
  }
  const sections: readonly ManualSection[] = [
    ...(manual.sections ?? []),
    ...rowsSection('Environment', manual.environment),
    ...rowsSection('Files', manual.files),
    ...rowsSection('Exit status', manual.exitStatus),
  ];
  for (const { title, text, rows } of sections) {
    const body = [text ?? '', rows === undefined ? '' : rowLines(rows)].filter((one) => one !== '');
    parts.push(rows === undefined ? body.join('\n') : `${title}:\n${body.join('\n')}`);
  }
  if (manual.examples !== undefined && manual.examples.length > 0) {
    parts.push(`Examples:\n${manual.examples.map((line) => `  ${line}`).join('\n')}`);
  }
  return `\n${parts.join('\n\n')}`;
}

const rowsSection = (title: string, rows: readonly ManualRow[] | undefined): ManualSection[] =>
  rows === undefined ? [] : [{ title, rows }];
