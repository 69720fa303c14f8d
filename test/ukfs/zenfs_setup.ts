/**
 * What ZenFS's tests ask of a file system under test ("setup"): `fs`, and what it cannot do. They
 * import this once for each of their files, and each gets a fresh jffs2.
 */
import * as nodeFs from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path/posix';
import { puffs_cred_user } from '../../src/puffs/index.js';
import { createFs, Ukfs } from '../../src/ukfs/index.js';
import { mountJffs2 } from '../conformance/rows.js';

const { ops } = mountJffs2({ size: 32 << 20, erasesize: 131072 });
// Their modes are meant as they are.
const own = createFs(new Ukfs(ops, puffs_cred_user(0, 0, [], 0)));

type Call = (...args: unknown[]) => unknown;

/** As their setup for native file systems: relative paths are made absolute. */
function withAbsolutePaths(members: object): Record<string, Call> {
  const places: Readonly<Record<string, number>> = { rename: 2, link: 2, readdir: 1 };
  const wrapped = Object.entries(members).map(([name, call]) => {
    const count = places[name.replace(/Sync$/, '')] ?? 0;
    const isClass = typeof call !== 'function' || /^[A-Z]/.test(name);
    const absolute: Call = (...args) => {
      const own = args.map((arg, n) =>
        n < count && typeof arg === 'string' ? resolve('/', arg) : arg,
      );
      return (call as Call)(...own);
    };
    return [name, isClass ? call : absolute];
  });
  return Object.fromEntries(wrapped) as Record<string, Call>;
}

export const fs = { ...withAbsolutePaths(own), promises: withAbsolutePaths(own.promises) };

export const flags = {
  // As on every system but macOS.
  lchmod: false,
  // ZenFS's own shape of attributes.
  xattr: false,
  // Not node:fs's either.
  'promises.exists': false,
  watch: false,
};

const tests = dirname(createRequire(import.meta.url).resolve('@zenfs/core/tests/setup.ts'));
const data = join(tests, 'data');
for (const name of nodeFs.readdirSync(data)) {
  own.writeFileSync(`/${name}`, nodeFs.readFileSync(join(data, name)));
}
