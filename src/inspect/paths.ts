/** Where an inode is, or was: the best path that can be told for it. */
import { JFFS2_ROOT_INO } from '../jffs2/medium.js';
import type { ByteName } from '../lump/types.js';
import type { DirentNode } from './inode.js';
import type { State } from './state.js';

/** Names of a path that is not known to its root begin with this. */
export const LOST = '(lost)';
const DEPTH_MAX = 256;

/** Paths of now where there are any, else what old entries on the medium tell. */
export class Paths {
  readonly #live = new Map<number, ByteName[]>();
  readonly #old = new Map<number, DirentNode>();
  readonly #known = new Map<number, ByteName>();

  constructor(state: State) {
    for (const { path, dirent } of state.tree()) {
      const ino = dirent?.ino ?? JFFS2_ROOT_INO;
      const paths = this.#live.get(ino);
      if (paths === undefined) this.#live.set(ino, [path]);
      else paths.push(path);
    }
    for (const { dirents } of state.all.values()) {
      for (const piece of dirents) {
        const dirent = state.direntNode(piece);
        if (dirent.ino === 0) continue;
        const other = this.#old.get(dirent.ino);
        // Of several names the one written last: by time, then by version.
        const isLater =
          !other ||
          dirent.mctime > other.mctime ||
          (dirent.mctime === other.mctime && dirent.version > other.version);
        if (isLater) this.#old.set(dirent.ino, dirent);
      }
    }
  }

  /** All paths that lead to it now. */
  live(ino: number): readonly ByteName[] {
    return this.#live.get(ino) ?? [];
  }

  /** Has any entry on the medium, in force or not, ever named it? */
  wasNamed(ino: number): boolean {
    return ino === JFFS2_ROOT_INO || this.#old.has(ino);
  }

  /** A path now, else one of old; under {@link LOST} when its directory is not known. */
  of(ino: number): ByteName {
    const now = this.live(ino)[0];
    if (now !== undefined) return now;
    let path = this.#known.get(ino);
    if (path === undefined) {
      path = this.#trace(ino);
      this.#known.set(ino, path);
    }
    return path;
  }

  /** Of an entry, in force or not. */
  ofEntry({ pino, name }: DirentNode): ByteName {
    const dir = this.of(pino);
    return dir === '.' ? name : `${dir}/${name}`;
  }

  #trace(from: number): ByteName {
    const names: ByteName[] = [];
    const seen = new Set<number>();
    let ino = from;
    for (;;) {
      const now = this.live(ino)[0];
      if (now !== undefined) {
        if (now !== '.') names.unshift(now);
        return names.join('/') || '.';
      }
      const dirent = this.#old.get(ino);
      if (!dirent || seen.has(ino) || names.length >= DEPTH_MAX) break;
      seen.add(ino);
      names.unshift(dirent.name);
      ino = dirent.pino;
    }
    return [LOST, `inode-${ino}`, ...names].join('/');
  }
}
