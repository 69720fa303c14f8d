/** What a day's programs do on a flash, each in a directory of its own. */
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { hostTree } from '../images/host_tree.js';
import { text } from '../images/material.js';
import { makeTree } from '../images/source_tree.js';
import { assertSameTree } from '../images/tree.js';
import type { Flash } from './rig.js';

export interface DayProgram {
  readonly name: string;
  /** Executables without which it cannot run. */
  readonly needs: readonly string[];
  /** Works in a new directory of the mount. */
  work(flash: Flash, directory: string): void;
  /** What must hold there after the work, and again after a remount. */
  check(flash: Flash, directory: string): void;
}

const PACKAGES = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/**
 * A folder beside the mount with everything there is, as far as the user may copy it. The same for
 * every program of a row.
 */
function sourceOf(flash: Flash): string {
  const folder = flash.workspace.path('source');
  try {
    mkdirSync(folder);
  } catch {
    return folder;
  }
  makeTree(folder);
  // The medium has 16 bits for each.
  lchownSync(`${folder}/text.4096`, 60_000, 65_535);
  if (flash.uid !== 0) {
    // Nobody copies what is not his, what he may not read, or what only root may make.
    rmSync(`${folder}/special/console`);
    rmSync(`${folder}/special/disk`);
    chmodSync(`${folder}/directory/unreadable`, 0o400);
    flash.asRoot(
      `
      setfattr -x trusted.key hello
      setfattr -x security.label hello
      setfattr -h -x trusted.link links/relative
      chown -hR ${flash.uid}:${flash.uid} .`,
      folder,
    );
  }
  return folder;
}

/** The root directory's own time and mode are the test's doing. */
function expectSame(what: string, source: string, copy: string): void {
  assertSameTree(what, hostTree(source, { xattrs: true }), hostTree(copy, { xattrs: true }));
}

const cp: DayProgram = {
  name: 'cp -a',
  needs: ['cp', 'setfattr', 'setfacl', 'getfattr'],
  work(flash, directory) {
    flash.sh(
      directory,
      'cp -a "$1" copy && cp -a copy again && cp -a again/. third',
      sourceOf(flash),
    );
    flash.sh(directory, 'cp --sparse=always -r again/. sparse && cp --reflink=auto copy/zeros z');
  },
  check(flash, directory) {
    for (const copy of ['copy', 'again', 'third']) {
      expectSame(copy, sourceOf(flash), `${directory}/${copy}`);
    }
    flash.sh(directory, 'cmp sparse/zeros z && cmp sparse/sparse copy/sparse');
  },
};

const tar: DayProgram = {
  name: 'tar',
  needs: ['tar', 'setfattr', 'setfacl', 'getfattr'],
  work(flash, directory) {
    const keep = "--xattrs --xattrs-include='*' --acls";
    flash.sh(
      directory,
      `mkdir copy again
       tar ${keep} -C "$1" --exclude=./special/socket -cf - . | tar ${keep} -xpf - -C copy
       tar ${keep} --sparse -C copy -czf archive.tar.gz .
       tar ${keep} -C again -xpzf archive.tar.gz`,
      sourceOf(flash),
    );
  },
  check(flash, directory) {
    // tar has no sockets.
    const source = hostTree(sourceOf(flash), { xattrs: true });
    const expected = source.filter(({ path }) => path !== 'special/socket');
    for (const copy of ['copy', 'again']) {
      const actual = hostTree(`${directory}/${copy}`, { xattrs: true });
      assertSameTree(copy, expected, actual);
    }
    flash.sh(directory, 'tar --diff -zf archive.tar.gz -C again');
  },
};

