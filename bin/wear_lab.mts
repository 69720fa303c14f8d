/** wear_lab: how long a flash lasts under a workload, and whether another policy would be better. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { describe, version } from './program.mjs';
import { list, run } from './wear_actions.mjs';

const NAME = 'wear_lab';
const outcome = { status: 0 };

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
      ['130', 'interrupted; what was written up to then is a result'],
    ],
    examples: [
      'wear_lab list',
      'wear_lab run datalight-10 -o results.jsonl',
      'wear_lab run mine.yaml --seed 7 --fidelity full',
    ],
    seeAlso: ['lump_jffs2(1)', 'flash_inspect(1)'],
  },
);

program
  .command('run')
  .description('run an experiment, once for each of its seeds')
  .argument('<experiment>', 'file, or a name that list shows')
  .option('-o, --output <FILE>', 'where results go, as JSON lines', '-')
  .option('--seed <NUMBER>', 'this seed alone', seed)
  .option('--fidelity <WHICH>', 'full or fast, instead of what the experiment says')
  .option('-q, --quiet', 'no progress, no summary')
  .helpOption('-h, --help', 'show this text')
  .action(async (name: string, options) => {
    outcome.status = await run(name, options);
  });

program
  .command('list')
  .description('show the experiments that come along, and the policies')
  .helpOption('-h, --help', 'show this text')
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
