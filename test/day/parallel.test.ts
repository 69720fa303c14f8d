/** Several programs at once on one flash, small enough that garbage must be collected under them. */
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