const rsync: DayProgram = {
  name: 'rsync',
  needs: ['rsync', 'setfattr', 'setfacl', 'getfattr'],
  work(flash, directory) {
    const source = sourceOf(flash);
    flash.sh(
      directory,
      `rsync -aHAX "$1/" copy
       # Something is gone, something is new, something has changed; rsync mends it all.
       rm -r copy/many
       mkdir copy/extra && echo x >copy/extra/file
       printf changed >>copy/hello && chmod 700 copy/shell && touch copy/empty
       rsync -aHAX --delete --checksum "$1/" copy
       rsync -aHAX --inplace --no-whole-file copy/ again`,
      source,
    );
  },
  check(flash, directory) {
    for (const copy of ['copy', 'again']) {
      expectSame(copy, sourceOf(flash), `${directory}/${copy}`);
    }
    const differences = flash.sh(
      directory,
      'rsync -aHAXni --delete --checksum "$1/" copy; rsync -aHAXni --delete --checksum copy/ again',
      sourceOf(flash),
    );
    expect(differences).to.equal('');
  },
};

const git: DayProgram = {
  name: 'git',
  needs: ['git'],
  work(flash, directory) {
    flash.sh(
      directory,
      `git config --global user.name Day && git config --global user.email day@example.org
       git config --global init.defaultBranch main
       # Nothing goes on behind the test's back.
       git config --global maintenance.auto false && git config --global gc.auto 0
       git init -q origin && cd origin
       i=0
       while [ $i -lt 12 ]; do
         mkdir -p "folder $i" && seq $i $((i * 60 + 40)) >"folder $i/numbers"
         ln -s "folder $i/numbers" "link $i"
         printf '#!/bin/sh\\necho %d\\n' $i >run && chmod +x run
         git add -A && git commit -qm "commit $i"
         i=$((i + 1))
       done
       git tag -a v1 -m v1
       git checkout -qb side HEAD~4 && echo side >side && git add side && git commit -qm side
       git checkout -q main && git merge -q --no-edit side
       git mv 'folder 3' 'moved 3' && git commit -qam moved
       git repack -q && git gc -q --aggressive --prune=now
       cd .. && git clone -q "file://$PWD/origin" clone && cd clone
       git checkout -qb work && echo more >>'folder 7/numbers' && git commit -qam more
       git rebase -q HEAD~1 && git push -q origin work && git gc -q
       git worktree add -q ../tree v1
       echo staged >staged && git add staged && echo dirty >>run
       git stash -q && git stash pop -q`,
    );
  },
  check(flash, directory) {
    flash.sh(
      directory,
      `for repository in origin clone; do
         git -C "$repository" fsck --full --strict --no-dangling 2>&1
       done
       test -z "$(git -C origin status --porcelain)"
       test "$(git -C clone status --porcelain)" = ' M run
A  staged'
       test "$(git -C clone rev-parse work)" = "$(git -C origin rev-parse work)"
       test "$(git -C origin rev-list --count main)" = 15
       test "$(tree/run)" = 11
       test "$(cat 'clone/link 5')" = "$(seq 5 340)"`,
    );
  },
};

const SQLITE_ROWS = 4000;
const sqlite: DayProgram = {
  name: 'sqlite3',
  needs: ['sqlite3'],
  work(flash, directory) {
    const fill = `
      create table t(id integer primary key, word text, blob blob);
      with recursive n(i) as (select 1 union all select i + 1 from n where i < ${SQLITE_ROWS})
      insert into t select i, 'word ' || i, zeroblob(i % 50) from n;
      create index words on t(word);`;
    const change = `
      begin; update t set word = word || '!' where id % 7 = 0; commit;
      begin; delete from t; rollback;
      delete from t where id % 10 = 0; vacuum;`;
    for (const mode of ['delete', 'truncate', 'persist', 'wal']) {
      flash.sh(
        directory,
        'sqlite3 -bail "$1.db" "$2"',
        mode,
        `pragma journal_mode=${mode};${fill}`,
      );
      flash.sh(directory, 'sqlite3 -bail "$1.db" "$2"', mode, change);
    }
    // A writer is killed in the middle of a transaction whose pages are in the file already.
    flash.sh(
      directory,
      `cp delete.db killed.db
       { echo 'pragma cache_size=5; begin; update t set word = upper(word);'
         echo ".shell kill -9 \\$PPID"; } | sqlite3 killed.db || true
       test -s killed.db-journal`,
    );
  },
  check(flash, directory) {
    const count = SQLITE_ROWS - SQLITE_ROWS / 10;
    for (const name of ['delete', 'truncate', 'persist', 'wal', 'killed']) {
      const question = `pragma integrity_check; select count(*), sum(word glob 'word*!'),
        sum(word glob 'WORD*') from t;`;
      const answer = flash.sh(directory, 'sqlite3 -bail "$1.db" "$2"', name, question);
      expect(answer, name).to.equal(`ok\n${count}|514|0\n`);
    }
  },
};

