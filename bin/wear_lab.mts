/** wear_lab: how long a flash lasts under a workload, and whether another policy would be better. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { describe, version } from './program.mjs';
import { refusal } from './wear_files.mjs';
import { csv, fields, list, merge, report, run, sweep, TABLE_NAMES } from './wear_actions.mjs';

const NAME = 'wear_lab';
const outcome = { status: 0 };

const several = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('expected a number of at least 1');
  return Number(text);
};

const SEED_MAX = 0xffff_ffff;
const seed = (text: string): number => {
  const isSeed = /^\d+$/.test(text) && Number(text) <= SEED_MAX;
  if (!isSeed) throw new InvalidArgumentError(`expected a number from 0 to ${SEED_MAX}`);
  return Number(text);
};

const collect = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  text,
];

export const program = describe(
  new Command(NAME)
    .description(
      'Runs experiments on the wear of flash: a simulated chip, jffs2 on it, a workload, and ' +
        'modelled time. An experiment is a YAML or JSON file, or one of those that come along; ' +
        'what may stand in it, "wear_lab fields" shows.',
    )
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this text')
    .helpCommand(false)
    .exitOverride(),
  {
    exitStatus: [
      ['0', 'the runs ended as the experiment says'],
      ['1', 'the experiment, the results or the command line are wrong, or a run failed'],
      ['130', 'interrupted; the same command goes on from the last checkpoints'],
    ],
    examples: [
      'wear_lab list',
      'wear_lab sweep datalight',
      'wear_lab report datalight-results',
      'wear_lab run database -o database.jsonl --set stop.host_bytes="64 MiB"',
      'wear_lab run mine.yaml --seed 7 --fidelity full -o mine.jsonl',
    ],
    seeAlso: ['lump_jffs2(1)', 'flash_inspect(1)'],
  },
);

const EXPERIMENT =
  'file, a name that list shows, or - for standard input; left out: --set says all';

const runCommand = program
  .command('run')
  .description(
    'run an experiment, once for each of its seeds; what was interrupted goes on from its checkpoint',
  )
  .argument('[experiment]', EXPERIMENT)
  .option(
    '-o, --output <FILE>',
    'where results go, as JSON lines; - is standard output, the default unless that is a terminal',
  )
  .option('--seed <NUMBER>', 'this seed alone', seed)
  .action(async (name: string | undefined, options) => {
    outcome.status = await run(name, options);
  });

const sweepCommand = program
  .command('sweep')
  .description('run every combination of what an experiment lists under "sweep", with every seed')
  .argument('[experiment]', EXPERIMENT)
  .option('-o, --output <FOLDER>', 'where results go, a file a run (default: NAME-results)')
  .option('--jobs <FOLDER>', 'run nothing; write each run as an experiment of its own')
  .action(async (name: string | undefined, options) => {
    outcome.status = await sweep(name, options);
  });

for (const command of [runCommand, sweepCommand]) {
  command
    .option<readonly string[]>(
      '-s, --set <FIELD=VALUE>',
      'instead of what the experiment says, as fill.static=0.4; may be given several times',
      collect,
    )
    .addOption(
      new Option('--fidelity <WHICH>', 'instead of what the experiment says').choices([
        'full',
        'fast',
      ]),
    )
    .option(
      '-p, --processors <NUMBER>',
      'how many run at a time, instead of as many as can',
      several,
    )
    .option('-q, --quiet', 'no progress, no summary');
}

program
  .command('report')
  .description('make a page of tables and plots, which needs nothing but a browser')
  .argument('<results...>', 'files of results, or folders of them')
  .option('-o, --output <FILE>', 'the page', 'report.html')
  .option('--title <TEXT>', "its title, instead of the experiments'")
  .action((names: string[], options) => {
    outcome.status = report(names, options);
  });

program
  .command('csv')
  .description('write results as comma-separated values')
  .argument('<results...>', 'files of results, or folders of them')
  .addOption(
    new Option('-t, --table <WHICH>', 'a row a run, a sample or an erase block')
      .choices(TABLE_NAMES)
      .default('runs'),
  )
  .option('-o, --output <FILE>', 'where it goes', '-')
  .action((names: string[], options) => {
    outcome.status = csv(names, options);
  });

program
  .command('merge')
  .description('put the results of several files, or machines, into one, each run once')
  .argument('<results...>', 'files of results, or folders of them')
  .option('-o, --output <FILE>', 'where it goes', '-')
  .action((names: string[], options) => {
    outcome.status = merge(names, options);
  });

program
  .command('list')
  .description('show the experiments that come along, and the policies')
  .action(() => {
    outcome.status = list();
  });

program
  .command('fields')
  .description('show what may stand in an experiment, with defaults')
  .option('--json', 'as a JSON Schema, by which editors complete and check experiments')
  .action((options) => {
    outcome.status = fields(options);
  });

for (const command of [program, ...program.commands]) {
  command.exitOverride().configureOutput({
    outputError: (text, write) => {
      const name = command === program ? NAME : `${NAME} ${command.name()}`;
      const cause = text.replace(/^error: /, `${name}: `).replace(/\.?\s*$/, '');
      write(`${cause}; see ${name} --help\n`);
    },
  });
}

export async function main(): Promise<number> {
  try {
    await program.parseAsync();
    return outcome.status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    process.stderr.write(`${NAME}: ${refusal(error)}\n`);
    return 1;
  }
}
