/** Traces: recorded at the waist, read from files, and done again. */
import { expect } from 'chai';
import { Memfs } from '../../src/puffs/memfs.js';
import { puffs_trace, type TraceRecord } from '../../src/puffs/trace.js';
import { Ukfs } from '../../src/ukfs/ukfs.js';
import { runExperiment } from '../../src/wearlab/run.js';
import { parseTrace, TraceError } from '../../src/wearlab/trace_files.js';
import { experimentOf, refusal } from './material.js';

/** What `act` does to a file system on which `before` was done, as a trace. */
function record(act: (fs: Ukfs) => void, before: (fs: Ukfs) => void = () => {}): string[] {
  const memfs = new Memfs();
  before(new Ukfs(memfs));
  const lines: string[] = [];
  let clock = 10;
  const traced = puffs_trace(memfs, {
    now: () => {
      clock += 0.5;
      return clock;
    },
    started: new Date(0),
    line: (text) => lines.push(text),
    flush: () => {},
  });
  act(new Ukfs(traced));
  return lines;
}

const recordsOf = (lines: readonly string[]): Omit<TraceRecord, 's'>[] =>
  lines.slice(1).map((line) => {
    const { s, ...rest } = JSON.parse(line) as TraceRecord;
    expect(s).to.be.a('number');
    return rest;
  });

/** Without pauses. */
const script = (text: string) => parseTrace(text, 'x').filter(({ op }) => op !== 'pause');

describe('wearlab: traces of a mount', () => {
  it('have what was done, and what was there', () => {
    const lines = record(
      (fs) => {
        fs.writeFile('etc/new', new Uint8Array(10));
        const fd = fs.open('etc/old', 'r+');
        fs.write(fd, new Uint8Array(5000), 0, 5000, 100);
        fs.ftruncate(fd, 50);
        fs.fsync(fd);
        fs.close(fd);
        fs.rename('etc/new', 'newer');
        fs.link('newer', 'linked');
        fs.chmod('newer', 0o600);
        fs.unlink('newer');
        fs.symlink('target', 'sym');
        fs.sync();
      },
      (fs) => {
        fs.mkdir('etc');
        fs.writeFile('etc/old', new Uint8Array(777));
      },
    );
    expect(JSON.parse(lines[0]!)).to.include({ lumpTrace: 1, started: '1970-01-01T00:00:00.000Z' });
    const ops = recordsOf(lines);
    expect(ops.map(({ op }) => op)).to.deep.equal(
      'found create write found write truncate fsync rename link attributes remove create sync'.split(
        ' ',
      ),
    );
    expect(ops[0]).to.deep.include({ op: 'found', name: 'etc', type: 'directory' });
    expect(ops[3]).to.deep.include({ op: 'found', name: 'old', type: 'file', bytes: 777 });
    expect(ops[4]).to.deep.include({ op: 'write', offset: 100, bytes: 5000 });
    expect(ops[7]).to.deep.include({ op: 'rename', name: 'new', toName: 'newer' });
    expect(ops[11]).to.deep.include({ op: 'create', type: 'symlink', bytes: 6 });
    expect(script(lines.join('\n'))).to.deep.equal(
      (({ etc, root }) => [
        { op: 'existing', name: `${root}:etc`, length: 0 },
        { op: 'create', name: `${etc}:new` },
        { op: 'write', name: `${etc}:new`, offset: 0, length: 10 },
        { op: 'existing', name: `${etc}:old`, length: 777 },
        { op: 'write', name: `${etc}:old`, offset: 100, length: 5000 },
        { op: 'truncate', name: `${etc}:old`, length: 50 },
        { op: 'fsync', name: `${etc}:old` },
        { op: 'rename', name: `${etc}:new`, to: `${root}:newer` },
        { op: 'create', name: `${root}:linked` },
        { op: 'rename', name: `${root}:newer`, to: `${root}:linked` },
        { op: 'create', name: `${root}:sym` },
        { op: 'write', name: `${root}:sym`, offset: 0, length: 6 },
        { op: 'sync' },
      ])({
        etc: (JSON.parse(lines[1]!) as { node: number }).node,
        root: (JSON.parse(lines[0]!) as { root: number }).root,
      }),
    );
  });

  it('pass through what fails, and do not record it', () => {
    const lines = record((fs) => {
      expect(() => fs.unlink('missing')).to.throw('ENOENT');
      expect(() => fs.rmdir('missing')).to.throw('ENOENT');
      fs.mkdir('a');
      expect(() => fs.mkdir('a')).to.throw('EEXIST');
      fs.rmdir('a');
    });
    expect(recordsOf(lines).map(({ op }) => op)).to.deep.equal(['create', 'remove']);
  });

  it('keep apart files of one name, and replaced ones', () => {
    const lines = record((fs) => {
      fs.mkdir('a');
      fs.writeFile('a/f', 'one');
      fs.writeFile('f', 'two!');
      fs.rename('f', 'a/f');
      fs.writeFile('a/f', 'more');
      fs.unlink('a/f');
    });
    const names = script(lines.join('\n')).flatMap((one) => ('name' in one ? [one.name] : []));
    const there = new Set<string>();
    for (const one of script(lines.join('\n'))) {
      if (one.op === 'create') there.add(one.name);
      if (one.op === 'unlink') expect(there.delete(one.name), one.name).to.equal(true);
      if (one.op === 'write') expect(there.has(one.name), one.name).to.equal(true);
      if (one.op === 'rename') {
        expect(there.delete(one.name), one.name).to.equal(true);
        there.add(one.to);
      }
    }
    expect(there.size).to.equal(1);
    expect(new Set(names).size).to.equal(3);
  });

  it('are done again, in modelled time', () => {
    const text = record((fs) => {
      for (let n = 0; n < 60; n++) {
        fs.writeFile('state.new', new Uint8Array(20_000));
        fs.rename('state.new', 'state');
      }
      fs.sync();
    }).join('\n');
    const experiment = experimentOf({
      chip: { kind: 'nor', size: '1 MiB', erasesize: '64 KiB' },
      workload: [{ type: 'trace', trace: 'x' }],
      stop: { host_bytes: '1 GiB' },
      fidelity: 'full',
    });
    const traces = new Map([['x', parseTrace(text, 'x')]]);
    const end = runExperiment(experiment, 1, { traces });
    expect(end).to.include({ reason: 'trace_end', hostBytes: 60 * 20_000 });
    expect(end.chipErases).to.be.greaterThan(5);
    // Half a second between two records, more or less.
    expect(end.deviceUs / 1e6).to.be.greaterThan(60);
  });
});

