/**
 * makefs: an image from directories and specifications. Phases 1 and 2 here, 3 and 4 by the type
 * (filesystem_type.ts).
 */
import type { HostSource } from '../rumpuser/host_source.js';
import { S_IFDIR, S_IFMT } from '../lump/fs.js';
import { type ByteName, bytesToName } from '../lump/types.js';
import { applySpec, emptyRoot } from './apply_spec.js';
import type { MakeServices } from './filesystem_type.js';
import type { FsNode } from './fsnode.js';
import { type MtreeEntry, parseMtree } from './mtree.js';
import { UserDatabase } from './userdb.js';
import { contentsOfFile, readDirectories } from './walk.js';

export interface SourceRequest {
  /** Paths, as bytes: directories, or, as the first, a specification. */
  readonly sources: readonly ByteName[];
  /** Path of a further specification. */
  readonly specification: ByteName | undefined;
  /** Drops what the specification does not list. */
  readonly exclude: boolean;
  /** Later directories replace what earlier ones have. */
  readonly replace: boolean;
  /** Where passwd (or master.passwd) and group are; default /etc. */
  readonly userDatabase: string;
  /** Files to leave out: the image, should it lie in a source. Keys as HostSourceStat has them. */
  readonly leaveOut: ReadonlyMap<string, string>;
  readonly xattrs: boolean;
  readonly nowSec: number;
}

/** Phases 1 and 2. @throws MakefsError */
export function readSources(
  tree: HostSource,
  request: SourceRequest,
  host: Pick<MakeServices, 'readFile' | 'note'>,
): FsNode {
  const { sources, specification, nowSec } = request;
  const [first, ...others] = sources;
  const specs: ByteName[] = [];
  let directories = sources;
  if (first !== undefined && isFile(tree, first)) {
    specs.push(first);
    directories = others;
  }
  if (specification !== undefined) specs.push(specification);
  const root =
    directories.length === 0 && specs.length > 0
      ? emptyRoot(nowSec)
      : readDirectories(tree, directories, {
          xattrs: request.xattrs,
          replace: request.replace,
          leaveOut: request.leaveOut,
          note: (line) => host.note(line),
        });
  if (specs.length === 0) return root;
  const entries: MtreeEntry[] = specs.flatMap((file) => parseMtree(host.readFile(file), file));
  applySpec(root, entries, {
    exclude: request.exclude,
    nowSec,
    users: readUsers(request.userDatabase, entries, host),
    contents: (path) => contentsOfFile(tree, path),
  });
  return root;
}

function isFile(tree: HostSource, path: ByteName): boolean {
  try {
    return (tree.stat(path).mode & S_IFMT) !== S_IFDIR;
  } catch {
    // Reading it as a directory will say why not.
    return false;
  }
}

/** Only read where a name needs it: a machine may have no such files. */
function readUsers(
  folder: string,
  entries: readonly MtreeEntry[],
  host: Pick<MakeServices, 'readFile'>,
): UserDatabase {
  const text = (...names: readonly string[]): string => {
    for (const name of names) {
      try {
        return bytesToName(host.readFile(`${folder}/${name}`));
      } catch {
        // The next one; without any, the name is not found, and that is said.
      }
    }
    return '';
  };
  const named = entries.some(({ uname, gname }) => uname !== undefined || gname !== undefined);
  return named
    ? new UserDatabase(text('master.passwd', 'passwd'), text('group'))
    : new UserDatabase('', '');
}
