/**
 * NetBSD's t_vfsops, t_full and the puffs tests that concern a server: below the paths, at the
 * operations of the waist.
 */
import { expect } from 'chai';
import { O_CREAT, O_EXCL, O_RDWR, O_WRONLY } from '../../src/ukfs/flags.js';
import {
  FREAD,
  NAMEI_DELETE,
  NAMEI_LOOKUP,
  NETBSD_ERRNO as E,
  PUFFS_CRED_ROOT,
  vattr_new,
  type Cookie,
  type puffs_cn,
  type puffs_newinfo,
  type puffs_ops,
  type puffs_statvfs,
} from '../../src/puffs/index.js';
import {
  create,
  exists,
  expectContents,
  fails,
  names,
  pattern,
  random,
  withFile,
} from './expect.js';
import type { Case } from './row.js';

const cred = PUFFS_CRED_ROOT;
const cn = (name: string, nameiop = NAMEI_LOOKUP): puffs_cn => ({ nameiop, name, cred });
const newinfo = (): puffs_newinfo => ({ cookie: 0, generation: 0, va: vattr_new() });

/** The node of a name in a directory, to be reclaimed. */
export function lookup(ops: puffs_ops, dir: Cookie, name: string): Cookie {
  const out = newinfo();
  expect(ops.node_lookup(dir, out, cn(name)), `lookup of ${name}`).to.equal(0);
  return out.cookie;
}

/** Reads a directory, at most `room` records per call. */
function readSome(
  ops: puffs_ops,
  dir: Cookie,
  offset: number,
  room: number,
): { found: string[]; next: number; eof: boolean } {
  const found: string[] = [];
  const out = { eof: false };
  let next = offset;
  const error = ops.node_readdir(
    dir,
    offset,
    cred,
    (name, _ino, _type, after) => {
      if (found.length === room) return false;
      found.push(name);
      next = after;
      return true;
    },
    out,
  );
  expect(error).to.equal(0);
  return { found, next, eof: out.eof };
}

