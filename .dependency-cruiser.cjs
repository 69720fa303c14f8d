/**
 * The direction of imports: the table "May import" of DESIGN.md, as rules. Type imports count.
 * Run: npx depcruise src bin test bench scripts
 *
 * Circles between folders are impossible by this table. Inside a folder they are allowed: Linux's
 * files call each other (gc.c and nodemgmt.c, say), and ours repeat their names.
 */

/** Folder of src/ → the other folders it may import. */
const MAY_IMPORT = {
  rumpuser: [],
  lump: ['rumpuser'],
  dcache: ['lump'],
  mtd: ['lump', 'rumpuser'],
  jffs2: ['lump', 'dcache', 'mtd'],
  puffs: [],
  l2p: ['puffs', 'lump', 'dcache'],
  'netbsd-compat': ['puffs', 'lump', 'mtd', 'rumpuser'],
  fuse: ['puffs', 'rumpuser'],
  ukfs: ['puffs', 'l2p', 'lump'],
  'fs-utils': ['ukfs', 'rumpuser'],
  inspect: ['jffs2', 'mtd', 'lump'],
  makefs: ['ukfs', 'netbsd-compat', 'puffs', 'jffs2', 'mtd', 'lump', 'rumpuser'],
  wearlab: ['rumpuser', 'lump', 'dcache', 'mtd', 'jffs2', 'puffs', 'l2p', 'netbsd-compat', 'ukfs'],
};

/** src/ukfs's own files that put a mount together: host, kernel, chip, file system, translator. */
const MOUNTS = '^src/ukfs/mount_[^/]+\\.ts$';
const MOUNTS_MAY_IMPORT = 'ukfs|puffs|l2p|netbsd-compat|jffs2|dcache|mtd|lump|rumpuser';

/** The VFS objects among src/lump's files; the others are services. */
const VFS = '^src/(dcache/|lump/(fs|inode|super|file|filemap|attr|xattr|posix_acl)\\.ts$)';
/** What is written on flash, and how it is packed: used by the inspector and in browsers. */
const MEDIUM =
  '^src/jffs2/(medium|detect|detect_nand|erased|summary_node|compr[^/]*)\\.ts$|^src/jffs2/lzma/';

const directions = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  name: `direction-${folder}`,
  comment: `src/${folder} may import ${allowed.map((name) => `src/${name}`).join(', ') || 'none'}`,
  severity: 'error',
  from: { path: `^src/${folder}/`, pathNot: MOUNTS },
  to: {
    path: '^(src|bin|test|bench|scripts)/',
    pathNot: `^src/(${[folder, ...allowed].join('|')})/`,
  },
}));

module.exports = {
  forbidden: [
    ...directions,
    {
      name: 'direction-mounts',
      comment: 'What puts a mount together knows all that is below the waist, and nothing above.',
      severity: 'error',
      from: { path: MOUNTS },
      to: {
        path: '^(src|bin|test|bench|scripts)/',
        pathNot: `^src/(${MOUNTS_MAY_IMPORT})/`,
      },
    },
    {
      name: 'folder-in-table',
      comment: 'A new folder of src/ needs its line in DESIGN.md and in MAY_IMPORT.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/(${Object.keys(MAY_IMPORT).join('|')})/` },
      to: {},
    },
    {
      name: 'node-at-the-edge',
      comment:
        'Only the host seam, the process edge, and what has the shape of node:fs touch node:*.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: '^src/(rumpuser/node[^/]*\\.ts$|fuse/|ukfs/node/|fs-utils/host_[^/]*\\.ts$)',
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'medium-knows-no-vfs',
      severity: 'error',
      from: { path: MEDIUM },
      to: { path: VFS },
    },
    {
      name: 'inspect-sees-the-medium-only',
      severity: 'error',
      from: { path: '^src/inspect/' },
      to: { path: '^src/jffs2/', pathNot: MEDIUM },
    },
    {
      name: 'these-use-services-only',
      severity: 'error',
      from: { path: '^src/(netbsd-compat|inspect)/' },
      to: { path: VFS },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'packages-are-declared',
      comment: 'src/ and bin/ use what package.json lists under dependencies, nothing else.',
      severity: 'error',
      from: { path: '^(src|bin)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.mts', '.js', '.mjs', '.cjs', '.json'] },
  },
};
