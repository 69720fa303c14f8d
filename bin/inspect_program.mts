/** The command line of flash_inspect: options only; what the commands do is in inspect_actions. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { REPORT_SCHEMA } from '../src/inspect/schema.js';
import { FSCK } from '../src/inspect/check.js';
import { parseBytes } from './jffs2_options.mjs';
import { describe, version } from './program.mjs';
import * as actions from './inspect_actions.mjs';
import { EXIT, Interrupted, Run, sentence, type ImageArguments } from './inspect_run.mjs';

const bytes = (text: string): number => {
  try {
    return parseBytes(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
};

/** "2048+64", or "none". */
const page = (text: string): { writesize: number; oobsize: number } | false => {
  if (text === 'none') return false;
  const match = /^(\d+)\+(\d+)$/.exec(text);
  const [writesize, oobsize] = [Number(match?.[1]), Number(match?.[2])];
  const isPage = match !== null && writesize >= 256 && writesize % 256 === 0 && oobsize <= 1024;
  if (!isPage)
    throw new InvalidArgumentError('expected bytes of data and OOB, as 2048+64, or none');
  return { writesize, oobsize };
};

const number = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a number');
  return Number(text);
};

const EXIT_STATUS: readonly (readonly [string, string])[] = [
  ['0', 'complete; of diff: no difference'],
  ['1', 'partial, what is missing was said; of diff: they differ'],
  ['2', 'not done'],
  ['130', 'interrupted; a second Ctrl-C ends at once'],
  [
    'check, repair',
    "fsck(8)'s bits: 1 corrected, 4 errors left, 8 not done, 16 usage, 32 interrupted",
  ],
];

const EXAMPLES: readonly string[] = [
  'flash_inspect info flash.bin',
  'flash_inspect ls -lR flash.bin',
  'flash_inspect extract flash.bin folder',
  'flash_inspect history --format csv flash.bin > timeline.csv',
  'flash_inspect recover -o found flash.bin',
  'flash_inspect cat --inode 12 --at-version 3 flash.bin',
  'flash_inspect carve -o part router-dump.bin',
];

/** Where the exit status goes. */
export interface Outcome {
  status: number;
}

