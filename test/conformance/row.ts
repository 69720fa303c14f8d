/**
 * Rows and cases of the conformance matrix. A row is a file system with a way in; a case is a
 * function that runs on every row, on a fresh file system each time, and fails by throwing. After
 * each case the row's unmount must succeed: a leaked reference or descriptor is a failure.
 */
import type { puffs_ops } from '../../src/puffs/index.js';
import type { FsDriver } from './driver.js';
import type { User } from './node_driver.js';

/** What a case may need beyond {@link FsDriver}. A row says why it lacks one. */
export type Need =
  /** Calls in other users' names. */
  | 'users'
  /** Remounting read-only and back. */
  | 'readOnly'
  /** A volume of at most a few megabytes. */
  | 'smallVolume'
  /** The file system's operations themselves. */
  | 'puffs'
  /** A clock that the case sets forward. */
  | 'clock'
  /** Character and block devices may be made. */
  | 'devices'
  /** Sockets may be made by mknod. */
  | 'sockets'
  /** Extended attributes and access lists. */
  | 'extattr'
  /** Linux's fs.protected_hardlinks is off or has no say. */
  | 'unprotectedLinks';

export interface Mounted {
  readonly fs: FsDriver;
  /** The same file system in a user's name. */
  as?(user: User): FsDriver;
  remount?(readOnly: boolean): void;
  readonly ops?: puffs_ops;
  advanceClock?(seconds: number): void;
  /** Unmounts and mounts the same medium again, where there is one; else does nothing. */
  again(): void;
  /** Nodes that the layers below keep alive; undefined when they do not tell. */
  liveNodes?(): number;
  /** Throws when something is still in use. */
  unmount(): void;
}

/** What differs lawfully between file systems. */
export interface Limits {
  readonly nameBytesMax: number;
  readonly symlinkBytesMax: number;
  /** Units in which times are kept, and the last second that can be. */
  readonly timeGranularityNsec: number;
  readonly timeSecMin: number;
  readonly timeSecMax: number;
  readonly fileBytesMax: number;
  readonly linksMax: number;
  /** Of one extended attribute, if few are possible: two such and some small ones fit together. */
  readonly xattrBytesMax?: number;
  /** Link count of an empty root directory. */
  readonly rootLinks: number;
}

export interface Row {
  readonly name: string;
  /** A way in whose own failures the cases name, whatever the file system. */
  readonly way?: string;
  readonly limits: Limits;
  readonly lacks: Readonly<Partial<Record<Need, string>>>;
  /** Cases that are about what the file system does not have: name → why. */
  readonly without?: Readonly<Record<string, string>>;
  mount(): Mounted;
}

export interface Case {
  /** NetBSD's file and case: "t_vnops: lookup_simple". */
  readonly name: string;
  readonly needs?: readonly Need[];
  /** Known failures: row or way in → reason. Such a case fails when it passes. */
  readonly known?: Readonly<Record<string, string>>;
  run(t: Context): void;
}

export interface Context {
  readonly fs: FsDriver;
  readonly m: Mounted;
  readonly row: Row;
  readonly limits: Limits;
}

/** Makes mocha tests of all cases on one row. */
export function runRow(row: Row, cases: readonly Case[]): void {
  describe(`conformance: ${row.name}`, () => {
    for (const { name, needs = [], known = {}, run } of cases) {
      const missing = needs.find((need) => row.lacks[need] !== undefined);
      const why = row.without?.[name] ?? (missing && row.lacks[missing]);
      if (why !== undefined) {
        it.skip(`${name} (skipped: ${why})`, () => {});
        continue;
      }
      const reason = known[row.name] ?? known[row.way ?? ''];
      const execute = (): void => {
        const m = row.mount();
        let failed = true;
        try {
          run({ fs: m.fs, m, row, limits: row.limits });
          failed = false;
        } finally {
          if (failed) quietly(() => m.unmount());
        }
        m.unmount();
      };
      if (reason === undefined) {
        it(name, execute);
      } else {
        it(`${name} (known failure: ${reason})`, () => {
          let error: unknown;
          try {
            execute();
          } catch (caught) {
            error = caught;
          }
          if (error === undefined) throw new Error(`passes now; was: ${reason}`);
        });
      }
    }
  });
}

/** The first failure is the one to report. */
function quietly(call: () => void): void {
  try {
    call();
  } catch {
    // The case has failed already.
  }
}
