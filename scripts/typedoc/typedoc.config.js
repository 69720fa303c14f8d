/** The API reference: every entry of package.json's exports; what is not documented is an error. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);
const path = (name) => fileURLToPath(new URL(name, root));
const { exports } = JSON.parse(readFileSync(path('package.json'), 'utf8'));
const modules = Object.values(exports)
  .map((file) => /^\.\/dist\/(src\/[^*]*)\.js$/.exec(file)?.[1])
  .filter((source) => source !== undefined);

/** @type {Partial<import('typedoc').TypeDocOptions>} */
const config = {
  name: 'lump',
  entryPoints: [...modules, 'src/rumpuser/rumpuser'].map((source) => path(`${source}.ts`)),
  tsconfig: path('tsconfig.json'),
  basePath: path('.'),
  out: path('docs/api'),
  readme: path('src/ukfs/GUIDE.md'),
  gitRevision: 'main',
  disableSources: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeInternal: true,
  excludeExternals: true,
  // Constants of the medium have the kernel's names and lie together by what they are for.
  requiredToBeDocumented: ['Module', 'Class', 'Interface', 'TypeAlias', 'Enum', 'CallSignature'],
  validation: { notDocumented: true, notExported: true, invalidLink: true },
  // What is below the library: to look at, not to be used from outside.
  intentionallyNotExported: [
    'src/ukfs/node/types.ts:NodeModule',
    'src/ukfs/node/types.ts:Name',
    'src/ukfs/node/types.ts:Other',
    'src/ukfs/node/types.ts:OwnMembers',
    'src/mtd/fault.ts:CALLS',
    'src/jffs2/nodelist.ts:jffs2_sb_info',
    'src/l2p/l2p.ts:l2p',
    'src/lump/errno.ts:ErrnoCode',
    'src/lump/lump.ts:Lump',
    'src/lump/fs.ts:super_block',
    'src/netbsd-compat/disk/open.ts:disk_backend',
    'src/netbsd-compat/drivers/puffs/puffs_handlers.ts:DoneBytes',
    'src/netbsd-compat/rump.ts:rump',
    'src/lump/locks.ts:rw_semaphore',
    'src/jffs2/fsck.ts:fsck_result',
    'src/jffs2/nodelist.ts:jffs2_eraseblock',
    'src/wearlab/policies.ts:KnownPolicy',
  ],
  treatValidationWarningsAsErrors: true,
};
export default config;
