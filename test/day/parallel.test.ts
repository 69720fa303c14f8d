/**
 * Several programs at once on one flash, small enough that garbage must be collected under them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { hostTree } from '../images/host_tree.js';
import { text } from '../images/material.js';
import { assertSameTree } from '../images/tree.js';
import { writeFileSync, mkdirSync } from 'node:fs';
import { Flash, obstacle, TIME_LIMIT_MS } from './rig.js';

const OBSTACLE = obstacle('git', 'rsync', 'sqlite3', 'python3', 'tar');
const WRITERS = 4;
const LINES = 1500;

/** Runs scripts side by side. @throws Error with what the first one that failed has said. */
async function together(flash: Flash, folder: string, scripts: readonly string[]): Promise<void> {
  await Promise.all(
    scripts.map(
      (script, i) =>
        new Promise<void>((resolve, reject) => {
          const child = flash.start(folder, script, `${i}`);
          let said = '';
          for (const stream of [child.stdout!, child.stderr!]) {
            stream.setEncoding('utf8').on('data', (part: string) => {
              said += part;
            });
          }
          child.once('close', (status) =>
            status === 0 ? resolve() : reject(new Error(`status ${status}: ${script}\n${said}`)),
          );
        }),
    ),
  );
}

for (const cache of ['writeback_cache', 'no_writeback_cache']) {
  describe(`programs side by side: ${cache}`, function () {
    if (OBSTACLE !== undefined) {
      it(`(skipped: ${OBSTACLE})`);
      return;
    }
    this.timeout(TIME_LIMIT_MS);
    let flash: Flash;

    beforeEach(() => {
      flash = new Flash({ mebibytes: 12, options: [cache] });
      flash.mount();
    });
    afterEach(() => {
      flash.remove();
    });

    function expectSameAfterRemount(): void {
      const before = hostTree(flash.mountpoint);
      flash.remount();
      assertSameTree('remounted', before, hostTree(flash.mountpoint), { ignoreAtRoot: ['mtime'] });
    }

    it("appending to one file: every line is there, whole, in its writer's order", async () => {
      const script = `i=0; while [ $i -lt ${LINES} ]; do echo "$1 $i" >>log; i=$((i + 1)); done`;
      await together(flash, flash.mountpoint, Array(WRITERS).fill(script));
      const next = Array<number>(WRITERS).fill(0);
      for (const line of readFileSync(flash.at('log'), 'utf8').trimEnd().split('\n')) {
        const [writer, number] = line.split(' ').map(Number) as [number, number];
        expect(number, line).to.equal(next[writer]++);
      }
      expect(next).to.deep.equal(Array(WRITERS).fill(LINES));
      expectSameAfterRemount();
    });

    it('creating, renaming, linking and removing in one directory', async () => {
      const names = 40;
      const script = `exec python3 -c "
import os, random
me = int('$1'); chance = random.Random(me)
for i in range(800):
    a, b = ('name %d' % chance.randrange(${names}) for _ in 'ab')
    try:
        match chance.randrange(5):
            case 0: os.close(os.open(a, os.O_CREAT | os.O_WRONLY)); open(a, 'w').write(a * 20)
            case 1: os.rename(a, b)
            case 2: os.link(a, b)
            case 3: os.unlink(a)
            case 4: os.stat(a); open(a).read()
    except (FileNotFoundError, FileExistsError): pass
"`;
      await together(flash, flash.mountpoint, Array(WRITERS).fill(script));
      const left = readdirSync(flash.mountpoint);
      expect(new Set(left).size).to.equal(left.length);
      for (const name of left) expect(name).to.match(/^name \d+$/);
      expectSameAfterRemount();
    });

    it('renaming files and directories from one directory to another', async () => {
      flash.sh(
        flash.mountpoint,
        'for d in 0 1 2 3 4 5; do mkdir $d; for f in 0 1 2 3; do echo $d$f >$d/$f; done; done',
      );
      const script = `exec python3 -c "
import os, random
chance = random.Random(int('$1'))
def directories():
    return [at for at, _, _ in os.walk('.')]
for i in range(300):
    all = directories()
    place, target = chance.choice(all), chance.choice(all)
    try:
        name = chance.choice(os.listdir(place))
        os.rename(place + '/' + name, target + '/' + name + chance.choice(['', '', 'x', 'y']))
    except (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError): pass
    except IndexError: pass
    except OSError as e:
        # Into itself; onto a directory that is not empty; the name has become too long.
        if e.errno not in (22, 39, 36, 16): raise
"`;
      await together(flash, flash.mountpoint, Array(WRITERS).fill(script));
      // Nothing is unreachable or twice: what a rename did not replace is there, once.
      const found = flash.sh(flash.mountpoint, 'find . -type f -exec cat {} + | sort | uniq -d');
      expect(found).to.equal('');
      const directories = flash.sh(flash.mountpoint, 'find . -type d -printf "%n %p\\n"');
      for (const line of directories.trimEnd().split('\n')) {
        const [links, path] = [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)];
        const below = flash.sh(
          flash.mountpoint,
          'find "$1" -mindepth 1 -maxdepth 1 -type d | wc -l',
          path,
        );
        // The root of a jffs2 has one link more.
        expect(Number(links), path).to.equal(2 + Number(below) + Number(path === '.'));
      }
      expectSameAfterRemount();
    });

    it('counting in one mapping of one file', async () => {
      const rounds = 3000;
      flash.python(flash.mountpoint, `put('map', b'\\0' * 8192)`);
      const script = `exec python3 -c "
import mmap, os, struct
me = int('$1')
with open('map', 'r+b') as f: map = mmap.mmap(f.fileno(), 8192)
for i in range(${rounds}):
    for at in (me * 4, 4096 + me * 4):
        struct.pack_into('<I', map, at, struct.unpack_from('<I', map, at)[0] + 1)
    if i % 500 == 0: map.flush()
"`;
      await together(flash, flash.mountpoint, Array(WRITERS).fill(script));
      const counts = (): number[] => {
        const bytes = readFileSync(flash.at('map'));
        return Array.from({ length: WRITERS }, (_, me) => [
          bytes.readUInt32LE(me * 4),
          bytes.readUInt32LE(4096 + me * 4),
        ]).flat();
      };
      expect(counts()).to.deep.equal(Array(2 * WRITERS).fill(rounds));
      flash.remount();
      expect(counts()).to.deep.equal(Array(2 * WRITERS).fill(rounds));
    });

    it('interrupted and killed in the middle of their calls', async () => {
      const victims = [
        'exec dd if=/dev/zero of="$1" bs=1M count=3 conv=fsync',
        'exec find . -exec cat {} + >/dev/null',
        'while :; do seq 2000 >"$1" && sync "$1" && mv "$1" "$1-moved" && rm "$1-moved"; done',
        'while :; do mkdir "d$1" && rmdir "d$1"; ln -s "$1" "l$1" && rm "l$1"; done',
      ];
      const signals = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
      flash.sh(flash.mountpoint, 'seq 100000 >kept && sync kept');
      for (let round = 0; round < 8; round++) {
        const children = victims.map((script, i) =>
          flash.start(
            flash.mountpoint,
            `exec setsid sh -c '${script}' sh "$1" 2>&1`,
            `${round}-${i}`,
          ),
        );
        const ended = children.map(
          (child) => new Promise((resolve) => child.once('exit', resolve)),
        );
        await new Promise((resolve) => setTimeout(resolve, 20 + 37 * round));
        for (const [i, child] of children.entries()) {
          const signal = signals[(round + i) % signals.length]!;
          try {
            // With all that it has started.
            process.kill(-child.pid!, signal);
          } catch {
            child.kill(signal);
          }
        }
        await Promise.all(ended);
        // The server is not impressed.
        flash.sh(
          flash.mountpoint,
          'seq 100000 | cmp - kept && echo goes on >"$1"',
          `after${round}`,
        );
        flash.sh(flash.mountpoint, 'rm -rf [0-9]* d* l*');
      }
      expectSameAfterRemount();
      expect(readdirSync(flash.mountpoint).sort()[0]).to.equal('after0');
    });

    it('git, rsync, sqlite3, tar and rm over a flash that must be collected', async () => {
      const source = flash.beside('source');
      for (let folder = 0; folder < 6; folder++) {
        mkdirSync(`${source}/${folder}`);
        for (let file = 0; file < 12; file++) {
          writeFileSync(`${source}/${folder}/${file}`, text(9000 + 100 * file, 20 * folder + file));
        }
      }
      const { mountpoint } = flash;
      await together(flash, mountpoint, [
        `git init -q git && cd git && git config user.name d && git config user.email d@e.f
         git config gc.auto 0 && git config maintenance.auto false
         for i in 1 2 3 4 5 6 7 8; do
           cp -r '${source}' . && seq $((i * 1000)) >numbers && git add . && git commit -qm $i
           rm -r source && git rm -rq --cached source && git commit -qm "not $i"
         done
         git gc -q --prune=now`,
        `for i in 1 2 3 4 5; do
           rsync -a '${source}/' copy && rsync -a --delete --exclude=$i '${source}/' copy
         done
         rsync -a --delete '${source}/' copy`,
        `sqlite3 t.db 'create table t(i integer primary key, b blob)'
         for i in $(seq 40); do
           sqlite3 t.db "insert into t select null, randomblob(700) from t limit 30;
             insert into t values (null, randomblob(900)); delete from t where i % 9 = 0"
         done`,
        `for i in 1 2 3 4 5 6; do tar -cf archive -C '${source}' . && mkdir x && tar -xf archive -C x
           diff -r x '${source}' && rm -r x; done`,
        `for i in $(seq 30); do head -c 400000 /dev/urandom >junk && cp junk junk2 && rm junk junk2; done`,
      ]);
      flash.sh(mountpoint, 'diff -r copy "$1" && git -C git fsck --full --strict', source);
      expectSameAfterRemount();
      flash.sh(mountpoint, 'diff -r copy "$1" && git -C git fsck --full --strict', source);
      const answer = flash.sh(mountpoint, "sqlite3 t.db 'pragma integrity_check'");
      expect(answer).to.equal('ok\n');
    });
  });
}
