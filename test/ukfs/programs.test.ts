/**
 * Libraries that take an `fs` take ours: isomorphic-git, tar-fs, glob, fs-extra. They work in an
 * image file, which is mounted again before anybody looks at what they did; programs nobody here
 * wrote (git, tar) look at it on the host.
 */
import { execFileSync, spawn } from 'node:child_process';
import * as nodeFs from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import Module, { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect } from 'chai';
import { glob, globSync } from 'glob';
import git from 'isomorphic-git';
import http from 'isomorphic-git/http/node';
import { mount, type MountedImage, type UkfsFs } from '../../src/ukfs/index.js';

const require = createRequire(import.meta.url);

interface TarFs {
  pack(folder: string, options: object): NodeJS.ReadableStream;
  extract(folder: string, options: object): NodeJS.WritableStream;
}
const tar = require('tar-fs') as TarFs;

interface FsExtra {
  copy(from: string, to: string, options?: object): Promise<void>;
  move(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  outputJson(path: string, value: unknown): Promise<void>;
  readJson(path: string): Promise<unknown>;
  ensureLink(from: string, to: string): Promise<void>;
  emptyDir(path: string): Promise<void>;
  pathExists(path: string): Promise<boolean>;
}

const hasGit = ((): boolean => {
  try {
    execFileSync('git', ['http-backend', '--help'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

const run = (program: string, args: string[], cwd: string): string =>
  execFileSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'A',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'A',
      GIT_COMMITTER_EMAIL: 'a@example.org',
    },
  });

/** Serves the repositories below a folder by git's own CGI program. */
function serveGit(folder: string): Promise<Server> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    const backend = spawn('git', ['http-backend'], {
      env: {
        ...process.env,
        GIT_PROJECT_ROOT: folder,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: pathname,
        QUERY_STRING: searchParams.toString(),
        REQUEST_METHOD: request.method!,
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        REMOTE_USER: 'test',
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'safe.directory',
        GIT_CONFIG_VALUE_0: '*',
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    request.pipe(backend.stdin);
    const chunks: Buffer[] = [];
    backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    backend.stdout.on('end', () => {
      const answer = Buffer.concat(chunks);
      const end = answer.indexOf('\r\n\r\n');
      for (const line of answer.subarray(0, end).toString().split('\r\n')) {
        const [name, value] = line.split(': ') as [string, string];
        if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.end(answer.subarray(end + 4));
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

/** Out of the image, by nothing but node:fs's calls. */
function copyOut(fs: UkfsFs, from: string, to: string): void {
  nodeFs.mkdirSync(to, { recursive: true });
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copyOut(fs, source, target);
    else if (entry.isSymbolicLink()) nodeFs.symlinkSync(fs.readlinkSync(source), target);
    else nodeFs.writeFileSync(target, fs.readFileSync(source), { mode: fs.statSync(source).mode });
  }
}

/** fs-extra asks for graceful-fs: it gets that, made of ours, as with memfs. */
function fsExtraOn(fs: UkfsFs): FsExtra {
  const { gracefulify } = require('graceful-fs') as { gracefulify<F>(fs: F): F };
  const graceful = gracefulify({ ...fs });
  const loader = Module as unknown as {
    _load(name: string, ...rest: unknown[]): unknown;
    _cache: Record<string, unknown>;
  };
  const load = loader._load;
  loader._load = (name, ...rest) =>
    ['fs', 'node:fs', 'graceful-fs'].includes(name) ? graceful : load(name, ...rest);
  try {
    for (const file of Object.keys(loader._cache)) {
      if (/[\\/](fs-extra|jsonfile)[\\/]/.test(file)) delete loader._cache[file];
    }
    return require('fs-extra') as FsExtra;
  } finally {
    loader._load = load;
  }
}

describe('ukfs: programs that take an fs', function () {
  this.timeout(120_000);
  let folder = '';
  let image = '';
  let mounted: MountedImage;
  let fs: UkfsFs;

  function mountAgain(): void {
    mounted?.unmount();
    mounted = mount(image, { size: 8 << 20, erasesize: 65536, sidecar: false });
    fs = mounted.fs;
  }

  beforeEach(() => {
    folder = nodeFs.mkdtempSync(join(tmpdir(), 'lump-programs-'));
    image = join(folder, 'flash.bin');
    nodeFs.writeFileSync(image, '');
    mounted = mount(image, { size: 8 << 20, erasesize: 65536, sidecar: false });
    fs = mounted.fs;
  });

  afterEach(() => {
    mounted.unmount();
    nodeFs.rmSync(folder, { recursive: true });
  });

  const author = { name: 'Ada', email: 'ada@example.org' };

  it('isomorphic-git makes a repository that git finds whole', async () => {
    const at = { fs, dir: '/repo' };
    fs.mkdirSync('/repo');
    await git.init({ ...at, defaultBranch: 'main' });
    for (let n = 0; n < 3; n++) {
      fs.writeFileSync('/repo/file', `line ${n}\n`.repeat(100 * (n + 1)));
      fs.mkdirSync(`/repo/dir${n}`);
      fs.writeFileSync(`/repo/dir${n}/run`, '#!/bin/sh\n', { mode: 0o755 });
      await git.add({ ...at, filepath: '.' });
      await git.commit({ ...at, message: `commit ${n}`, author });
    }
    await git.branch({ ...at, ref: 'side', checkout: true });
    await fs.promises.unlink('/repo/file');
    await git.remove({ ...at, filepath: 'file' });
    await git.commit({ ...at, message: 'gone', author });
    await git.checkout({ ...at, ref: 'main' });
    expect(fs.readFileSync('/repo/file', 'utf8')).to.equal('line 2\n'.repeat(300));
    mountAgain();
    const log = await git.log({ fs, dir: '/repo', ref: 'side' });
    expect(log.map(({ commit }) => commit.message.trim())).to.deep.equal([
      'gone',
      'commit 2',
      'commit 1',
      'commit 0',
    ]);
    const status = await git.statusMatrix({ fs, dir: '/repo' });
    expect(status.every(([, ...state]) => state.join() === '1,1,1')).to.equal(true);
    if (!hasGit) {
      console.log('      (git is missing: it did not look at the repository)');
      return;
    }
    copyOut(fs, '/repo', join(folder, 'out'));
    run('git', ['fsck', '--strict'], join(folder, 'out'));
    const shown = run('git', ['log', '--format=%s', '--all'], join(folder, 'out'));
    expect(shown.split('\n').slice(0, 4)).to.have.members([
      'gone',
      'commit 2',
      'commit 1',
      'commit 0',
    ]);
    expect(run('git', ['status', '--porcelain'], join(folder, 'out'))).to.equal('');
  });

  it('isomorphic-git clones, commits and pushes', async function () {
    if (!hasGit) {
      console.log('      (skipped: git is missing, which serves the repository)');
      this.skip();
    }
    const repository = join(folder, 'origin');
    nodeFs.mkdirSync(join(repository, 'src'), { recursive: true });
    nodeFs.writeFileSync(join(repository, 'src/ä.txt'), 'text\n');
    nodeFs.writeFileSync(join(repository, 'program'), '#!/bin/sh\n', { mode: 0o755 });
    nodeFs.symlinkSync('src/ä.txt', join(repository, 'link'));
    run('git', ['init', '-q', '-b', 'main'], repository);
    run('git', ['add', '.'], repository);
    run('git', ['commit', '-q', '-m', 'first'], repository);
    run('git', ['clone', '-q', '--bare', repository, join(folder, 'bare.git')], folder);
    run('git', ['config', 'http.receivepack', 'true'], join(folder, 'bare.git'));
    const server = await serveGit(folder);
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/bare.git`;
      await git.clone({ fs, http, dir: '/clone', url });
      mountAgain();
      expect(fs.readFileSync('/clone/src/ä.txt', 'utf8')).to.equal('text\n');
      expect(fs.statSync('/clone/program').mode & 0o777).to.equal(0o755);
      expect(fs.readlinkSync('/clone/link')).to.equal('src/ä.txt');
      fs.appendFileSync('/clone/src/ä.txt', 'more\n');
      await git.add({ fs, dir: '/clone', filepath: 'src/ä.txt' });
      const oid = await git.commit({ fs, dir: '/clone', message: 'second', author });
      const pushed = await git.push({ fs, http, dir: '/clone', url, ref: 'main' });
      expect(pushed.ok).to.equal(true);
      expect(run('git', ['rev-parse', 'main'], join(folder, 'bare.git')).trim()).to.equal(oid);
      expect(run('git', ['show', 'main:src/ä.txt'], join(folder, 'bare.git'))).to.equal(
        'text\nmore\n',
      );
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  it('tar-fs packs what tar unpacks, and unpacks what tar packs', async () => {
    const source = join(folder, 'source');
    nodeFs.mkdirSync(join(source, 'dir/deep'), { recursive: true });
    nodeFs.writeFileSync(join(source, 'dir/big'), Buffer.alloc(300_000, 'big '));
    nodeFs.writeFileSync(join(source, 'dir/run'), 'x', { mode: 0o750 });
    nodeFs.linkSync(join(source, 'dir/run'), join(source, 'dir/deep/same'));
    nodeFs.symlinkSync('../run', join(source, 'dir/deep/link'));
    nodeFs.utimesSync(join(source, 'dir/big'), 1_000_000_000, 1_100_000_000);
    run('tar', ['-cf', '../in.tar', '.'], source);
    await pipeline(
      nodeFs.createReadStream(join(folder, 'in.tar')),
      tar.extract('/tree', { fs, umask: 0 }),
    );
    mountAgain();
    expect(fs.statSync('/tree/dir/big')).to.include({ size: 300_000, mtimeMs: 1_100_000_000_000 });
    expect(fs.statSync('/tree/dir/run').mode & 0o777).to.equal(0o750);
    expect(fs.statSync('/tree/dir/deep/same').ino).to.equal(fs.statSync('/tree/dir/run').ino);
    const packed = join(folder, 'out.tar');
    await pipeline(tar.pack('/tree', { fs }), nodeFs.createWriteStream(packed));
    const target = join(folder, 'target');
    nodeFs.mkdirSync(target);
    run('tar', ['-xf', packed], target);
    run('diff', ['-r', '--no-dereference', source, target], folder);
    expect(nodeFs.readlinkSync(join(target, 'dir/deep/link'))).to.equal('../run');
    expect(nodeFs.statSync(join(target, 'dir/big')).mtimeMs).to.equal(1_100_000_000_000);
  });

  it('TypeScript takes it for node:fs, and has the types of what is ours', async () => {
    const asNode: typeof nodeFs = fs;
    const asPromises: typeof nodeFs.promises = fs.promises;
    const names: string[] = asNode.readdirSync('/');
    expect(await asPromises.readdir('/')).to.deep.equal(names);
    fs.writeFileSync('/file', '');
    await fs.promises.setxattr('/file', 'user.a', 'b', { create: true });
    const value: Buffer = fs.getxattrSync('/file', 'user.a');
    expect(value.toString()).to.equal('b');
    const listed = await new Promise((resolve) => {
      fs.listxattr('/file', {}, (_error, result) => resolve(result));
    });
    expect(listed).to.deep.equal(['user.a']);
    expect(asNode.statSync('/')).to.be.instanceOf(fs.Stats);
  });

  it('glob finds what it finds on the host', async () => {
    for (const [host, top] of [
      [nodeFs, folder],
      [fs, ''],
    ] as const) {
      for (const path of ['a/b/c', 'a/.hidden', 'ü']) {
        host.mkdirSync(`${top}/tree/${path}`, { recursive: true });
      }
      for (const path of ['a/1.js', 'a/b/2.js', 'a/b/c/3.ts', 'a/.hidden/4.js', 'ü/5.js']) {
        host.writeFileSync(`${top}/tree/${path}`, '');
      }
      host.symlinkSync('a', `${top}/tree/link`);
    }
    for (const pattern of ['**/*.js', '*/*', 'link/**/*.ts', 'a/**', './{a,ü}/[0-9].js']) {
      for (const options of [{}, { dot: true, nodir: true }, { follow: true, mark: true }]) {
        const wanted = globSync(pattern, { ...options, cwd: join(folder, 'tree') }).sort();
        const ours = { ...options, fs: fs as never, cwd: '/tree' };
        expect(globSync(pattern, ours).sort(), pattern).to.deep.equal(wanted);
        expect((await glob(pattern, ours)).sort(), pattern).to.deep.equal(wanted);
      }
    }
    expect(globSync('**/*.js', { fs: fs as never, cwd: '/tree' })).to.include('ü/5.js');
  });

  it('fs-extra copies, moves, removes', async () => {
    const extra = fsExtraOn(fs);
    fs.mkdirSync('/from/sub', { recursive: true });
    fs.writeFileSync('/from/sub/file', 'content', { mode: 0o640 });
    fs.utimesSync('/from/sub/file', 5000, 6000);
    fs.symlinkSync('sub/file', '/from/link');
    await extra.copy('/from', '/to/here', { preserveTimestamps: true });
    await extra.outputJson('/to/new/place.json', { a: [1] });
    await extra.ensureLink('/from/sub/file', '/to/hard/link');
    await extra.move('/to/here', '/moved');
    await extra.emptyDir('/from');
    mountAgain();
    expect(fs.readFileSync('/moved/sub/file', 'utf8')).to.equal('content');
    expect(fs.statSync('/moved/sub/file')).to.include({ mode: 0o100640, mtimeMs: 6_000_000 });
    expect(fs.lstatSync('/moved/link').isSymbolicLink()).to.equal(true);
    expect(fs.readdirSync('/from')).to.deep.equal([]);
    expect(fs.statSync('/to/hard/link').nlink).to.equal(1);
    const again = fsExtraOn(fs);
    expect(await again.readJson('/to/new/place.json')).to.deep.equal({ a: [1] });
    await again.remove('/to');
    expect(await again.pathExists('/to')).to.equal(false);
  });
});
