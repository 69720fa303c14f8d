/** modload(): drivers from files, as somebody who has lump installed would write them. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { RUMP_VERSION } from '../../src/netbsd-compat/module.js';
import { modload, modloadDir, mount } from '../../src/ukfs/index.js';
import { MountError } from '../../src/ukfs/mount_error.js';
import { projectRoot } from '../images/project.js';

/**
 * A read-only file system of one file: the disk begins with a magic word, the length of the
 * content, and the content. The driver that the README of src/netbsd-compat shows.
 */
const driver = (name: string, magic: string, more = ''): string => `
export default ({ vfs_module, vnodeops, vcache_get, NetbsdErrno, le32, VDIR, VREG }) => {
  const [ROOT, FILE] = [1, 2];
  const length = le32(4, 'bytes of the file');

  class ops extends vnodeops {
    lookup(dvp, name) {
      return name === '..' ? vcache_get(dvp.v_mount, ROOT)
        : name === 'file' ? vcache_get(dvp.v_mount, FILE) : null;
    }
    access() {}
    getattr(vp, va) {
      const isRoot = vp.v_key === ROOT;
      Object.assign(va, {
        va_type: vp.v_type, va_mode: isRoot ? 0o555 : 0o444, va_nlink: isRoot ? 2 : 1, va_uid: 0,
        va_gid: 0, va_fileid: vp.v_key, va_size: isRoot ? 0 : vp.v_data.size, va_atime_sec: 0,
        va_atime_nsec: 0, va_mtime_sec: 0, va_mtime_nsec: 0, va_ctime_sec: 0, va_ctime_nsec: 0,
      });
    }
    read(vp, uio) {
      const { disk, size } = vp.v_data;
      const count = Math.min(uio.resid, size - uio.offset);
      if (count <= 0) return;
      disk.read(uio.buf, uio.off, count, 8 + uio.offset);
      uio.resid -= count;
    }
    readdir(vp, offset, emit) {
      const entries = [['.', ROOT, 4], ['..', ROOT, 4], ['file', FILE, 8]];
      for (let i = offset; i < entries.length; i++) {
        if (!emit(...entries[i], i + 1)) return false;
      }
      return true;
    }
  }

  const vfsops = {
    vfs_name: '${name}',
    uses_namecache: true,
    mount(mp, { disk }) {
      const head = new Uint8Array(8);
      disk.read(head, 0, 8, 0);
      const size = length.get(head, 0);
      if (size > disk.sizeBytes - 8) throw new NetbsdErrno('EINVAL', 'the file is cut');
      mp.mnt_data = { disk, size };
    },
    unmount() {},
    root: () => ROOT,
    loadvnode: (mp, key) => ({
      type: key === ROOT ? VDIR : VREG, op: new ops(), data: mp.mnt_data,
    }),
    statvfs() {},
    sync() {},
    generation: () => 0,
  };

  return {
    modules: [${more === '' ? `vfs_module('${name}', vfsops)` : more}],
    probe: (head) => '${magic}'.split('').every((c, i) => head[i] === c.charCodeAt(0)),
    writes: false,
  };
};
`;

const record = (name: string, version: number, required: readonly string[] = []): string =>
  `{ mi_version: ${version}, mi_class: 'misc', mi_name: '${name}', ` +
  `mi_required: ${JSON.stringify(required)}, init() {}, fini() {} }`;