export const vfsops: readonly Case[] = [
  {
    name: 't_vfsops: tstatvfs, tsync',
    needs: ['puffs'],
    run({ m, limits }) {
      const ops = m.ops!;
      const out = {} as puffs_statvfs;
      expect(ops.fs_statvfs(out)).to.equal(0);
      expect(out.f_namemax).to.equal(limits.nameBytesMax);
      expect(out.f_fstypename).to.equal(ops.fsname);
      for (const waitfor of [1, 2, 3]) expect(ops.fs_sync(waitfor, cred)).to.equal(0);
    },
  },
  {
    name: 't_vfsops: tfilehandle, tfhremove, tfhinval',
    needs: ['puffs'],
    run({ fs, m }) {
      const ops = m.ops!;
      create(fs, 'file', pattern(10));
      const node = lookup(ops, ops.rootCookie, 'file');
      const handle = { fid: new Uint8Array(0) };
      const error = ops.fs_nodetofh(node, handle);
      const out = newinfo();
      if (error === E.EOPNOTSUPP) {
        expect(ops.fs_fhtonode(new Uint8Array(8), out)).to.equal(E.EOPNOTSUPP);
      } else {
        expect(ops.fs_fhtonode(handle.fid, out)).to.equal(0);
        expect(out.cookie).to.equal(node);
        ops.node_reclaim(node, 1);
        fs.unlink('file');
        expect(ops.fs_fhtonode(handle.fid, out)).to.equal(E.ESTALE);
        const next = random(1);
        for (let round = 0; round < 100; round++) {
          const fid = Uint8Array.from({ length: next(20) }, () => next(256));
          expect(ops.fs_fhtonode(fid, out)).to.not.equal(0);
        }
      }
      ops.node_reclaim(node, 1);
    },
  },
  {
    name: 'puffs: a hard link has one cookie; lookups are counted',
    needs: ['puffs'],
    run({ fs, m }) {
      const ops = m.ops!;
      create(fs, 'file');
      fs.link('file', 'link');
      const node = lookup(ops, ops.rootCookie, 'file');
      expect(lookup(ops, ops.rootCookie, 'link')).to.equal(node);
      expect(ops.node_reclaim(node, 1)).to.equal(0);
      expect(ops.node_getattr(node, vattr_new(), cred)).to.equal(0);
      expect(ops.node_reclaim(node, 1)).to.equal(0);
    },
  },
  {
    name: 'puffs: an unlinked node lives until it is reclaimed, then its cookie is stale',
    needs: ['puffs'],
    run({ fs, m }) {
      const ops = m.ops!;
      create(fs, 'file', pattern(100));
      const root = ops.rootCookie;
      const node = lookup(ops, root, 'file');
      expect(ops.node_remove(root, node, cn('file', NAMEI_DELETE))).to.equal(0);
      const va = vattr_new();
      expect(ops.node_getattr(node, va, cred)).to.equal(0);
      expect(va).to.include({ va_nlink: 0, va_size: 100 });
      // Reading without an open: as pages of a mapping are.
      const uio = { buf: new Uint8Array(100), off: 0, resid: 100, offset: 0 };
      expect(ops.node_read(node, uio, 0, cred)).to.equal(0);
      expect(Buffer.from(uio.buf).equals(pattern(100))).to.equal(true);
      expect(ops.node_inactive(node)).to.equal(0);
      expect(ops.node_reclaim(node, 1)).to.equal(0);
      expect(ops.node_getattr(node, va, cred)).to.equal(E.ESTALE);
      expect(ops.node_lookup(root, newinfo(), cn('file'))).to.equal(E.ENOENT);
    },
  },
  {
    name: 'puffs: a node that is open outlives its last lookup',
    needs: ['puffs'],
    run({ fs, m }) {
      const ops = m.ops!;
      create(fs, 'file', pattern(10));
      const node = lookup(ops, ops.rootCookie, 'file');
      expect(ops.node_open(node, FREAD, cred)).to.equal(0);
      expect(ops.node_reclaim(node, 1)).to.equal(0);
      const uio = { buf: new Uint8Array(10), off: 0, resid: 10, offset: 0 };
      expect(ops.node_read(node, uio, 0, cred)).to.equal(0);
      expect(uio.resid).to.equal(0);
      expect(ops.node_close(node, FREAD, cred)).to.equal(0);
    },
  },
  {
    name: 'puffs: ".." of the root and of others; lookup in a file',
    needs: ['puffs'],
    run({ fs, m }) {
      const ops = m.ops!;
      const root = ops.rootCookie;
      fs.mkdir('dir');
      create(fs, 'file');
      const dir = lookup(ops, root, 'dir');
      const file = lookup(ops, root, 'file');
      expect(lookup(ops, dir, '..')).to.equal(root);
      expect(lookup(ops, root, '..')).to.equal(root);
      expect(ops.node_lookup(file, newinfo(), cn('x'))).to.equal(E.ENOTDIR);
      expect(ops.node_lookup(root + 12345, newinfo(), cn('x'))).to.equal(E.ESTALE);
      ops.node_reclaim(dir, 1);
      ops.node_reclaim(file, 1);
    },
  },
  {
    name: 'puffs: t_readdir dots: "." and ".." come first, with the right numbers',
    needs: ['puffs'],
    run({ fs, m }) {
      const ops = m.ops!;
      fs.mkdir('dir');
      const dir = lookup(ops, ops.rootCookie, 'dir');
      const seen: [string, number, number][] = [];
      const out = { eof: false };
      expect(
        ops.node_readdir(
          dir,
          0,
          cred,
          (name, ino, type) => {
            seen.push([name, ino, type]);
            return true;
          },
          out,
        ),
      ).to.equal(0);
      expect(out.eof).to.equal(true);
      expect(seen).to.deep.equal([
        ['.', fs.stat('dir').ino, 4],
        ['..', fs.stat('/').ino, 4],
      ]);
      ops.node_reclaim(dir, 1);
    },
  },
  {
    name: 'puffs: t_readdir caching: offsets survive removals and additions',
    needs: ['puffs'],
    run({ fs, m }) {
      const ops = m.ops!;
      for (const seed of [1, 2, 3, 4]) {
        const next = random(seed);
        const top = `dir${seed}`;
        fs.mkdir(top);
        const dir = lookup(ops, ops.rootCookie, top);
        const stays = new Set<string>();
        for (let i = 0; i < 120; i++) {
          create(fs, `${top}/f${i}`);
          stays.add(`f${i}`);
        }
        const seen: string[] = [];
        let offset = 0;
        for (let eof = false; !eof; ) {
          const some = readSome(ops, dir, offset, 1 + next(12));
          seen.push(...some.found);
          offset = some.next;
          eof = some.eof;
          for (let i = 0; i < 4; i++) {
            const name = `f${next(120)}`;
            if (exists(fs, `${top}/${name}`)) fs.unlink(`${top}/${name}`);
            stays.delete(name);
          }
          create(fs, `${top}/new${offset}`);
        }
        expect(new Set(seen).size, `doubles with seed ${seed}`).to.equal(seen.length);
        for (const name of stays) expect(seen, `seed ${seed}`).to.include(name);
        ops.node_reclaim(dir, 1);
      }
    },
  },
  {
    name: 't_full: fillfs',
    needs: ['smallVolume'],
    run({ fs, m }) {
      const { blocks, bsize } = fs.statvfs();
      const chunk = 8192;
      let written = 0;
      const fd = fs.open('big', O_RDWR | O_CREAT | O_EXCL);
      try {
        fails('ENOSPC', () => {
          for (;;) {
            const count = fs.pwrite(fd, pattern(chunk, 1 + written / chunk), written);
            written += count;
            expect(written).to.be.at.most(blocks * bsize);
          }
        });
      } finally {
        fs.close(fd);
      }
      expect(written).to.be.greaterThan((blocks * bsize) / 4);
      const check = (): void => {
        withFile(fs, 'big', O_RDWR, (reader) => {
          for (let at = 0; at + chunk <= written; at += chunk) {
            const same = fs.pread(reader, chunk, at).equals(pattern(chunk, 1 + at / chunk));
            expect(same, `chunk at ${at}`).to.equal(true);
          }
        });
      };
      check();
      m.again();
      check();
      // A full volume can be emptied and used again.
      fs.unlink('big');
      create(fs, 'small', pattern(64 * 1024));
      m.again();
      expectContents(fs, 'small', pattern(64 * 1024));
      expect(names(fs, '/')).to.deep.equal(['small']);
    },
  },
  {
    name: 't_full: small files until full, all of them readable',
    needs: ['smallVolume'],
    run({ fs, m }) {
      const made: string[] = [];
      fails('ENOSPC', () => {
        // The last ones may be written in part.
        for (let i = 0; ; i++) {
          const name = `file${i}`;
          const fd = fs.open(name, O_WRONLY | O_CREAT | O_EXCL);
          try {
            const bytes = pattern(5000, i);
            if (fs.pwrite(fd, bytes, 0) === bytes.length) made.push(name);
          } finally {
            fs.close(fd);
          }
        }
      });
      expect(made.length).to.be.greaterThan(10);
      m.again();
      for (const name of made) {
        expectContents(fs, name, pattern(5000, Number(name.slice('file'.length))));
      }
      for (const { name } of fs.readdir('/')) fs.unlink(name);
      create(fs, 'after', pattern(5000));
    },
  },
];
