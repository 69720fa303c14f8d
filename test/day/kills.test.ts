/**
 * The server is killed again and again while programs write, always on the same flash: what they
 * were promised is there, the mount point is free, and the next mount finds nothing to complain
 * about. LUMP_KILLS says how often (5).
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { Running, jffs2Command, mountsBelow, until } from '../fuse/server.js';
import { Flash, obstacle, TIME_LIMIT_MS } from './rig.js';

const KILLS = Number(process.env.LUMP_KILLS ?? 5);
const SEED = Number(process.env.LUMP_SEED ?? 1);
const CACHES = ['writeback_cache', 'no_writeback_cache', 'sync'] as const;
const WRITERS = 3;

/**
 * Tells on a file of the host what it was promised: "+name length" this file is synced; "~name" it
 * may change its name or vanish from now on; ">name length new" it was renamed, and the directory
 * synced. Data follow from the first name.
 */
const WRITER = `
import random
me, generation, told = sys.argv[1:]
chance = random.Random(me + generation)
log = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
tell = lambda text: os.write(log, text.encode() + b'\\n')
directory = os.open('.', os.O_RDONLY)
noise = os.open('noise ' + me, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
mine = []
for i in range(100000):
    name = '%s-%s-%d' % (me, generation, i)
    length = chance.randrange(40000)
    # It stays open: closing it would bring its bytes to the server as well.
    fd = os.open(name, os.O_CREAT | os.O_WRONLY)
    expect(os.write(fd, hashlib.shake_256(name.encode()).digest(length)), length)
    os.fsync(fd)
    tell('+%s %d' % (name, length))
    mine.append((fd, name, length))
    os.write(noise, name.encode() * 50)
    if chance.randrange(3) == 0:
        fd, old, length = mine[-1]
        new = old + 'r'
        tell('~' + old)
        os.rename(old, new)
        os.fsync(directory)
        tell('>%s %d %s' % (old, length, new))
        mine[-1] = fd, new, length
    if len(mine) > 8:
        fd, old, length = mine.pop(0)
        tell('~' + old)
        os.unlink(old)
        os.close(fd)
    if i % 20 == 0: os.ftruncate(noise, 0)
`;

/** Files that must be there: name, name that the data follow from, length. */
function promised(told: string): string[] {
  const files = new Map<string, string>();
  // A line that was not finished promises nothing.
  for (const line of readFileSync(told, 'latin1').split('\n').slice(0, -1)) {
    const [name, length, renamed = name] = line.slice(1).split(' ');
    if (line[0] === '~') files.delete(name!);
    else files.set(renamed!, `${renamed} ${name} ${length}\n`);
  }
  return [...files.values()];
}

describe(`a server that is killed ${KILLS} times (LUMP_SEED=${SEED} LUMP_KILLS=${KILLS})`, function () {
  const reason = obstacle('python3');
  if (reason !== undefined) {
    it(`(skipped: ${reason})`);
    return;
  }
  this.timeout(TIME_LIMIT_MS);

  it('keeps its promises', async function () {
    this.timeout(TIME_LIMIT_MS + KILLS * 60_000);
    const flash = new Flash({ mebibytes: 8 });
    try {
      let kept = 0;
      let random = SEED;
      for (let kill = 0; kill < KILLS; kill++) {
        const cache = CACHES[kill % CACHES.length]!;
        const server = new Running(
          jffs2Command(flash.image, flash.mountpoint, '-f', '-o', `erasesize=64K,${cache}`),
        );
        await server.says('flash:');
        const told = Array.from({ length: WRITERS }, (_, me) => `${flash.image}.told${me}`);
        for (const file of told) writeFileSync(file, '');
        const writers = told.map((file, me) => flash.startPython(WRITER, `${me}`, `${kill}`, file));
        const ended = writers.map((child) => new Promise((resolve) => child.once('exit', resolve)));
        random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
        const promises = 5 + (random >>> 26);
        await until(
          () => told.reduce((sum, file) => sum + readFileSync(file).length, 0) > promises * 20,
        );
        server.kill('SIGKILL');
        await server.ended;
        await Promise.all(ended);
        await until(() => mountsBelow(flash.mountpoint).length === 0);
        expect(readdirSync(flash.mountpoint)).to.deep.equal([]);

        const said = flash.mount();
        expect(said, `mounted after kill ${kill}, ${cache}`).to.not.match(
          /damage|corrupt|bad|lost/,
        );
        const files = told.flatMap(promised);
        writeFileSync(`${flash.image}.promised`, files.join(''));
        flash.python(flash.mountpoint, CHECK, `${flash.image}.promised`);
        kept += files.length;
        flash.umount();
        flash.waitForServer();
      }
      console.log(`      ${KILLS} kills, ${kept} files that were promised`);
      expect(kept).to.be.greaterThan(KILLS);
    } finally {
      flash.remove();
    }
  });
});

/** Compares, reads all the rest, and makes room. */
const CHECK = `
for line in open(sys.argv[1]):
    name, source, length = line.split()
    if get(name) != hashlib.shake_256(source.encode()).digest(int(length)):
        sys.exit('%s has not the %s bytes of %s' % (name, length, source))
for name in os.listdir('.'):
    get(name)
    os.unlink(name)
expect(os.listdir('.'), [])
`;
