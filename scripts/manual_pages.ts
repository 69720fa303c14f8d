/** Manual pages, in man(7), from commander's tables. */
import type { Argument, Command, Option } from 'commander';
import { manualOf, version, type ManualRow, type ManualSection } from '../bin/program.mjs';

const LINE_COLUMNS = 70;

/** Text for roff: hyphens stay hyphens, and nothing is taken for a request. */
export const roff = (text: string): string =>
  text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^([.'])/gm, '\\&$1');

/** Text in lines of which none is long. */
function filled(text: string): string[] {
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length <= LINE_COLUMNS) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.map(roff);
}

/** A macro's argument. */
const quoted = (text: string): string => `"${roff(text).replace(/"/g, '\\(dq')}"`;

/** "-o, --options <words>" → bold words, italic values. */
const flagsOf = (flags: string): string =>
  flags
    .split(/(<[^>]+>|\[[^\]]+\])/)
    .filter((part) => part !== '')
    .map((part) => {
      if (part.startsWith('<')) return `\\fI${roff(part.slice(1, -1))}\\fR`;
      if (part.startsWith('[')) return `[\\fI${roff(part.slice(1, -1))}\\fR]`;
      return part.replace(/[^\s,|=]+/g, (word) => `\\fB${roff(word)}\\fR`);
    })
    .join('');

const sentence = (text: string): string =>
  text === '' || /[.!?:]$/.test(text) ? text : `${text}.`;

function paragraphs(text: string): string[] {
  return text.split(/\n{2,}/).flatMap((paragraph, i) => {
    const lines = paragraph.split('\n');
    const isLiteral = lines.every((line) => line.startsWith('  '));
    if (isLiteral)
      return ['.PP', '.RS 4', '.nf', ...lines.map((line) => roff(line.trim())), '.fi', '.RE'];
    return [...(i > 0 ? ['.PP'] : []), ...filled(lines.join(' '))];
  });
}

const table = (rows: readonly ManualRow[]): string[] =>
  rows.flatMap(([term, meaning]) => ['.TP', flagsOf(term), ...filled(sentence(meaning))]);

/** What a person is told about an option, with its choices and default. */
export function optionMeaning(option: Option): string {
  const extra = [
    ...(option.argChoices === undefined ? [] : [`one of ${option.argChoices.join(', ')}`]),
    ...(option.defaultValue === undefined || typeof option.defaultValue === 'boolean'
      ? []
      : [`default: ${option.defaultValueDescription ?? String(option.defaultValue)}`]),
    ...(option.envVar === undefined ? [] : [`default from ${option.envVar}`]),
  ];
  return option.description + (extra.length === 0 ? '' : ` (${extra.join('; ')})`);
}

export const visibleOptions = (command: Command): readonly Option[] =>
  command.createHelp().visibleOptions(command);

export const visibleCommands = (command: Command): readonly Command[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => sub.name() !== 'help');

const optionRows = (command: Command): ManualRow[] =>
  visibleOptions(command).map((option) => [option.flags, optionMeaning(option)]);

const argumentRows = (command: Command): ManualRow[] =>
  command.registeredArguments
    .filter((argument: Argument) => argument.description !== '')
    .map((argument) => [`<${argument.name()}>`, argument.description]);

const synopsis = (command: Command): string[] => {
  const [first, ...others] = command
    .usage()
    .split('\n')
    .map((line) => filled(line.trim()));
  return [`.B ${roff(command.name())}`, ...first!, ...others.flatMap((line) => ['.br', ...line])];
};

function sectionLines({ title, text, rows }: ManualSection): string[] {
  return [
    `.SH ${quoted(title.toUpperCase())}`,
    ...(text === undefined ? [] : paragraphs(text)),
    ...(rows === undefined ? [] : table(rows)),
  ];
}

function subcommandLines(command: Command): string[] {
  return visibleCommands(command).flatMap((sub) => [
    `.SS ${quoted(`${sub.name()} ${sub.usage()}`)}`,
    ...paragraphs(sentence(sub.description() || sub.summary())),
    ...table([...argumentRows(sub), ...optionRows(sub)]),
    ...subcommandLines(sub),
  ]);
}

const rowsSection = (title: string, rows: readonly ManualRow[] | undefined): ManualSection[] =>
  rows === undefined ? [] : [{ title, rows }];

/** Reproducible builds set the variable. */
function pageDate(): string {
  const { SOURCE_DATE_EPOCH: epoch } = process.env;
  const date = epoch === undefined ? new Date() : new Date(Number(epoch) * 1000);
  return date.toISOString().slice(0, 10);
}

/** The page of section 1, text. */
export function manualPage(command: Command): string {
  const manual = manualOf(command);
  const name = command.name();
  const description = command.description();
  const summary = (command.summary() || description.split(/(?<=[.!?])\s/)[0]!).replace(/\.$/, '');
  const commands = visibleCommands(command);
  const { rest } = manual;
  const lines = [
    `.\\" Made by npm run docs from the option tables of ${name}.`,
    `.TH ${quoted(name.toUpperCase())} 1 "${pageDate()}" ${quoted(`lump ${version()}`)} "lump"`,
    '.SH NAME',
    ...filled(`${name} - ${summary.charAt(0).toLowerCase()}${summary.slice(1)}`),
    '.SH SYNOPSIS',
    ...synopsis(command),
    '.SH DESCRIPTION',
    ...paragraphs(sentence(description)),
    ...table(argumentRows(command)),
    ...(commands.length === 0 ? [] : ['.SH COMMANDS', ...subcommandLines(command)]),
    '.SH OPTIONS',
    ...table(optionRows(command)),
    ...(rest === undefined || rest.command.options.length === 0
      ? []
      : [`.SS ${quoted(rest.title)}`, ...table(optionRows(rest.command))]),
    ...(manual.sections ?? []).flatMap(sectionLines),
    ...rowsSection('Environment', manual.environment).flatMap(sectionLines),
    ...rowsSection('Files', manual.files).flatMap(sectionLines),
    ...rowsSection('Exit status', manual.exitStatus).flatMap(sectionLines),
  ];
  if (manual.examples !== undefined && manual.examples.length > 0) {
    lines.push('.SH EXAMPLES', '.nf', ...manual.examples.map(roff), '.fi');
  }
  if (manual.seeAlso !== undefined && manual.seeAlso.length > 0) {
    const sorted = [...manual.seeAlso].sort(bySection);
    const references = sorted.map((reference, i) => {
      const [, page, section] = /^(.*)\((.*)\)$/.exec(reference)!;
      const comma = i < sorted.length - 1 ? ' ,' : '';
      return `.BR ${roff(page!)} (${section})${comma.trim()}`;
    });
    lines.push('.SH "SEE ALSO"', ...references);
  }
  return `${lines.join('\n')}\n`;
}

const bySection = (a: string, b: string): number => {
  const key = (reference: string): string => reference.replace(/^(.*)\((.*)\)$/, '$2 $1');
  return key(a) < key(b) ? -1 : 1;
};
