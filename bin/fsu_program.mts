/**
 * What all fsu_ programs share: `fsu_NAME [-fv] [-o options] [-t type] image words`, where the
 * image may be a name of ~/.fsurc, or stand in FSU_DEVICE; mounting it, and the end.
 */
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import {
  EXIT_USAGE,
  HostTree,
  ImageTree,
  Output,
  OutputError,
  ToolError,
  commandLine,
  commandOf,
  confirm,
  decode,
  encode,
  runTool,
  standardInput,
  writeAll,
  type ByteText,
  type OpenedTree,
  type SecondImage,
  type Session,
  type Tool,
} from '../src/fs-utils/index.js';
import { MountOptionError, parseMountOptions } from '../src/fuse/mount_options.js';
import { NodeHost } from '../src/rumpuser/node.js';
import {
  loadHandlers,
  modload,
  mount,
  mountHandlers,
  type MountOptions,
  type MountedImage,
  type PuffsHandlers,
} from '../src/ukfs/index.js';
import { MountError } from '../src/ukfs/mount_jffs2.js';
import { JFFS2_MOUNT_OPTIONS } from './jffs2_options.mjs';
import { describe, version, type Program } from './program.mjs';

/** 128 and the number of SIGPIPE: what a shell shows of a program that a closed pipe ended. */
const EXIT_SIGPIPE = 141;
/** Of printk: the kernel's messages up to this one are shown without -v. */
const LOGLEVEL_ERR = 3;
const COMMENT = /^\s*(#|$)/;

interface ImageWords {
  readonly image: ByteText;
  readonly type: string | undefined;
  readonly options: readonly string[];
  /** Files of drivers, to be loaded first. */
  readonly modules: readonly string[];
  readonly verbose: boolean;
  /** Of the tool. */
  readonly rest: readonly ByteText[];
}

/** Wrong words; the message is for the person. */
class UsageError extends Error {}

function commonCommand(tool: Tool): Command {
  const usage = tool.usage.split('\n').map((line, i) => {
    const common = `[-fv] [-m driver] [-o options] [-t type] image ${line}`;
    return i === 0 ? common : `fsu_${tool.name} ${common}`;
  });
  return new Command(`fsu_${tool.name}`)
    .description(tool.about)
    .usage(usage.join('\n       '))
    .argument(
      '<image>',
      'file or block device with the file system; file%OFFSET:start,size% is a part of it',
    )
    .argument('[words...]', "the tool's options and operands, as in the first line and below")
    .option('-f', 'the image is a file, not a name of ~/.fsurc')
    .option<string[]>('-m <driver>', 'load a driver from this module first', (file, before) => [
      ...(before ?? []),
      file,
    ])
    .option<string[]>('-o <options>', 'mount options, separated by commas', (text, before) => [
      ...(before ?? []),
      text,
    ])
    .option('-t <type>', 'its type, instead of the one detected; puffs: image is a module')
    .option('-v', 'tell what was found, and the messages of the file system')
    .passThroughOptions()
    .version(version(), '-V, --version', 'show the version')
    .helpOption('--help', 'show this text')
    .exitOverride();
}

export function fsuProgram(tool: Tool): Program {
  const program = commonCommand(tool);
  const name = program.name();
  describe(program, {
    rest: { title: `Options of ${name}, after the image`, command: commandOf(tool) },
    sections: [
      ...(tool.notes ?? []),
      {
        title: 'Mount options of jffs2',
        rows: JFFS2_MOUNT_OPTIONS.map(({ name: word, value, meaning }) => [
          value === undefined ? word : `${word}=${value}`,
          meaning,
        ]),
      },
    ],
    environment: [
      ['FSU_DEVICE', 'the image; the command line has only words of the tool then'],
      ['FSU_TYPE', 'as -t'],
      ['FSU_MNTOPTS', 'as -o'],
      ['FSU_MODULE', 'as -m'],
      ['BLOCKSIZE', 'the unit of blocks in listings; 512'],
    ],
    files: [
      [
        '~/.fsurc',
        'names of images, a line each: "name : image : type : mount options"; # comments',
      ],
    ],
    exitStatus: [
      ...(tool.exitStatus ?? [
        ['0', 'all was done'],
        ['1', 'something failed, as was said'],
      ]),
      [String(EXIT_USAGE), 'the command line is wrong, or the image cannot be used'],
    ],
    examples: (tool.examples ?? []).map((words) => `${name} flash.bin ${words}`.trimEnd()),
    seeAlso: [...(tool.seeAlso ?? []), 'lump_jffs2(1)'],
  });
  return { program, main: () => run(tool, program) };
}

/** @throws UsageError, CommanderError */
function readWords(program: Command, argv: readonly ByteText[]): ImageWords {
  const { FSU_DEVICE, FSU_TYPE, FSU_MNTOPTS, FSU_MODULE } = process.env;
  const fromEnvironment = {
    type: FSU_TYPE || undefined,
    options: FSU_MNTOPTS ? [FSU_MNTOPTS] : [],
    modules: FSU_MODULE ? [FSU_MODULE] : [],
  };
  // With the image in the environment, all words are the tool's: -t and -v are often its own.
  if (FSU_DEVICE && argv[0] !== '--help' && argv[0] !== '--version') {
    return { ...fromEnvironment, image: encode(FSU_DEVICE), verbose: false, rest: argv };
  }
  program.parse([...argv], { from: 'user' });
  const { f, m, o, t, v } = program.opts<{
    f?: true;
    m?: string[];
    o?: string[];
    t?: string;
    v?: true;
  }>();
  const [image, ...rest] = program.args as [string, ...string[]];
  if (image === '') throw new UsageError('the image is an empty word');
  const alias = f ? undefined : aliasOf(image);
  return {
    image: alias?.image ?? image,
    type: t ?? alias?.type ?? fromEnvironment.type,
    options: o ?? alias?.options ?? fromEnvironment.options,
    modules: m ?? fromEnvironment.modules,
    verbose: v === true,
    rest,
  };
}

/** A line of ~/.fsurc. @throws UsageError */
function aliasOf(name: ByteText): Omit<ImageWords, 'rest' | 'verbose' | 'modules'> | undefined {
  let text: string;
  try {
    text = readFileSync(join(homedir(), '.fsurc'), 'latin1');
  } catch {
    return undefined;
  }
  for (const line of text.split('\n')) {
    if (COMMENT.test(line)) continue;
    const [alias, image, type, options, server] = line.split(':').map((word) => word.trim());
    if (alias !== name || !image) continue;
    if (server)
      throw new UsageError(`~/.fsurc: ${name}: programs that serve file systems are not run`);
    return {
      image: image.startsWith('~/') ? encode(join(homedir(), decode(image.slice(2)))) : image,
      type: type || undefined,
      options: options ? [options] : [],
    };
  }
  return undefined;
}

interface MountWords extends Pick<ImageWords, 'image' | 'type' | 'options' | 'verbose'> {
  readonly writes: boolean | 'if possible';
  /** Instead of the image, for type puffs. */
  readonly handlers?: PuffsHandlers | undefined;
}

/** @throws MountError, MountOptionError */
function mountImage(words: MountWords, say: (line: string) => void): MountedImage {
  const { fileSystem, readOnly, session } = parseMountOptions(words.options, JFFS2_MOUNT_OPTIONS);
  const host = new NodeHost({
    console: (level, line) => {
      if (words.verbose || level <= LOGLEVEL_ERR) say(line);
    },
  });
  const { writes } = words;
  const options: MountOptions = {
    ...(fileSystem as MountOptions),
    readOnly: readOnly || writes === false,
    sync: session.sync === true,
    ...(words.type !== undefined && { type: words.type }),
  };
  const mounted = words.handlers
    ? mountHandlers(words.handlers, { readOnly: options.readOnly === true }, host)
    : mount(decode(words.image), options, host);
  if (words.verbose) for (const line of mounted.report) say(line);
  if (writes === true && mounted.readOnly) {
    const why = readOnly
      ? ['mount option ro']
      : mounted.report.filter((line) => line.startsWith('read-only: '));
    mounted.unmount();
    throw new MountError('EROFS', `${decode(words.image)}: it can only be read: ${why.join('; ')}`);
  }
  return mounted;
}

/** A directory of the host is its tree; anything else is mounted. @throws ToolError */
function openSecond(
  name: ByteText,
  { type, options, writes }: SecondImage,
  verbose: boolean,
  say: (line: string) => void,
): OpenedTree {
  if (type === undefined && isHostDirectory(name)) {
    return { tree: new HostTree(name), close: () => {} };
  }
  try {
    const words = { image: name, type, options: options === undefined ? [] : [options], verbose };
    const mounted = mountImage({ ...words, writes }, say);
    return { tree: new ImageTree(mounted.ukfs), close: () => unmount(mounted) };
  } catch (error) {
    if (!(error instanceof MountError || error instanceof MountOptionError)) throw error;
    const isMissing = writes === true && error instanceof MountError && error.code === 'ENOENT';
    const advice = isMissing ? '; makefs and mkfs.jffs2 make images' : '';
    throw new ToolError(`${encode(error.message)}${advice}`, EXIT_USAGE);
  }
}

const isHostDirectory = (name: ByteText): boolean =>
  statSync(Buffer.from(name, 'latin1'), { throwIfNoEntry: false })?.isDirectory() === true;

/** @throws ToolError */
function unmount(mounted: MountedImage): void {
  try {
    mounted.unmount();
  } catch (error) {
    if (!(error instanceof MountError)) throw error;
    throw new ToolError(`${encode(error.message)}; what was written last may be missing`);
  }
}

async function run(tool: Tool, program: Command): Promise<number> {
  const name = program.name();
  const out = new Output((bytes) => writeAll(1, bytes));
  const err = new Output((bytes) => writeAll(2, bytes));
  const complain = (text: ByteText): number => {
    err.write(`${name}: ${text}\n`);
    err.flush();
    return EXIT_USAGE;
  };
  let words: ImageWords;
  try {
    program.configureOutput({ writeErr: () => {} });
    words = readWords(program, commandLine());
  } catch (error) {
    if (error instanceof UsageError) return complain(error.message);
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    const text = error.message.replace(/^error: /, '').replace(/\.?\s*$/, '');
    return complain(`${text}; see ${name} --help`);
  }
  if (words.rest[0] === '--help') {
    program.outputHelp();
    return 0;
  }
  const say = (line: string): void => {
    err.write(`${name}: ${encode(line)}\n`);
    err.flush();
  };
  let mounted: MountedImage;
  try {
    const writes = typeof tool.writes === 'function' ? tool.writes(words.rest) : tool.writes;
    for (const file of words.modules) {
      if (!(await modload(file))) throw new MountError('ENOENT', `${file} needs another module`);
    }
    const isPuffs = words.type === 'puffs';
    const handlers = isPuffs ? await loadHandlers(decode(words.image)) : undefined;
    mounted = mountImage({ ...words, writes, handlers }, say);
  } catch (error) {
    if (!(error instanceof MountError || error instanceof MountOptionError)) throw error;
    return complain(encode(error.message));
  }
  const session: Session = {
    image: new ImageTree(mounted.ukfs),
    host: new HostTree(),
    imagePath: words.image,
    type: mounted.type,
    readOnly: mounted.readOnly,
    out,
    err,
    environment: process.env,
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    umask: process.umask(),
    confirm,
    input: standardInput,
    openSecond: (image, how) => openSecond(image, how, words.verbose, say),
  };
  let status: number;
  try {
    status = await runTool(tool, session, words.rest);
  } catch (error) {
    status = endOfOutput(error, complain);
  }
  try {
    unmount(mounted);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    complain(error.message);
    status = Math.max(status, 1);
  }
  return status;
}

/** Standard output failed. @throws what is not that */
function endOfOutput(error: unknown, complain: (text: string) => number): number {
  if (!(error instanceof OutputError)) throw error;
  if (error.reason === 'EPIPE') return EXIT_SIGPIPE;
  const isFull = error.reason === 'ENOSPC';
  complain(`standard output: ${isFull ? 'No space left on device' : error.reason}`);
  return 1;
}
