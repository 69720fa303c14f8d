/** wear_lab as a person runs it: sweeps on one processor and several, interrupted, as jobs. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const BIN = fileURLToPath(new URL('../../../bin', import.meta.url));
const PROGRAM = join(BIN, 'wear_lab');

const SMALL = `
title: Small
chip: {kind: nor, size: 1 MiB, erasesize: 64 KiB, endurance: {cycles: 500}}
workload:
  - {type: hot_cold, files: 8, filesize: 16 KiB, io: 4 KiB}
stop: {host_bytes: 2 MiB}
seeds: [1, 2]
samples: 10
sweep:
  policy.name: [linux, greedy]
`;
/** Long enough to be interrupted, wherever it runs. */
const LONG = SMALL.replace('2 MiB', '500 GiB').replace('[1, 2]', '[1]').replace('samples: 10', '');

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('wear_lab', function () {
  this.timeout(60_000);
  let folder: string;

  const wearLab = (...args: readonly string[]): Outcome =>
    spawnSync(process.execPath, [PROGRAM, ...args], { cwd: folder, encoding: 'utf8' });
  const contents = (name: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(join(folder, name))
        .sort()
        .map((file) => [file, readFileSync(join(folder, name, file), 'utf8')]),
    );

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-wear-'));
    writeFileSync(join(folder, 'small.yaml'), SMALL);
    writeFileSync(join(folder, 'long.yaml'), LONG);
    writeFileSync(join(folder, 'ends.mjs'), 'export default () => process.exit(3);\n');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('sweep gives the same results on one processor and on several', () => {
    const one = wearLab('sweep', 'small.yaml', '-o', 'one', '-p', '1');
    expect(one.status, one.stderr).to.equal(0);
    // Without a terminal: plain lines.
    expect(one.stderr).to.match(/^small-linux-s1: 2\.0 MiB written in .*; ended by host bytes$/m);
    expect(one.stderr).to.not.include('\r');
    const several = wearLab('sweep', 'small.yaml', '-o', 'several', '-p', '4', '-q');
    expect(several.stderr).to.equal('');
    const files = ['linux-s1', 'linux-s2', 'greedy-s1', 'greedy-s2'].map(
      (id) => `small-${id}.jsonl`,
    );
    expect(contents('one')).to.have.all.keys(files);
    expect(contents('several')).to.deep.equal(contents('one'));
  });

  it('sweep goes on where another left off, and refuses a folder of something else', () => {
    rmSync(join(folder, 'several/small-linux-s2.jsonl'));
    const again = wearLab('sweep', 'small.yaml', '-o', 'several');
    expect(again.stderr).to.match(/^3 of 4 runs are there already\nsmall-linux-s2: /);
    expect(contents('several')).to.deep.equal(contents('one'));
    const file = 'several/small-linux-s1.jsonl';
    writeFileSync(join(folder, 'small.yaml'), SMALL.replace('2 MiB', '4 MiB'));
    const refused = wearLab('sweep', 'small.yaml', '-o', 'several');
    writeFileSync(join(folder, 'small.yaml'), SMALL);
    expect(refused.status).to.equal(1);
    expect(refused.stderr).to.include(`${file}: has a run of another experiment (small, seed 1)`);
  });

  it('jobs run by themselves, under GNU parallel, and merge into the same results', () => {
    const { stderr } = wearLab('sweep', 'small.yaml', '--jobs', 'jobs');
    expect(stderr).to.match(/^4 jobs in jobs; each runs by itself/);
    const hasParallel = spawnSync('sh', ['-c', 'parallel --version | grep GNU']).status === 0;
    if (!hasParallel) console.log('      GNU parallel is not installed: the jobs run one by one');
    const command = hasParallel
      ? 'parallel wear_lab run {} -q -o results-{/.}.jsonl ::: jobs/*s1.json'
      : 'for f in jobs/*s1.json; do wear_lab run $f -q -o results-$(basename $f .json).jsonl; done';
    const env = { ...process.env, PATH: `${BIN}:${process.env.PATH}`, PARALLEL_HOME: folder };
    const ran = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8', env });
    expect(ran.status, ran.stderr).to.equal(0);
    const files = readdirSync(folder).filter((file) => file.startsWith('results-'));
    const merged = wearLab('merge', ...files.sort(), files[0]!);
    const wanted = Object.entries(contents('one')).filter(([file]) => file.includes('s1'));
    expect(merged.stdout).to.equal(wanted.map(([, text]) => text).join(''));
  });

  it('run writes its seeds in order, and keeps what is finished', () => {
    const ran = wearLab('run', 'small.yaml', '-o', 'run.jsonl');
    expect(ran.status, ran.stderr).to.equal(0);
    const text = readFileSync(join(folder, 'run.jsonl'), 'utf8');
    const seeds = [...text.matchAll(/"type":"header".*?"seed":(\d+)/g)].map(([, seed]) => seed);
    expect(seeds).to.deep.equal(['1', '2']);
    // The second run was cut off.
    const second = text.lastIndexOf('{"type":"header"');
    writeFileSync(join(folder, 'run.jsonl'), text.slice(0, second + 1000));
    const again = wearLab('run', 'small.yaml', '-o', 'run.jsonl');
    expect(again.stderr).to.match(
      /^small sweeps over policy\.name: .*\n1 of 2 runs are there already\nsmall-s2: /,
    );
    expect(readFileSync(join(folder, 'run.jsonl'), 'utf8')).to.equal(text);
    expect(wearLab('run', 'small.yaml', '-q').stdout).to.equal(text);
  });

  it('Ctrl-C leaves results that a report shows', async () => {
    const child = spawn(process.execPath, [PROGRAM, 'sweep', 'long.yaml', '-p', '2'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const part = join(folder, 'long-results/long-linux-s1.jsonl.part');
    while (!existsSync(part)) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    const status = await new Promise((resolve) => child.once('close', resolve));
    expect(status).to.equal(130);
    expect(said)
      .to.match(/ended by interrupted\n/)
      .and.match(/the same command goes on/);
    const files = Object.keys(contents('long-results'));
    expect(files).to.include('long-linux-s1.jsonl.part');
    expect(files.filter((file) => file.endsWith('.jsonl'))).to.deep.equal([]);
    const report = wearLab('report', 'long-results', '-o', 'long.html');
    expect(report.status, report.stderr).to.equal(0);
  });

  it('a terminal shows a bar, speed and the time left, and takes Ctrl-C', async function () {
    if (spawnSync('script', ['--version']).status !== 0) {
      console.log("      util-linux's script is not installed: nothing is run on a terminal");
      this.skip();
    }
    const short = `'${process.execPath}' '${PROGRAM}' run small.yaml -p 1 --seed 1`;
    const shown = spawnSync('script', ['-qec', short, '/dev/null'], { cwd: folder });
    expect(String(shown.stdout))
      .to.match(/ended by host bytes/)
      .and.match(/results are not kept; with -o FILE/);
    expect(String(shown.stdout)).to.not.include('"type"');
    const command = `'${process.execPath}' '${PROGRAM}' run long.yaml -o bar.jsonl`;
    const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder });
    const closed = new Promise((resolve) => child.once('close', resolve));
    let said = '';
    for await (const text of child.stdout.setEncoding('utf8')) {
      const isFirst = !said.includes(' left');
      said += text;
      if (isFirst && said.includes(' left')) child.stdin.write('\x03');
    }
    expect(await closed).to.equal(130);
    expect(said).to.match(
      /\rwear_lab \[#*\.*\] \d+ % of the run, [\d,]+ erases\/s, [\d.]+ (s|min|h) left/,
    );
    expect(said).to.match(/ending the runs that are under way[\s\S]*interrupted; the same command/);
  });

  it('an experiment may come from standard input, or from options alone', () => {
    const args = [PROGRAM, 'run', '-', '-q', '--seed', '1', '-s', 'stop.host_bytes=64 KiB'];
    const options = { cwd: folder, encoding: 'utf8' as const, input: SMALL };
    const ran = spawnSync(process.execPath, args, options);
    expect(ran.stderr).to.equal('');
    expect(ran.stdout).to.match(/"name":"stdin".*\n(.*\n)*.*"reason":"host_bytes"/);
    const words = ['chip={kind: nor, size: 1 MiB, erasesize: 64 KiB}', 'stop={host_bytes: 64 KiB}'];
    const set = [...words, 'workload=[{type: rotate}]'].flatMap((word) => ['--set', word]);
    expect(wearLab('run', '-q', ...set).stdout).to.match(/"reason":"host_bytes"/);
  });

  it('report and csv take files and folders', () => {
    const report = wearLab('report', 'one', 'run.jsonl', '-o', 'report.html');
    expect(report.stderr).to.match(/^report\.html: (\d+) runs/);
    const page = readFileSync(join(folder, 'report.html'), 'utf8');
    expect(page).to.include('<title>Small</title>').and.include('Clock: modelled, HZ 250');
    const { stdout } = wearLab('csv', 'one');
    expect(stdout.split('\r\n')).to.have.lengthOf(6);
  });

  for (const [what, args, wanted] of [
    ['results that are none', ['report', 'small.yaml'], /^wear_lab: small.yaml: line \d+: is no J/],
    ['a folder without results', ['csv', 'jobs'], /^wear_lab: jobs: there is no \*\.jsonl in this/],
    [
      'a run into a file of something else',
      ['run', 'small.yaml', '-o', 'small.yaml'],
      /another name/,
    ],
    [
      'a sweep into a file',
      ['sweep', 'small.yaml', '-o', 'small.yaml'],
      /small\.yaml: is no folder/,
    ],
    [
      'no such option',
      ['run', '--such'],
      /^wear_lab run: unknown option '--such'; see wear_lab run -/,
    ],
    [
      'an unknown policy, before anything runs',
      ['sweep', 'small.yaml', '--set', 'sweep={policy.name: [linux, gredy]}', '--jobs', 'none'],
      /^wear_lab: small: policy\.name: there is no "gredy"; there are linux/,
    ],
    [
      'a policy that ends the program',
      [
        'run',
        'small.yaml',
        '-q',
        '-p',
        '1',
        '--seed',
        '1',
        '-s',
        'policy={name: module, module: ends.mjs}',
      ],
      /^wear_lab: small-s1: its thread has ended/,
    ],
    [
      'a report over its results',
      ['report', 'run.jsonl', '-o', './run.jsonl'],
      /results themselves/,
    ],
    ['an unknown table', ['csv', '-t', 'pie', 'one'], /Allowed choices are runs, samples, blocks/],
  ] as const) {
    it(`${what}: is refused, and said`, () => {
      const { status, stderr } = wearLab(...args);
      expect(status).to.equal(1);
      expect(stderr).to.match(wanted);
    });
  }
});
