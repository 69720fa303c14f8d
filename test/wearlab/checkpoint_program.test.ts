/** wear_lab, killed and interrupted: the same command goes on, and the results are the same bytes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const PROGRAM = fileURLToPath(new URL('../../../bin/wear_lab', import.meta.url));

const EXPERIMENT = `
chip: {kind: nor, size: 1 MiB, erasesize: 64 KiB}
workload:
  - {type: hot_cold, files: 8, filesize: 16 KiB, io: 4 KiB}
policy: {name: module, module: mine.mjs}
stop: {erases: 500}
checkpoint: {erases: 100}
seeds: [1, 2]
samples: 10
sweep:
  workload.0.io: [4096]
`;

/** Ends the program by a signal when so many blocks were chosen, and waits for its effect. */
const POLICY = `
const [at, signal] = (process.env.END ?? '').split(' ');
export default ({ c, saved = 0 }) => {
  let chosen = saved;
  return {
    find_gc_block() {
      if (++chosen === Number(at)) {
        process.kill(process.pid, signal);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
      }
      return c.very_dirty_list.first ?? c.dirty_list.first ?? c.clean_list.first;
    },
    save: () => chosen,
  };
};
`;

describe('wear_lab: checkpoints', function () {
  this.timeout(60_000);
  let folder: string;
  let whole: string;

  const wearLab = (end: string, ...args: readonly string[]) => {
    const env = { ...process.env, END: end };
    return spawnSync(process.execPath, [PROGRAM, ...args], { cwd: folder, encoding: 'utf8', env });
  };
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const one = (name: string) => ['run', 'small.yaml', '--seed', '1', '-o', name];
  const left = (): string[] => readdirSync(folder).filter((name) => name.includes('checkpoint'));

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-wear-'));
    writeFileSync(join(folder, 'small.yaml'), EXPERIMENT);
    writeFileSync(join(folder, 'mine.mjs'), POLICY);
    const { status, stderr } = wearLab('', ...one('whole.jsonl'));
    expect(status, stderr).to.equal(0);
    expect(left()).to.deep.equal([]);
    whole = read('whole.jsonl');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('run goes on when it was killed, and killed again', () => {
    const args = one('killed.jsonl');
    for (const [at, pattern] of [
      ['150', /^$/],
      ['350', /^small-s1: goes on from its checkpoint at 2\d %, 1\d\d erases$/m],
    ] as const) {
      const killed = wearLab(`${at} SIGKILL`, ...args);
      expect(killed.signal).to.equal('SIGKILL');
      expect(killed.stderr.replace(/^small-s1: \d+ %,.*\n/gm, '')).to.match(pattern);
      expect(left()).to.deep.equal(['killed.jsonl.small-s1.checkpoint']);
    }
    const again = wearLab('', ...args);
    expect(again.status, again.stderr).to.equal(0);
    expect(again.stderr).to.match(
      /^small-s1: goes on from its checkpoint at 6\d %, 3\d\d erases$/m,
    );
    expect(read('killed.jsonl')).to.equal(whole);
    expect(left()).to.deep.equal([]);
  });

  it('run goes on behind Ctrl-C, and begins again where the checkpoint does not fit', () => {
    const args = one('run.jsonl');
    const interrupted = wearLab('250 SIGINT', ...args);
    expect(interrupted.status, interrupted.stderr).to.equal(130);
    expect(interrupted.stderr).to.match(/interrupted; the same command goes on from the last ch/);
    expect(read('run.jsonl')).to.match(/"reason":"interrupted"/);
    const checkpoint = 'run.jsonl.small-s1.checkpoint';
    const file = join(folder, checkpoint);
    const good = readFileSync(file);
    expect(wearLab('', ...args).stderr).to.match(
      /goes on from its checkpoint at 6\d %, 3\d\d erases$/m,
    );
    expect(read('run.jsonl')).to.equal(whole);
    expect(left()).to.deep.equal([]);

    rmSync(join(folder, 'run.jsonl'));
    writeFileSync(file, good.subarray(0, good.length - 1));
    const again = wearLab('', ...args, '-p', '1');
    const why = 'it is damaged: its checksum is wrong';
    expect(again.stderr).to.include(`small-s1: begins again; ${checkpoint} cannot be used: ${why}`);
    expect(read('run.jsonl')).to.equal(whole);
  });

  it('a sweep goes on behind SIGKILL', () => {
    const args = ['sweep', 'small.yaml', '-o', 'sweep', '-p', '2'];
    expect(wearLab('350 SIGKILL', ...args).signal).to.equal('SIGKILL');
    const again = wearLab('', ...args);
    expect(again.status, again.stderr).to.equal(0);
    expect(again.stderr).to.match(/^small-4096-s[12]: goes on from its checkpoint/m);
    const files = ['small-4096-s1.jsonl', 'small-4096-s2.jsonl'];
    expect(readdirSync(join(folder, 'sweep')).sort()).to.deep.equal(files);
    const ends = (text: string): string => text.slice(text.indexOf('\n'));
    expect(ends(read(`sweep/${files[0]}`))).to.equal(ends(whole));
  });
});