const vim: DayProgram = {
  name: 'vim',
  needs: ['vim.tiny'],
  work(flash, directory) {
    writeFileSync(`${directory}/notes`, text(5000, 1));
    writeFileSync(`${directory}/long`, text(300_000, 2));
    flash.asRoot(`chown ${flash.uid}:${flash.uid} notes long; chmod 640 notes`, directory);
    flash.sh(
      directory,
      // Ex mode reads its commands here; vim writes a swap file, a backup, and over the original.
      `ln notes notes.link
       vim.tiny -u NONE -es -c 'set backup bsk= backupcopy=yes' -c '%s/flash/FLASH/g' -c wq notes
       vim.tiny -u NONE -es -c 'set backup bsk= backupcopy=no' -c '1,100d' -c '1copy $' -c wq long
       test -z "$(ls -A | grep '\\.sw')"`,
    );
  },
  check(flash, directory) {
    const edited = text(5000, 1).toString().replaceAll('flash', 'FLASH');
    expect(readFileSync(`${directory}/notes.link`, 'utf8').trimEnd()).to.equal(edited.trimEnd());
    expect(readFileSync(`${directory}/notes~`)).to.deep.equal(text(5000, 1));
    expect(readFileSync(`${directory}/long~`)).to.deep.equal(text(300_000, 2));
    expect(flash.sh(directory, 'stat -c "%a %h" notes')).to.equal('640 2\n');
    const rest = text(300_000, 2).toString().split('\n').slice(100);
    expect(readFileSync(`${directory}/long`, 'utf8').split('\n')).to.deep.equal([
      ...rest,
      rest[0],
      '',
    ]);
  },
};

/** Small packages that are here anyway, as archives: the registry is not asked. */
const NPM_PACKAGES = ['commander', 'crc-32', 'fflate'];
const npm: DayProgram = {
  name: 'npm ci',
  needs: ['npm', 'tar'],
  work(flash, directory) {
    const archives = flash.beside('archives');
    const dependencies: Record<string, string> = {};
    const packages: Record<string, object> = {
      '': { name: 'day', version: '1.0.0', dependencies },
    };
    for (const name of NPM_PACKAGES) {
      flash.asRoot(
        'tar -C "$1" --transform "s,^$2,package," -czf "$3/$2.tgz" "$2"',
        '.',
        PACKAGES,
        name,
        archives,
      );
      dependencies[name] = `file:${archives}/${name}.tgz`;
      const { version, bin, engines } = JSON.parse(
        readFileSync(`${PACKAGES}/${name}/package.json`, 'utf8'),
      ) as { version: string; bin?: object; engines?: object };
      packages[`node_modules/${name}`] = {
        version,
        resolved: dependencies[name],
        ...(bin && { bin }),
        ...(engines && { engines }),
      };
    }
    const project = { name: 'day', version: '1.0.0' };
    const write = (file: string, content: object): void => {
      writeFileSync(`${directory}/${file}`, `${JSON.stringify(content, null, 2)}\n`);
    };
    write('package.json', { ...project, dependencies });
    write('package-lock.json', { ...project, lockfileVersion: 3, requires: true, packages });
    const quiet = '--offline --no-audit --no-fund --no-update-notifier --loglevel=error';
    // Twice: the second one removes what the first one installed.
    flash.sh(directory, `npm ci ${quiet} && npm ci ${quiet}`);
  },
  check(flash, directory) {
    for (const name of NPM_PACKAGES) {
      assertSameTree(
        name,
        hostTree(`${PACKAGES}/${name}`),
        hostTree(`${directory}/node_modules/${name}`),
        { ignore: ['mode', 'uid', 'gid', 'mtime', 'nlink'] },
      );
    }
    expect(readdirSync(`${directory}/node_modules/.bin`)).to.deep.equal(['crc32']);
    flash.sh(directory, 'npm ls --offline --no-update-notifier --all >/dev/null');
    const sum = flash.sh(directory, 'printf flash | node node_modules/.bin/crc32');
    expect(sum.trim()).to.match(/^-?\d+$/);
  },
};

