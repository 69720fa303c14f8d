/**
 * Processes that race, on the seeded scheduler. A system call is several operations of the waist,
 * one a component and one at the end, as a kernel above FUSE or puffs makes them; between any two
 * the others run, and so do the threads below: garbage collection, the syncer, the disk's. An
 * operation itself is one unit, as the core is synchronous: while one waits for the disk, the
 * disk's thread runs and no other process, for which there is a gate. A seed says who is next, so
 * each interleaving can be run again.
 */
import type { Lump } from '../../src/lump/lump.js';
import { wait_queue_head, wake_up, type wait } from '../../src/lump/sched.js';
import {
  FREAD,
  FWRITE,
  NAMEI_CREATE,
  NAMEI_DELETE,
  NAMEI_LOOKUP,
  NAMEI_RENAME,
  NETBSD_ERRNO as E,
  PUFFS_CRED_ROOT,
  VDIR,
  VREG,
  vattr_new,
  type Cookie,
  type puffs_cn,
  type puffs_newinfo,
  type puffs_ops,
} from '../../src/puffs/index.js';

type Units<T> = Generator<wait, T, void>;

/** What calls answered, by errno; 0 is success. */
export type Answers = Map<string, number>;

export class Racers {
  readonly answers: Answers = new Map();
  readonly #ops: puffs_ops;
  readonly #lump: Lump;
  readonly #gate: wait_queue_head;
  readonly #rest: (ms: number) => void;
  #isInside = false;
  #running = 0;

  /** @param rest lets time pass, when all sleep */
  constructor(ops: puffs_ops, lump: Lump, rest: (ms: number) => void) {
    this.#ops = ops;
    this.#lump = lump;
    this.#rest = rest;
    this.#gate = new wait_queue_head(lump, 'races: gate');
  }

