/**
 * What is promised to be on stable storage is there: in a copy of the image file that is taken at
 * the moment at which the call returns, with the server still running and the file still open.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { expect } from 'chai';
import { Running, jffs2Command, mountsBelow, umount, until } from '../fuse/server.js';
import { mountJffs2 } from '../../src/ukfs/mount_jffs2.js';
import { Ukfs } from '../../src/ukfs/ukfs.js';
import { Flash, obstacle, TIME_LIMIT_MS } from './rig.js';

const OBSTACLE = obstacle('python3');
const CACHES = ['writeback_cache', 'no_writeback_cache', 'sync'] as const;

/** A call after which `data` must be in the file "kept"; `fd` is open for reading and writing. */
const PROMISES: Readonly<Record<string, string>> = {
  'fsync(2)': 'os.write(fd, data); os.fsync(fd)',
  'fdatasync(2)': 'os.write(fd, data); os.fdatasync(fd)',
  'fsync(2) through another descriptor':
    "os.write(fd, data); os.fsync(os.open('kept', os.O_RDONLY))",
  O_SYNC: "put('kept', data, os.O_WRONLY | os.O_SYNC)",
  O_DSYNC: "put('kept', data, os.O_WRONLY | os.O_DSYNC)",
  RWF_SYNC: 'os.pwritev(fd, [data], 0, os.RWF_SYNC)',
  'syncfs(2)': 'os.write(fd, data); expect(c(libc.syncfs, fd), 0)',
  'sync(2)': 'os.write(fd, data); os.sync()',
  'sync_file_range(2) and fdatasync(2)':
    'os.write(fd, data); libc.sync_file_range(fd, 0, 0, 7); os.fdatasync(fd)',
  'msync(2)': `
os.ftruncate(fd, len(data)); map = mmap.mmap(fd, len(data)); map[:] = data; map.flush()`,
  'truncation and fsync(2)':
    'os.write(fd, data + b"more"); os.fsync(fd); os.ftruncate(fd, len(data)); os.fsync(fd)',
  'O_DIRECT and fsync(2)': `
page = mmap.mmap(-1, len(data)); page[:] = data
direct = os.open('kept', os.O_WRONLY | os.O_DIRECT); os.write(direct, page); os.fsync(direct)`,
  'a rename and fsync(2) of its directory': `
put('new', data); os.fsync(os.open('new', os.O_RDONLY)); os.rename('new', 'kept')
os.fsync(os.open('.', os.O_RDONLY))`,
  'a link and fsync(2) of the file': `
os.unlink('kept'); put('new', data); os.link('new', 'kept')
os.fsync(os.open('kept', os.O_RDONLY))`,
};

for (const cache of CACHES) {
  describe(`durability: ${cache}`, function () {
    if (OBSTACLE !== undefined) {
      it(`(skipped: ${OBSTACLE})`);
      return;
    }
    this.timeout(TIME_LIMIT_MS);
    let flash: Flash;
    let directories = 0;

    before(() => {
      flash = new Flash({ mebibytes: 8, options: [cache] });
      flash.mount();
    });
    after(() => {
      flash.remove();
    });

    for (const [title, promise] of Object.entries(PROMISES)) {
      it(`after ${title}`, () => {
        const name = `${directories++}`;
        const copy = `${flash.image}.copy`;
        flash.python(
          flash.directory(name),
          `
import shutil
data = hashlib.shake_256(b'${name}').digest(20480)
fd = os.open('kept', os.O_CREAT | os.O_RDWR)
${promise}
shutil.copyfile(*sys.argv[1:])
os._exit(0)`,
          flash.image,
          copy,
        );
        expect(readFileSync(flash.at(`${name}/kept`)).length).to.equal(20_480);
        const kept = inLibrary(copy, (ukfs) => Buffer.from(ukfs.readFile(`/${name}/kept`)));
        expect(kept.equals(readFileSync(flash.at(`${name}/kept`)))).to.equal(true);
      });
    }

    it('after umount(8), as soon as the server is gone', () => {
      const directory = flash.directory('unmounted');
      flash.sh(directory, 'seq 100000 >numbers && mkdir -p a/b/c && ln -s numbers link');
      flash.umount();
      flash.waitForServer();
      copyFileSync(flash.image, `${flash.image}.copy`);
      flash.mount();
      inLibrary(`${flash.image}.copy`, (ukfs) => {
        expect(Buffer.from(ukfs.readFile('/unmounted/numbers'))).to.deep.equal(
          readFileSync(flash.at('unmounted/numbers')),
        );
        expect(ukfs.readlink('/unmounted/link')).to.equal('numbers');
        expect(ukfs.readdir('/unmounted/a/b')).to.deep.equal(['c']);
      });
    });
  });
}