const BLKPARSE = `
  8,0    1        1     0.000000000   512  Q  WS 2048 + 16 [sqlite3]
  8,0    1        2     0.000001000   512  G  WS 2048 + 16 [sqlite3]
  8,0    1        3     0.000002000   512  D  WS 2048 + 16 [sqlite3]
  8,0    0        1     0.250000000   513  Q   W 999999 + 2 [kworker]
  8,0    0        2     0.250500000   513  Q   R 10 + 8 [cat]
  8,0    0        3     0.251000000   513  Q  FN [jbd2]
  8,0    0        4     1.000000000   513  Q   W 2056 + 8 [kworker]
  8,0    0        5     1.000500000     0  C  WS 2048 + 16 [0]
  8,0    0        6     1.100000000   513  Q   D 2048 + 8 [fstrim]
CPU0 (8,0):
 Reads Queued:           1,        4KiB  Writes Queued:           3,       13KiB
Total (8,0):
`;

describe('wearlab: traces of others', () => {
  it("blkparse's text: what was queued, as a file of the places that were written to", () => {
    expect(parseTrace(BLKPARSE, 'x')).to.deep.equal([
      { op: 'write', name: 'disk', offset: 0, length: 8192 },
      { op: 'fsync', name: 'disk' },
      { op: 'pause', ms: 250 },
      // Sector 999,999 is the last of its 4 KiB, and the next one the first of the next.
      { op: 'write', name: 'disk', offset: 8192 + 3584, length: 1024 },
      { op: 'pause', ms: 1 },
      { op: 'fsync', name: 'disk' },
      { op: 'pause', ms: 749 },
      { op: 'write', name: 'disk', offset: 4096, length: 4096 },
      { op: 'pause', ms: 100 },
    ]);
    // Only what was completed is there.
    const completed = BLKPARSE.split('\n').filter((line) => / C |^\s*$/.test(line));
    expect(script(completed.join('\n'))).to.deep.equal([
      { op: 'write', name: 'disk', offset: 0, length: 8192 },
      { op: 'fsync', name: 'disk' },
    ]);
  });

  it("DiskSim's", () => {
    expect(parseTrace('# a comment\n0.5 0 80 8 0\n2.5 0 0 8 1\n10 0 88 4 0\n', 'x')).to.deep.equal([
      { op: 'write', name: 'disk', offset: 0, length: 4096 },
      { op: 'pause', ms: 2 },
      { op: 'pause', ms: 7.5 },
      { op: 'write', name: 'disk', offset: 4096, length: 2048 },
    ]);
  });

  for (const [what, text, wanted] of [
    ['nothing', '', /^x.trace: nothing in it writes/],
    ['only reads', '0.5 0 80 8 1\n', /nothing in it writes/],
    ['text', 'hello world\n', /^x.trace: line 1: is of no known trace: neither .* blkparse/],
    ['JSON of another kind', '{"a": 1}\n', /line 1: is no header of a trace of lump_jffs2/],
    ['a later version', '{"lumpTrace": 2}\n', /version 1/],
    ['a cut line', '{"lumpTrace":1,"root":1}\n{"s":1,"op":"wr', /line 2: is no JSON; was .* cut/],
    ['an unknown file', trace('{"s":1,"op":"write","node":7}'), /file 7 was neither found nor/],
    ['an unknown operation', trace('{"s":1,"op":"fly"}'), /operation "fly" is not known/],
    ['a record without a time', trace('{"op":"sync"}'), /line 2: has no time/],
    [
      'a negative size',
      trace('{"s":1,"op":"create","node":2,"dir":1,"name":"a","type":"file","bytes":-1}'),
      /line 2: -1 where a number of a file, or of bytes/,
    ],
    ['two mounts', trace('{"lumpTrace":1,"root":1}'), /line 2: a second header/],
    [
      'blkparse in another format',
      `${BLKPARSE.split('\nCPU')[0]}\nsda W 17\n`,
      /line 11: is no line/,
    ],
    ['two devices', '0.5 0 80 8 0\n0.6 1 80 8 0\n', /line 2: of device 1; a trace is of one/],
    ['columns that are others', '0.5 0 8 99999999 0\n', /a write of 99999999 sectors/],
    ['a disk without end', '0.5 0 99999999999999 8 0\n', /line 1: the disk would be larger/],
  ] as const) {
    it(`${what} is refused`, () => {
      expect(refusal(TraceError, () => parseTrace(text, 'x.trace'))).to.match(wanted);
    });
  }
});

function trace(...lines: readonly string[]): string {
  return ['{"lumpTrace":1,"root":1,"started":""}', ...lines, ''].join('\n');
}