  /** A process that makes these calls, one after the other. */
  start(name: string, calls: (racers: Racers) => Iterable<Units<number>>): void {
    this.#running++;
    const { answers } = this;
    const self = this;
    this.#lump.sched.kthread_run(function* () {
      for (const call of calls(self)) {
        const error = yield* call;
        const key = `${name} ${error}`;
        answers.set(key, (answers.get(key) ?? 0) + 1);
      }
      self.#running--;
    }, name);
  }

  /** Until all processes have ended. */
  run(): void {
    while (this.#running > 0) {
      const ms = this.#lump.background();
      if (ms > 0) this.#rest(ms);
      if (ms < 0 && this.#running > 0) throw new Error(this.#lump.sched.report());
    }
  }

  /** One operation, when none is under way further down on the stack. */
  *#operation(call: () => number): Units<number> {
    yield;
    while (this.#isInside) yield this.#gate;
    this.#isInside = true;
    try {
      return call();
    } finally {
      this.#isInside = false;
      wake_up(this.#gate);
    }
  }

  /** Looks names up, and gives them back after `use`. @returns the first error, or what it answers. */
  *#walk(path: string, use: (parent: Cookie, name: string) => Units<number>): Units<number> {
    const names = path.split('/');
    const last = names.pop()!;
    const held: Cookie[] = [];
    let at = this.#ops.rootCookie;
    let error = 0;
    for (const name of names) {
      const out = newinfo();
      error = yield* this.#operation(() => this.#ops.node_lookup(at, out, cn(NAMEI_LOOKUP, name)));
      if (error !== 0) break;
      held.push(out.cookie);
      at = out.cookie;
    }
    if (error === 0) error = yield* use(at, last);
    yield* this.#giveBack(held);
    return error;
  }

  *#giveBack(held: readonly Cookie[]): Units<void> {
    for (const cookie of held) {
      yield* this.#operation(() => this.#ops.node_reclaim(cookie, 1));
    }
  }

  /** The name itself is looked up, too: null where there is none. */
  *#find(
    parent: Cookie,
    name: string,
    nameiop: number,
    use: (node: Cookie | null) => Units<number>,
  ): Units<number> {
    const out = newinfo();
    const error = yield* this.#operation(() =>
      this.#ops.node_lookup(parent, out, cn(nameiop, name)),
    );
    if (error === E.ENOENT) return yield* use(null);
    if (error !== 0) return error;
    const answer = yield* use(out.cookie);
    yield* this.#giveBack([out.cookie]);
    return answer;
  }

  /** open(O_CREAT | O_EXCL), a write, close. */
  create(path: string, bytes = 0): Units<number> {
    const self = this;
    const ops = this.#ops;
    return this.#walk(path, (parent, name) =>
      self.#find(parent, name, NAMEI_CREATE, function* (node) {
        if (node !== null) return E.EEXIST;
        const out = newinfo();
        const va = { ...vattr_new(), va_type: VREG, va_mode: 0o644 };
        const error = yield* self.#operation(() =>
          ops.node_create(parent, out, cn(NAMEI_CREATE, name), va),
        );
        if (error !== 0) return error;
        const answer = yield* self.#write(out.cookie, bytes);
        yield* self.#giveBack([out.cookie]);
        return answer;
      }),
    );
  }

  *#write(node: Cookie, bytes: number): Units<number> {
    const ops = this.#ops;
    const opened = yield* this.#operation(() =>
      ops.node_open(node, FREAD | FWRITE, PUFFS_CRED_ROOT),
    );
    if (opened !== 0) return opened;
    const uio = { buf: new Uint8Array(bytes).fill(7), off: 0, resid: bytes, offset: 0 };
    const error = yield* this.#operation(() =>
      bytes === 0 ? 0 : ops.node_write(node, uio, 0, PUFFS_CRED_ROOT),
    );
    yield* this.#operation(() => ops.node_close(node, FREAD | FWRITE, PUFFS_CRED_ROOT));
    return error;
  }

  mkdir(path: string): Units<number> {
    const ops = this.#ops;
    const self = this;
    return this.#walk(path, function* (parent, name) {
      const out = newinfo();
      const va = { ...vattr_new(), va_type: VDIR, va_mode: 0o755 };
      const error = yield* self.#operation(() =>
        ops.node_mkdir(parent, out, cn(NAMEI_CREATE, name), va),
      );
      if (error === 0) yield* self.#giveBack([out.cookie]);
      return error;
    });
  }

  unlink(path: string): Units<number> {
    return this.#remove(path, (parent, node, name) =>
      this.#ops.node_remove(parent, node, cn(NAMEI_DELETE, name)),
    );
  }

  rmdir(path: string): Units<number> {
    return this.#remove(path, (parent, node, name) =>
      this.#ops.node_rmdir(parent, node, cn(NAMEI_DELETE, name)),
    );
  }

  #remove(
    path: string,
    call: (parent: Cookie, node: Cookie, name: string) => number,
  ): Units<number> {
    const self = this;
    return this.#walk(path, (parent, name) =>
      self.#find(parent, name, NAMEI_DELETE, function* (node) {
        if (node === null) return E.ENOENT;
        return yield* self.#operation(() => call(parent, node, name));
      }),
    );
  }

  rename(from: string, to: string): Units<number> {
    const self = this;
    const ops = this.#ops;
    return this.#walk(from, (sdir, sname) =>
      self.#find(sdir, sname, NAMEI_LOOKUP, (src) =>
        src === null
          ? nothing(E.ENOENT)
          : self.#walk(to, (tdir, tname) =>
              self.#find(tdir, tname, NAMEI_RENAME, function* (targ) {
                const [scn, tcn] = [cn(NAMEI_DELETE, sname), cn(NAMEI_RENAME, tname)];
                return yield* self.#operation(() =>
                  ops.node_rename(sdir, src, scn, tdir, targ, tcn, 0),
                );
              }),
            ),
      ),
    );
  }

  /** All entries, a few at a time. */
  readdir(path: string): Units<number> {
    const self = this;
    const ops = this.#ops;
    return this.#walk(path, (parent, name) =>
      self.#find(parent, name, NAMEI_LOOKUP, function* (node) {
        if (node === null) return E.ENOENT;
        let error = 0;
        const out = { eof: false };
        for (let offset = 0, count = 1; error === 0 && !out.eof && count > 0; ) {
          count = 0;
          error = yield* self.#operation(() =>
            ops.node_readdir(
              node,
              offset,
              PUFFS_CRED_ROOT,
              (_name, _fileid, _type, next) => {
                if (count === 2) return false;
                count++;
                offset = next;
                return true;
              },
              out,
            ),
          );
        }
        return error;
      }),
    );
  }

  /** fsync of the whole: the disk has its say. */
  sync(): Units<number> {
    return this.#operation(() => this.#ops.fs_sync(1, PUFFS_CRED_ROOT));
  }
}

// biome-ignore lint/correctness/useYield: the shape of a call.
function* nothing(error: number): Units<number> {
  return error;
}

const newinfo = (): puffs_newinfo => ({ cookie: 0, generation: 0, va: vattr_new() });
const cn = (nameiop: number, name: string): puffs_cn => ({ nameiop, name, cred: PUFFS_CRED_ROOT });