function inLibrary<T>(image: string, look: (ukfs: Ukfs) => T): T {
  const mounted = mountJffs2({ image, readOnly: true, sidecar: false });
  try {
    return look(new Ukfs(mounted.fs));
  } finally {
    mounted.unmount();
  }
}

describe('a server that is killed', function () {
  const reason = obstacle('sqlite3', 'git');
  if (reason !== undefined) {
    it(`(skipped: ${reason})`);
    return;
  }
  this.timeout(TIME_LIMIT_MS);

  it('in the middle of a day: what was committed is there, the mount point is free', async () => {
    const flash = new Flash({ mebibytes: 32 });
    try {
      const server = new Running(jffs2Command(flash.image, flash.mountpoint, '-f'));
      await server.says('flash:');
      const git = flash.directory('git');
      const database = flash.directory('database');
      flash.sh(database, "sqlite3 t.db 'create table t(i integer); insert into t values (0)'");
      flash.sh(
        git,
        'git init -q . && git config core.fsync all && git config user.name d && git config user.email d@e.f',
      );
      // Both tell what is committed, after it is, on a file beside the mount.
      const told = flash.beside('told');
      const writers = [
        flash.start(
          database,
          `i=0; while i=$((i + 1)); do sqlite3 t.db "insert into t values ($i)"; echo $i >"$1/sqlite"; done`,
          told,
        ),
        flash.start(
          git,
          `i=0; while i=$((i + 1)); do
             seq $i >file && git add file && git commit -qm $i && git rev-parse HEAD >"$1/new"
             mv "$1/new" "$1/git"
           done`,
          told,
        ),
      ];
      const ended = writers.map((child) => new Promise((resolve) => child.once('exit', resolve)));
      const numberTold = (): number =>
        existsSync(`${told}/sqlite`) ? Number(readFileSync(`${told}/sqlite`, 'utf8')) : 0;
      await until(() => numberTold() >= 10 && existsSync(`${told}/git`));
      server.kill('SIGKILL');
      await server.ended;
      await Promise.all(ended);
      await until(() => mountsBelow(flash.mountpoint).length === 0);
      expect(readdirSync(flash.mountpoint)).to.deep.equal([]);

      flash.mount();
      const count = flash.sh(
        database,
        "sqlite3 t.db 'pragma integrity_check; select max(i) from t'",
      );
      expect(count).to.match(/^ok\n\d+\n$/);
      expect(Number(count.split('\n')[1])).to.be.at.least(numberTold());
      const commit = readFileSync(`${told}/git`, 'utf8').trim();
      flash.sh(
        git,
        'rm -f .git/index.lock .git/HEAD.lock .git/refs/heads/*.lock; git fsck --full --strict 2>&1; git cat-file -e "$1^{tree}"; git merge-base --is-ancestor "$1" HEAD',
        commit,
      );
      flash.umount();
    } finally {
      flash.remove();
    }
  });

  it('loses what was not synced, and nothing else', async () => {
    const flash = new Flash({ mebibytes: 8 });
    try {
      const server = new Running(jffs2Command(flash.image, flash.mountpoint, '-f'));
      await server.says('flash:');
      flash.sh(flash.mountpoint, 'seq 10000 >kept && sync kept');
      const fd = openSync(flash.at('lost'), 'w');
      writeSync(fd, 'only in the cache');
      server.kill('SIGKILL');
      await server.ended;
      // The descriptor dies with this process; closing it now is an error, as it should be.
      await until(() => mountsBelow(flash.mountpoint).length === 0);
      flash.mount();
      expect(readFileSync(flash.at('kept'), 'utf8')).to.match(/\n10000\n$/);
      expect(['', 'only in the cache']).to.include(readFileSync(flash.at('lost'), 'utf8'));
      execFileSync('sh', ['-c', 'echo goes on >"$0/new"', flash.mountpoint]);
      umount(flash.mountpoint);
    } finally {
      flash.remove();
    }
  });
});
