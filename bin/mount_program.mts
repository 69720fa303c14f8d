/**
 * The command line that all mounting executables share: `NAME [-f] [-o options] image mountpoint`.
 * Parses; src/fuse does the rest.
 */
import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { EXIT_MOUNT_FAILED, EXIT_USAGE, runMountCommand } from '../src/fuse/command.js';
import {
  GENERIC_MOUNT_OPTIONS,
  MountOptionError,
  parseMountOptions,
  type MountOptionRow,
} from '../src/fuse/mount_options.js';
import { kernelWords, sessionOptions, transportName } from '../src/fuse/session_options.js';
import { describe, version, type ManualRow, type Program } from './program.mjs';

export interface MountProgram {
  /** Of the executable; the mount shows as fuse.NAME. */
  readonly name: string;
  readonly description: string;
  /** The file system's own mount options, and the title over them in the help text. */
  readonly options: readonly MountOptionRow[];
  readonly optionsTitle: string;
  /** Paragraph between the options and the examples. */
  readonly notes: string;
  /** Command lines. */
  readonly examples: readonly string[];
  /** NetBSD's option letters beside -f, -o, -r and -w: each stands for the option of its word. */
  readonly letters?: readonly OptionLetter[];
  /** The first argument is a name only, no file. */
  readonly isNodev?: boolean;
  /** URL of the file system's module; open() gets the options by name, and {@link ImageOptions}. */
  readonly module: string;
}

export interface OptionLetter {
  readonly letter: string;
  /** A word of `options`; with a value, if it has one there. */
  readonly word: string;
}

/** What every file system's module is told besides its own options. */
export interface ImageOptions {
  /** Absolute path. */
  readonly image: string;
  readonly readOnly: boolean;
  /** -o sync: every write is on the medium before it is answered. */
  readonly sync: boolean;
  /** Of a file system that is made of a blank medium: whoever mounts it. */
  readonly rootOwner: { readonly uid: number; readonly gid: number };
}

const optionRows = (rows: readonly MountOptionRow[]): ManualRow[] =>
  rows
    .filter((row) => row.fate !== 'refused' && row.meaning !== '')
    .map((row) => [row.value === undefined ? row.name : `${row.name}=${row.value}`, row.meaning]);

/** An empty path would be the current folder. */
function notEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('It is empty.');
  return text;
}

/** What a letter is called where it is listed. */
function letterText({ letter, word }: OptionLetter, options: MountProgram['options']): string {
  const row = options.find(({ name }) => name === word)!;
  return row.value === undefined ? `-${letter}` : `-${letter} <${row.value.toLowerCase()}>`;
}

function commandOf(program: MountProgram): Command {
  const { name, letters = [], isNodev = false } = program;
  const first = isNodev ? 'special' : 'image';
  const command = new Command(name)
    .description(program.description)
    .usage(`${letters.length === 0 ? '[-f] [-o options]' : '[options]'} ${first} mountpoint`)
    .argument(
      `<${first}>`,
      isNodev ? 'a name for the mount; there is no medium' : 'file with the content of the medium',
      notEmpty,
    )
    .argument('<mountpoint>', 'directory to mount on', notEmpty)
    .option('-f', 'stay in the foreground, with messages on the terminal')
    .option<string[]>('-o <options>', 'mount options, separated by commas', (text, before) => [
      ...(before ?? []),
      text,
    ])
    .option('-r', 'the same as -o ro')
    .option('-w', 'the same as -o rw')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this text')
    .configureOutput({
      outputError: (text, write) => {
        write(
          `${text.replace(/^error: /, `${name}: `).replace(/\.?\s*$/, '')}; see ${name} --help\n`,
        );
      },
    })
    .exitOverride();
  for (const letter of letters) {
    const text = letterText(letter, program.options);
    command.option(text, `the same as -o ${letter.word}${text.includes('<') ? '=…' : ''}`);
  }
  if (!letters.some(({ letter }) => letter === 's')) {
    command.option('-s', "accepted for libfuse's sake: one thread serves in any case");
  }
  return describe(command, {
    sections: [
      { title: program.optionsTitle, rows: optionRows(program.options) },
      { title: 'General mount options', rows: optionRows(GENERIC_MOUNT_OPTIONS) },
      {
        title: 'Notes',
        text: `${program.notes}\nUnmount with umount(8), or as an ordinary user with fusermount3 -u.`,
      },
      {
        title: 'fstab',
        text:
          "In /etc/fstab, through mount.fuse3 of Debian's package fuse3; mount(8) looks for " +
          'programs in its own\nPATH only, such as /usr/local/bin and /usr/bin, so that elsewhere ' +
          'the second form is needed:\n\n' +
          `  /var/image.bin  /mnt  fuse.${name}  noauto,ro  0  0\n` +
          `  /path/to/${name}#/var/image.bin  /mnt  fuse  noauto,ro  0  0`,
      },
    ],
    examples: program.examples,
    exitStatus: [
      ['0', 'mounted; in the foreground: and unmounted again'],
      [String(EXIT_USAGE), 'the command line is wrong'],
      [String(EXIT_MOUNT_FAILED), 'it could not be mounted'],
    ],
    seeAlso: ['mount(8)', 'fusermount3(1)', 'umount(8)'],
  });
}

/** The words after -o that letters stand for. */
function letterWords(program: MountProgram, flags: Readonly<Record<string, unknown>>): string[] {
  return (program.letters ?? []).flatMap(({ letter, word }) => {
    const value = flags[letter];
    if (value === undefined) return [];
    return value === true ? [word] : [`${word}="${String(value)}"`];
  });
}

export function mountProgram(program: MountProgram): Program {
  const command = commandOf(program);
  return { program: command, main: () => run(program, command) };
}

async function run(program: MountProgram, command: Command): Promise<number> {
  const { name } = program;
  try {
    command.parse();
    const flags = command.opts<{
      r?: true;
      w?: true;
      f?: true;
      o?: string[];
      [letter: string]: unknown;
    }>();
    const parsed = parseMountOptions(
      [
        ...(flags.r ? ['ro'] : []),
        ...(flags.w ? ['rw'] : []),
        ...(flags.o ?? []),
        ...letterWords(program, flags),
      ],
      program.options,
    );
    const [imageArgument, mountpoint] = command.args as [string, string];
    if (process.platform === 'win32') {
      process.stderr.write(
        `${name}: Windows has no FUSE to mount with; fsu_ls, fsu_get, fsu_put and the other fsu_ ` +
          'programs work on images without mounting\n',
      );
      return EXIT_MOUNT_FAILED;
    }
    const imageOptions: ImageOptions = {
      image: resolve(imageArgument),
      readOnly: parsed.readOnly,
      sync: parsed.session.sync === true,
      rootOwner: { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
    };
    return await runMountCommand({
      name,
      foreground: flags.f === true,
      readOnly: parsed.readOnly,
      transport: transportName(parsed),
      request: {
        module: program.module,
        moduleOptions: { ...parsed.fileSystem, ...imageOptions },
        mountpoint: mountpoint.startsWith('/dev/fd/') ? mountpoint : resolve(mountpoint),
        source: String(
          parsed.session.fsname ?? (program.isNodev ? imageArgument : imageOptions.image),
        ),
        subtype: name,
        mountOptions: kernelWords(parsed),
        session: sessionOptions(parsed),
      },
    });
  } catch (error) {
    // Help and version end here as well, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    if (!(error instanceof MountOptionError)) throw error;
    process.stderr.write(`${name}: ${error.message}\n`);
    return EXIT_USAGE;
  }
}
