/** wear_lab: how long a flash lasts under a workload, and whether another policy would be better. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { describe, version } from './program.mjs';
import { csv, list, merge, report, run, sweep, TABLE_NAMES } from './wear_actions.mjs';

const NAME = 'wear_lab';
const outcome = { status: 0 };

const several = (text: string): number => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('expected a number of at least 1');
  return Number(text);
};

const seed = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a number');
  return Number(text);
};

export const program = describe(
  new Command(NAME)
    .description(
      'Runs experiments on the wear of flash: a simulated chip, jffs2 on it, a workload, and ' +
        'modelled time. An experiment is a YAML or JSON file, or one of those that come along.',
    )
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this text')
    .helpCommand(false)
    .exitOverride(),
  {
    exitStatus: [
      ['0', 'the runs ended as the experiment says'],
      ['1', 'an experiment that cannot be run'],
      ['130', 'interrupted; the same command goes on from the last checkpoints'],
    ],
    examples: [
      'wear_lab list',
      'wear_lab run datalight -o results.jsonl',
      'wear_lab run mine.yaml --seed 7 --fidelity full',
    ],
    seeAlso: ['lump_jffs2(1)', 'flash_inspect(1)'],
  },
);

const runCommand = program
  .command('run')
  .description(
    'run an experiment, once for each of its seeds; what was interrupted goes on from its checkpoint',
  )
  .argument('<experiment>', 'file, or a name that list shows')
  .option('-o, --output <FILE>', 'where results go, as JSON lines', '-')
  .option('--seed <NUMBER>', 'this seed alone', seed)
  .action(async (name: string, options) => {
    outcome.status = await run(name, options);
  });

const sweepCommand = program
  .command('sweep')
  .description('run every combination of what an experiment lists under "sweep", with every seed')
  .argument('<experiment>', 'file, or a name that list shows')
  .option('-o, --output <FOLDER>', 'where results go, a file a run (default: NAME-results)')
  .option('--jobs <FOLDER>', 'run nothing; write each run as an experiment of its own')
  .action(async (name: string, options) => {
    outcome.status = await sweep(name, options);
  });

for (const command of [runCommand, sweepCommand]) {
  command
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

export async function main(): Promise<number> {
  try {
    await program.parseAsync();
    return outcome.status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    process.stderr.write(`${NAME}: ${(error as Error).message}\n`);
    return 1;
  }
}
