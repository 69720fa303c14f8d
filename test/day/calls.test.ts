/**
 * System calls that programs rely on and that neither Node nor a shell makes, through python3, on
 * the mount: odd names, files without a name, mappings, direct I/O, locks, times, special files.
 */
import { readdirSync } from 'node:fs';
import { hostTree } from '../images/host_tree.js';
import { assertSameTree } from '../images/tree.js';
import { Flash, obstacle, TIME_LIMIT_MS } from './rig.js';

const CACHES = ['writeback_cache', 'no_writeback_cache'] as const;
const OBSTACLE = obstacle('python3', 'setfattr', 'getfattr', 'setfacl', 'getfacl');

for (const cache of CACHES) {
  describe(`system calls on the mount: ${cache}`, function () {
    if (OBSTACLE !== undefined) {
      it(`(skipped: ${OBSTACLE})`);
      return;
    }
    this.timeout(TIME_LIMIT_MS);
    let flash: Flash;
    let directories = 0;

    before(() => {
      flash = new Flash({ mebibytes: 32, options: [cache, 'dev', 'suid'] });
      flash.mount();
    });
    after(() => {
      flash.remove();
    });

    /** Runs a program in a directory of its own. */
    const python = (program: string): string =>
      flash.python(flash.directory(`${directories++}`), program);

    it('names: 254 bytes of anything but NUL and "/"; 255 are too many', () => {
      python(`
names = [b'n' * 254, b'\\xff\\xfe', b'\\xc3(', b'new\\nline', b'-rf', b' lead', b'trail ', b'...',
         b'*?[]', b'a\\\\b', b'"' + b"'", bytes(range(1, 47)), bytes(range(48, 256))]
for name in names:
    put(name, name)
    os.link(name, name[:250] + b'.l')
    os.symlink(name, name[:250] + b'.s')
    os.mkdir(name[:250] + b'.d')
    os.rename(name[:250] + b'.d', name[:250] + b'.e')
for name in names:
    expect(get(name[:250] + b'.s'), name)
    expect(get(name[:250] + b'.l'), name)
expect(len(os.listdir(b'.')), 4 * len(names))
old, long = names[0], b'l' * 255
for call in (lambda: put(long), lambda: os.mkdir(long), lambda: os.symlink(b'x', long),
             lambda: os.link(old, long), lambda: os.rename(old, long), lambda: os.stat(long),
             lambda: os.mkfifo(long), lambda: os.unlink(long), lambda: os.mkdir(b'l' * 256)):
    expect(errno(call), 'ENAMETOOLONG')
expect(os.statvfs('.').f_namemax, 254)
expect(len(os.listdir(b'.')), 4 * len(names))
`);
    });

    it('symlinks of up to 254 bytes', () => {
      python(`
for length in (1, 100, 254):
    target = bytes(0x21 + i % 200 for i in range(length))
    os.symlink(target, b'link %d' % length)
    expect(os.readlink(b'link %d' % length), target)
    expect(os.lstat(b'link %d' % length).st_size, length)
expect(errno(os.symlink, b'x' * 255, b'long'), 'ENAMETOOLONG')
expect(errno(os.symlink, b'', b'empty'), 'ENOENT')
`);
    });

    it('an unlinked file lives as long as it is open', () => {
      python(`
fd = os.open('file', os.O_CREAT | os.O_RDWR)
os.write(fd, b'0123456789' * 1000)
os.unlink('file')
expect(os.listdir('.'), [])
expect((os.fstat(fd).st_nlink, os.fstat(fd).st_size), (0, 10000))
expect(os.pread(fd, 10, 5000), b'0123456789')
os.pwrite(fd, b'more', 10000)
os.fchmod(fd, 0o600); os.fchown(fd, 12, 34); os.utime(fd, (1000, 2000)); os.fsync(fd)
status = os.fstat(fd)
expect((status.st_mode & 0o777, status.st_uid, status.st_gid, status.st_mtime, status.st_size),
       (0o600, 12, 34, 2000, 10004))
os.ftruncate(fd, 3)
expect(os.pread(fd, 10, 0), b'012')
# A new file of the same name is another one.
put('file', b'new')
expect(os.pread(fd, 10, 0), b'012')
os.close(fd)
expect(get('file'), b'new')
# Replaced, and removed with its directory, while open.
fd = os.open('file', os.O_RDWR); put('other', b'other'); os.rename('other', 'file')
expect((os.fstat(fd).st_nlink, os.pread(fd, 9, 0), get('file')), (0, b'new', b'other'))
os.close(fd)
os.mkdir('d'); put('d/f', b'f'); fd = os.open('d/f', os.O_RDONLY); dir = os.open('d', os.O_RDONLY)
os.unlink('d/f'); os.rmdir('d')
expect(os.read(fd, 9), b'f')
expect(errno(os.open, 'new', os.O_CREAT, dir_fd=dir), 'ENOENT')
`);
    });

    it('files without a name from the start get one, or vanish', () => {
      python(`
fd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o640)
os.write(fd, b'anonymous')
expect((os.fstat(fd).st_nlink, os.listdir('.')), (0, []))
# linkat(AT_EMPTY_PATH), for which /proc is not needed
expect(c(libc.linkat, fd, b'', -100, b'named', 0x1000), 0)
os.close(fd)
expect((get('named'), os.stat('named').st_nlink), (b'anonymous', 1))
os.close(os.open('.', os.O_TMPFILE | os.O_RDWR))
expect(os.listdir('.'), ['named'])
`);
    });

    it('sparse files: holes read as zeros, and cost nothing', () => {
      python(`
free = os.statvfs('.').f_bfree
fd = os.open('sparse', os.O_CREAT | os.O_RDWR)
os.pwrite(fd, b'data', 4 << 20); os.ftruncate(fd, 64 << 20); os.fsync(fd)
expect(os.fstat(fd).st_size, 64 << 20)
expect(os.pread(fd, 8, (4 << 20) - 4), b'\\0\\0\\0\\0data')
expect(os.pread(fd, 4, (64 << 20) - 4), b'\\0' * 4)
expect(os.pread(fd, 4, 64 << 20), b'')
assert free - os.statvfs('.').f_bfree < 16
# Without the write-back cache the holes can be found; with it, all is data. Never the reverse.
data, hole = os.lseek(fd, 0, os.SEEK_DATA), os.lseek(fd, 0, os.SEEK_HOLE)
expect((data, hole), ${cache === 'writeback_cache' ? '(0, 64 << 20)' : '(4 << 20, 0)'})
expect(errno(os.lseek, fd, 64 << 20, os.SEEK_DATA), 'ENXIO')
`);
    });

    it('shared mappings are written and read', () => {
      python(`
fd = os.open('file', os.O_CREAT | os.O_RDWR); os.ftruncate(fd, 10000)
map = mmap.mmap(fd, 10000)
map[0:5] = b'first'; map[4094:4098] = b'edge'; map[9995:10000] = b'final'
expect(os.pread(fd, 4, 4094), b'edge')
os.pwrite(fd, b'write', 100)
expect(map[100:105], b'write')
map.flush(); map.close()
both = mmap.PROT_READ | mmap.PROT_WRITE
other = mmap.mmap(os.open('file', os.O_RDONLY), 10000, mmap.MAP_PRIVATE, both)
other[0:5] = b'apart'
data = get('file')
expect((data[:5], data[100:105], data[9995:], len(data)), (b'first', b'write', b'final', 10000))
`);
    });

    it('O_DIRECT, O_SYNC, O_APPEND, O_TRUNC, O_EXCL', () => {
      python(`
page = mmap.mmap(-1, 8192); page[:] = b'd' * 8192
fd = os.open('direct', os.O_CREAT | os.O_RDWR | os.O_DIRECT)
expect(os.write(fd, page), 8192)
back = mmap.mmap(-1, 8192)
expect((os.preadv(fd, [back], 0), back[:] == page[:]), (8192, True))
cached = os.open('direct', os.O_RDWR)
os.pwrite(cached, b'cached', 4096); expect(os.preadv(fd, [back], 4096), 4096)
expect(back[:7], b'cachedd')
put('sync', b's' * 5000, os.O_CREAT | os.O_WRONLY | os.O_SYNC); expect(get('sync'), b's' * 5000)
a, b = (os.open('log', os.O_CREAT | os.O_WRONLY | os.O_APPEND) for _ in 'ab')
for i in range(100): os.write(a, b'a'); os.write(b, b'b')
expect(get('log'), b'ab' * 100)
put('log', b'', os.O_WRONLY | os.O_TRUNC); expect(get('log'), b'')
os.write(a, b'again'); expect(get('log'), b'again')
expect(errno(os.open, 'log', os.O_CREAT | os.O_EXCL), 'EEXIST')
expect(errno(os.open, 'log', os.O_DIRECTORY), 'ENOTDIR')
expect(errno(os.open, '.', os.O_WRONLY), 'EISDIR')
`);
    });

    it('truncate: shorter, longer, and again; fallocate is refused, posix_fallocate helps itself', () => {
      python(`
put('file', b'x' * 10000)
for size in (5000, 4096, 4097, 1, 0, 1, 9000, 8192, 20000):
    before = get('file'); os.truncate('file', size)
    expect(get('file'), before[:size].ljust(size, b'\\0'))
fd = os.open('file', os.O_RDWR)
for mode in (0, 1, 3, 8, 16, 32):
    expect(c(libc.fallocate, fd, mode, ctypes.c_long(0), ctypes.c_long(4096)), 'ENOTSUP')
os.posix_fallocate(fd, 0, 40000)
expect(os.fstat(fd).st_size, 40000)
expect(errno(os.truncate, '.', 0), 'EISDIR')
# The medium counts in 32 bits.
expect(errno(os.truncate, 'file', 1 << 32), 'EFBIG')
expect(os.stat('file').st_size, 40000)
`);
    });

    it('copy_file_range, sendfile and splice', () => {
      python(`
data = hashlib.sha512(b'seed').digest() * 40000
put('from', data)
source = os.open('from', os.O_RDONLY)
for name, call in (('range', lambda out: os.copy_file_range(source, out, 1 << 30)),
                   ('send', lambda out: os.sendfile(out, source, None, 1 << 20))):
    os.lseek(source, 0, 0)
    out = os.open(name, os.O_CREAT | os.O_WRONLY)
    while call(out): pass
    os.close(out)
    assert get(name) == data
`);
    });

    it('locks: flock(2) and fcntl(2)', () => {
      python(`
a, b = os.open('lock', os.O_CREAT | os.O_RDWR), os.open('lock', os.O_RDWR)
fcntl.flock(a, fcntl.LOCK_EX)
expect(errno(fcntl.flock, b, fcntl.LOCK_SH | fcntl.LOCK_NB), 'EAGAIN')
fcntl.flock(a, fcntl.LOCK_UN); fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.lockf(a, fcntl.LOCK_EX, 10, 0)
child = os.fork()
if child == 0:
    # Another process's, of the same bytes and of others.
    answers = (errno(fcntl.lockf, a, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5),
               errno(fcntl.lockf, a, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 10))
    os._exit(0 if answers == ('EAGAIN', None) else 1)
expect(os.waitpid(child, 0)[1], 0)
`);
    });

    it('times have seconds, from 1970 to 2106', () => {
      python(`
put('file')
os.utime('file', ns=(1500000000_999999999, 1400000000_999999999))
expect((os.stat('file').st_atime_ns, os.stat('file').st_mtime_ns),
       (1500000000_000000000, 1400000000_000000000))
os.utime('file', (0, 2**32 - 1)); expect(os.stat('file').st_mtime, 2**32 - 1)
os.symlink('nowhere', 'link'); os.utime('link', (5, 6), follow_symlinks=False)
expect(os.lstat('link').st_mtime, 6)
os.mkdir('d'); os.utime('d', (7, 8)); expect(os.stat('d').st_mtime, 8)
put('d/new'); assert os.stat('d').st_mtime > 8
os.utime('d', (7, 8)); os.unlink('d/new'); assert os.stat('d').st_mtime > 8
`);
    });

    it('owners and modes: 16 bits for each id; set-id bits go when a stranger writes', () => {
      python(`
put('file')
os.chown('file', 65535 - 1, 65535); expect(os.stat('file')[4:6], (65534, 65535))
expect(errno(os.chown, 'file', 70000, 0), 'EINVAL')
expect(os.stat('file')[4:6], (65534, 65535))
os.chmod('file', 0o7777); expect(stat.S_IMODE(os.stat('file').st_mode), 0o7777)
os.chown('file', 1, 1); expect(stat.S_IMODE(os.stat('file').st_mode), 0o1777)
os.chmod('file', 0o6777)
child = os.fork()
if child == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    put('file', b'x'); os._exit(stat.S_IMODE(os.stat('file').st_mode) != 0o777)
expect(os.waitpid(child, 0)[1], 0)
`);
    });

    it('devices, fifos and sockets', () => {
      python(`
os.mknod('null', stat.S_IFCHR | 0o666, os.makedev(1, 3))
expect(os.write(os.open('null', os.O_WRONLY), b'gone'), 4)
for major, minor in ((0, 0), (8, 255), (300, 70000), (4095, (1 << 20) - 1)):
    for kind in (stat.S_IFBLK, stat.S_IFCHR):
        os.mknod('node', kind | 0o600, os.makedev(major, minor))
        expect(os.stat('node').st_rdev, os.makedev(major, minor)); os.unlink('node')
os.mkfifo('fifo')
reader = os.open('fifo', os.O_RDONLY | os.O_NONBLOCK); writer = os.open('fifo', os.O_WRONLY)
os.write(writer, b'through'); expect(os.read(reader, 100), b'through')
server = socket.socket(socket.AF_UNIX); server.bind('socket'); server.listen()
client = socket.socket(socket.AF_UNIX); client.connect('socket')
client.send(b'hello'); expect(server.accept()[0].recv(10), b'hello')
`);
    });

    it('hard links, and renames of every kind', () => {
      python(`
put('a', b'a'); os.link('a', 'b'); os.link('b', 'c')
expect((os.stat('a').st_nlink, os.stat('a').st_ino), (3, os.stat('c').st_ino))
os.rename('a', 'b')  # two names of one file: nothing happens
expect(sorted(os.listdir('.')), ['a', 'b', 'c'])
os.mkdir('d'); expect(errno(os.link, 'd', 'e'), 'EPERM')
os.rename('c', 'd/c'); expect(os.stat('a').st_nlink, 3)
os.mkdir('e'); os.rename('d', 'e/d'); expect((os.stat('e').st_nlink, get('e/d/c')), (3, b'a'))
expect(errno(os.rename, 'e', 'e/d/e'), 'EINVAL')
os.mkdir('f'); expect(errno(os.rename, 'f', 'e'), 'ENOTEMPTY')
expect(errno(os.rename, 'a', 'f'), 'EISDIR'); expect(errno(os.rename, 'f', 'a'), 'ENOTDIR')
os.rename('e', 'f'); expect(get('f/d/c'), b'a')
put('g', b'g')
def renameat2(old, new, flags): return c(libc.renameat2, -100, old, -100, new, flags)
expect(renameat2(b'a', b'g', 1), 'EEXIST')
expect(renameat2(b'a', b'h', 1), 0)
# As Linux's jffs2: no exchange, no whiteouts.
expect(renameat2(b'h', b'g', 2), 'EINVAL'); expect(renameat2(b'h', b'g', 4), 'EINVAL')
expect((get('h'), get('g')), (b'a', b'g'))
`);
    });

    it('extended attributes: four kinds of names, and their limits', () => {
      python(`
put('f')
for name in ('user.a', 'trusted.b', 'security.c'):
    os.setxattr('f', name, name.encode()); expect(os.getxattr('f', name), name.encode())
expect(sorted(os.listxattr('f')), ['security.c', 'trusted.b', 'user.a'])
expect(errno(os.setxattr, 'f', 'system.x', b''), 'ENOTSUP')
expect(errno(os.setxattr, 'f', 'other.x', b''), 'ENOTSUP')
expect(errno(os.setxattr, 'f', 'user.a', b'', os.XATTR_CREATE), 'EEXIST')
expect(errno(os.setxattr, 'f', 'user.z', b'', os.XATTR_REPLACE), 'ENODATA')
expect(errno(os.removexattr, 'f', 'user.z'), 'ENODATA')
os.setxattr('f', 'user.empty', b''); expect(os.getxattr('f', 'user.empty'), b'')
os.setxattr('f', 'user.' + 'n' * 250, b'x'); os.setxattr('f', 'user.big', b'v' * 50000)
expect(os.getxattr('f', 'user.big'), b'v' * 50000)
os.setxattr('f', 'user.big', bytes(range(256)) * 4); expect(len(os.getxattr('f', 'user.big')), 1024)
os.removexattr('f', 'user.a'); assert 'user.a' not in os.listxattr('f')
os.symlink('f', 'l'); expect(errno(os.setxattr, 'l', 'user.x', b'', follow_symlinks=False), 'EPERM')
os.setxattr('l', 'trusted.x', b'l', follow_symlinks=False)
assert 'trusted.x' not in os.listxattr('f')
child = os.fork()
if child == 0:
    os.setuid(65534)
    answers = (errno(os.setxattr, 'f', 'user.y', b''), errno(os.getxattr, 'f', 'trusted.b'),
               errno(os.setxattr, 'f', 'trusted.b', b''))
    os._exit(answers != ('EACCES', 'ENODATA', 'EPERM'))
expect(os.waitpid(child, 0)[1], 0)
`);
    });

    it('access lists are inherited and obeyed', () => {
      const directory = flash.directory(`${directories++}`);
      flash.sh(
        directory,
        `become() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
         mkdir -m 700 d && setfacl -m u:65534:rwx,d:u:65534:rw,d:g::r,d:o::- d
         (umask 077; echo text >d/f; mkdir d/e; mkdir d/e/deeper)
         test "$(getfacl -ncp d/f)" = 'user::rw-
user:65534:rw-
group::r--
mask::rw-
other::---'
         test "$(stat -c %a d/f)" = 660
         become sh -c 'cat d/f && echo more >>d/f' && ! become rm d/e/deeper 2>/dev/null
         getfacl -ncp d/e/deeper | grep -q '^default:user:65534:rw-'
         setfacl -m m::- d/f && ! become cat d/f 2>/dev/null
         chmod 660 d/f && become cat d/f
         setfacl -b d/f && ! become cat d/f 2>/dev/null
         setfacl -k d && ! getfacl -ncp d | grep default`,
      );
    });

    it('after a remount all of it is there', () => {
      const before = hostTree(flash.mountpoint, { xattrs: true });
      flash.remount();
      assertSameTree('remounted', before, hostTree(flash.mountpoint, { xattrs: true }), {
        ignoreAtRoot: ['mtime'],
      });
      if (readdirSync(flash.mountpoint).length !== directories) throw new Error('some are missing');
    });
  });
}