const FIO_ENGINES = ['psync', 'mmap', 'libaio'];
const fio: DayProgram = {
  name: 'fio, verifying what it wrote',
  needs: ['fio'],
  work(flash, directory) {
    const scratch = flash.beside('fio');
    for (const engine of FIO_ENGINES) {
      flash.sh(
        directory,
        `fio --name="$1" --filename="$1" --ioengine="$1" --direct="$2" --size=2m --rw=randrw \
           --bs=4k --randseed=1 --verify=crc32c --verify_fatal=1 --do_verify=1 --aux-path="$3" \
           --output="$3/$1"`,
        engine,
        engine === 'libaio' ? '1' : '0',
        scratch,
      );
    }
    // What is written through a mapping gets its time when the kernel hands it down.
    flash.sh(directory, 'touch mmap');
  },
  check(flash, directory) {
    for (const engine of FIO_ENGINES) {
      flash.sh(
        directory,
        `fio --name="$1" --filename="$1" --ioengine=psync --size=2m --rw=randrw --bs=4k \
           --randseed=1 --verify=crc32c --verify_fatal=1 --verify_only=1 --aux-path="$2" \
           --output="$2/$1.again"`,
        engine,
        flash.workspace.path('fio'),
      );
    }
  },
};

/** Many files in one directory, and one directory in the other. */
const MANY = 5000;
const DEEP = 120;
const crowd: DayProgram = {
  name: `${MANY} files in a directory, ${DEEP} directories deep`,
  needs: ['seq', 'xargs'],
  work(flash, directory) {
    flash.sh(
      directory,
      `mkdir many && cd many && seq ${MANY} | xargs touch && seq 3 3 ${MANY} | xargs rm
       for i in 1 100 1000; do mv $i "renamed $i"; done
       cd .. && i=0
       while [ $i -lt ${DEEP} ]; do mkdir "level $i" && cd "level $i" && i=$((i + 1)); done
       echo bottom >bottom`,
    );
  },
  check(flash, directory) {
    const left = Array.from({ length: MANY }, (_, i) => i + 1)
      .filter((i) => i % 3 !== 0)
      .map((i) => ([1, 100, 1000].includes(i) ? `renamed ${i}` : `${i}`));
    expect(readdirSync(`${directory}/many`).sort()).to.deep.equal(left.sort());
    const path = Array.from({ length: DEEP }, (_, i) => `level ${i}`).join('/');
    expect(readFileSync(`${directory}/${path}/bottom`, 'utf8')).to.equal('bottom\n');
    expect(flash.sh(directory, 'find . -name bottom | wc -l').trim()).to.equal('1');
  },
};

export const DAY_PROGRAMS: readonly DayProgram[] = [
  cp,
  tar,
  rsync,
  git,
  sqlite,
  vim,
  npm,
  fio,
  crowd,
];