/** @returns the command with all its subcommands; running it sets `outcome.status`. */
export function flashInspectCommand(outcome: Outcome): Command {
  const program = new Command('flash_inspect')
    .description(
      'Looks into images of JFFS2 flash without mounting them: what is there now, what was ' +
        'there before, what is damaged. Images are only read, but for repair --in-place.',
    )
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this text')
    .helpCommand(false);
  describe(program, { exitStatus: EXIT_STATUS, examples: EXAMPLES });

  type Act = (
    run: Run,
    args: readonly (string | undefined)[],
    options: never,
  ) => number | Promise<number>;
  /** A command that reads an image. */
  const add = (usage: string, summary: string, act: Act, isFsck = false): Command => {
    const command = program
      .command(usage)
      .description(summary)
      .option(
        '-e, --erasesize <bytes>',
        'size of an erase block, instead of the one detected',
        bytes,
      )
      .addOption(
        new Option('--endian <order>', 'byte order, instead of the one detected').choices([
          'little',
          'big',
        ]),
      )
      .option('--offset <bytes>', 'where in the file the flash starts', bytes)
      .option('--size <bytes>', 'bytes of the file that belong to the flash', bytes)
      .option(
        '--page <data+oob>',
        'page of a NAND dump, instead of the one detected; or none',
        page,
      )
      .addOption(
        new Option('--ecc <code>', 'with --page: the code in OOB').choices(['hamming', 'none']),
      )
      .option('--json', 'print a report in JSON; "flash_inspect schema" prints its schema');
    command.action(async (...given: unknown[]) => {
      const args = given.slice(0, -2) as (string | undefined)[];
      const options = given.at(-2) as ImageArguments;
      const run = new Run(command.name(), args[0]!, options);
      try {
        outcome.status = await act(run, args, options as never);
      } catch (error) {
        if (error instanceof Interrupted) {
          run.trouble('interrupted');
          outcome.status = isFsck ? FSCK.CANCELLED : EXIT.INTERRUPTED;
          return;
        }
        run.trouble(sentence(error));
        outcome.status = isFsck ? FSCK.OPERATIONAL : EXIT.TROUBLE;
      }
    });
    return command;
  };

  add('info <image>', 'what it is, why we think so, and what is needed to build it again', (run) =>
    actions.infoAction(run),
  );
  add('ls <image> [path]', 'the names in a directory, as a mount would show them', (run, args, o) =>
    actions.lsAction(run, args[1] ?? '.', o),
  )
    .option('-l, --long', 'mode, links, owner, size, time, target')
    .option('-R, --recursive', 'and what is below');
  add('cat <image> [path]', 'the bytes of a file', (run, args, o) =>
    actions.catAction(run, args[1], o),
  )
    .option('-i, --inode <number>', 'instead of a path: also one that has no name any more', number)
    .option('--at-version <number>', 'as it was at this version', number);
  add('extract <image> <folder>', 'the tree, into a new or empty folder', (run, args, o) =>
    actions.extractAction(run, args[1]!, o),
  )
    .option('-p, --path <path>', 'only this file, or what is below this directory')
    .option('--no-owner', 'files belong to who extracts; the default for ordinary users')
    .option('--no-special', 'leave devices and fifos out');
  add('nodes <image>', 'every node on the flash, in force or not', (run, _, o) =>
    actions.nodesAction(run, o),
  )
    .option('-i, --inode <number>', 'only those of an inode', number)
    .option('-a, --all', 'also what lies between nodes: erased flash and dirt');
  add('blocks <image>', 'state, bytes and wear of each erase block', (run) =>
    actions.blocksAction(run),
  );
  add('history <image>', 'every version of every file and name, as a timeline', (run, _, o) =>
    actions.historyAction(run, o),
  )
    .option('-p, --path <path>', 'only this path')
    .option('-i, --inode <number>', 'only this inode', number)
    .addOption(
      new Option('-f, --format <form>', 'body: for mactime(1)')
        .choices(['text', 'csv', 'body'])
        .default('text'),
    );
  add('recover <image>', 'deleted names, earlier versions, orphans', (run, _, o) =>
    actions.recoverAction(run, o),
  ).option('-o, --output <folder>', 'write their contents into a new or empty folder');
  add('check <image>', 'what is wrong with it', (run) => actions.checkAction(run), true);
  add(
    'repair <image>',
    'clears what must not be believed; nothing readable is lost',
    (run, _, o) => actions.repairAction(run, o),
    true,
  )
    .option('-o, --output <file>', 'write a repaired copy')
    .option('--in-place', 'change the image itself');
  add('carve <file>', 'find JFFS2 file systems in a dump of anything', (run, _, o) =>
    actions.carveAction(run, o),
  ).option('-o, --output <prefix>', 'write each to PREFIX-N.jffs2');
  add('oob <image>', "a NAND dump's pages: ECC, bad blocks, cleanmarkers", (run, _, o) =>
    actions.oobAction(run, o),
  ).option('-o, --output <file>', 'write the data without OOB, corrected');
  add('diff <image> <other>', 'what differs between the trees of two images', (run, args) =>
    actions.diffAction(run, args[1]!),
  );
  add('convert <image>', 'the same flash in another form', (run, _, o) =>
    actions.convertAction(run, o),
  )
    .requiredOption('-o, --output <file>', 'where to')
    .addOption(new Option('--to-endian <order>', 'byte order').choices(['little', 'big']))
    .option('--to-erasesize <bytes>', 'pack what is in force into other erase blocks', bytes)
    .option('--to-page <data+oob>', 'as NAND pages with OOB and Hamming ECC, as 2048+64', page);
  program
    .command('schema')
    .description('the JSON Schema of what --json prints')
    .action(() => {
      process.stdout.write(`${JSON.stringify(REPORT_SCHEMA, null, 2)}\n`);
    });
  return program;
}

/** Subcommands in which a wrong usage answers fsck's bit. */
const FSCK_COMMANDS = ['check', 'repair'];

/** Runs the program. @returns the exit status. */
export async function runFlashInspect(program: Command, outcome: Outcome): Promise<number> {
  const { argv } = process;
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      outputError: (text, write) => {
        const name = command === program ? 'flash_inspect' : `flash_inspect ${command.name()}`;
        const cause = text.replace(/^error: /, `${name}: `).replace(/\.?\s*$/, '');
        write(`${cause}; see ${name} --help\n`);
      },
    });
  }
  try {
    await program.parseAsync(argv);
    return outcome.status;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    return FSCK_COMMANDS.includes(argv[2] ?? '') ? FSCK.USAGE : EXIT.TROUBLE;
  }
}