describe('ukfs: modload', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-modules-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const image = (magic: string, text: string): string => {
    const bytes = Buffer.alloc(1024);
    bytes.write(magic);
    bytes.writeUInt32LE(text.length, 4);
    bytes.write(text, 8);
    return write(`${magic}.img`, bytes.toString('latin1'));
  };
  const refusal = async (file: string): Promise<string> => {
    try {
      await modload(file);
    } catch (error) {
      if (error instanceof MountError) return `${error.code}: ${error.message}`;
      throw error;
    }
    return 'none';
  };

  it('a driver from a file mounts its images, found by their content', async () => {
    const disk = image('ONE1', 'the one file');
    expect(() => mount(disk)).to.throw(MountError);
    const file = write('onefs.mjs', driver('onefs', 'ONE1'));
    expect(await modload(file)).to.equal(true);
    for (const options of [{}, { type: 'onefs' }]) {
      const { type, readOnly, fs, unmount } = mount(disk, options);
      expect({ type, readOnly }).to.deep.equal({ type: 'onefs', readOnly: true });
      expect(fs.readdirSync('/')).to.deep.equal(['file']);
      expect(fs.readFileSync('/file', 'utf8')).to.equal('the one file');
      expect(() => fs.writeFileSync('/file', 'x')).to.throw(/EROFS|ENOTSUP/);
      unmount();
    }
    expect(await refusal(file)).to.match(/^EEXIST: .*onefs/);
    const cut = write('cut.img', `ONE1\xff\xff\xff\x7f${'x'.repeat(1000)}`);
    expect(() => mount(cut)).to.throw(MountError, /the file is cut/);
  });

  it('another version is refused', async () => {
    const other = write('other.mjs', driver('otherfs', 'OTHR', record('otherfs', 700_000_000)));
    expect(await refusal(other)).to.match(
      /^EPROGMISMATCH: .*other\.mjs: module otherfs was built for version 700000000/,
    );
    const near = write('near.mjs', driver('nearfs', 'NEAR', record('nearfs', RUMP_VERSION + 1)));
    // A development kernel takes its own version only.
    expect(await refusal(near)).to.match(/^EPROGMISMATCH/);
  });

  it('what is needed must be there; a folder is loaded in the order that works', async () => {
    const drivers = join(folder, 'drivers');
    mkdirSync(drivers);
    const needs = (name: string, required: readonly string[]): string =>
      `export const modules = [${record(name, RUMP_VERSION, required)}];`;
    writeFileSync(join(drivers, 'a.mjs'), needs('folder_a', ['folder_b']));
    writeFileSync(join(drivers, 'b.mjs'), needs('folder_b', ['folder_c']));
    writeFileSync(
      join(drivers, 'c.cjs'),
      `exports.modules = [${record('folder_c', RUMP_VERSION)}];`,
    );
    writeFileSync(join(drivers, 'd.mjs'), needs('folder_d', ['nowhere']));
    writeFileSync(join(drivers, 'readme.txt'), 'no module');
    expect(await modload(join(drivers, 'a.mjs'))).to.equal(false);
    expect(await modloadDir(drivers)).to.deep.equal([join(drivers, 'd.mjs')]);
    expect(await refusal(join(drivers, 'c.cjs'))).to.match(/^EEXIST/);
  });

  it('files that are no drivers are refused', async () => {
    expect(await refusal(join(folder, 'none.mjs'))).to.match(/^ENOENT: no such module/);
    expect(await refusal(write('empty.mjs', 'export default 5;'))).to.match(/^ENOEXEC: .*link set/);
    expect(await refusal(write('half.mjs', 'export const modules = [{}];'))).to.match(/^ENOEXEC/);
    expect(await refusal(write('wrong.mjs', 'this is no program'))).to.match(/^ENOEXEC: .*wrong/);
    expect(await refusal(write('throws.mjs', 'throw new Error("oh")'))).to.match(/^ENOEXEC: .*oh/);
    const missing = write('missing.mjs', 'import "./other-file.mjs";');
    expect(await refusal(missing)).to.match(/^ENOEXEC: .*other-file/);
  });

  it('the tools take it with -m', () => {
    const file = write('twofs.mjs', driver('twofs', 'TWO2'));
    const disk = image('TWO2', 'for the tools\n');
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [join(projectRoot(), 'bin/fsu_cat'), '-m', file, disk, '/file'],
      { encoding: 'utf8' },
    );
    expect(stderr).to.equal('');
    expect(stdout).to.equal('for the tools\n');
  });
});
