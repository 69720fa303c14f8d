/**
 * What fsck_ffs looks for, since no Debian has one: every inode, every pointer, every record of a
 * directory, every map and every count, against each other. It knows the medium by itself (offsets,
 * not the driver's declarations), and finds nothing in what makefs makes.
 */
const NDADDR = 12;
const MAGIC_UFS1 = 0x011954;
const MAGIC_UFS2 = 0x19540119;

interface Inode {
  readonly mode: number;
  readonly nlink: number;
  readonly size: number;
}

class Check {
  readonly findings: string[] = [];
  private readonly image: Uint8Array;
  private readonly view: DataView;
  private le = true;
  private sb = 0;
  private isUfs2 = false;
  private readonly inodes = new Map<number, Inode>();
  /** Fragment → who has it. */
  private readonly owner = new Map<number, string>();
  /** Directory's inode → fragments of its blocks, with the bytes that count. */
  private readonly contents = new Map<number, [at: number, bytes: number][]>();

  constructor(image: Uint8Array) {
    this.image = image;
    this.view = new DataView(image.buffer, image.byteOffset, image.length);
  }

  private u8 = (at: number): number => this.view.getUint8(at);
  private u16 = (at: number): number => this.view.getUint16(at, this.le);
  private u32 = (at: number): number => this.view.getUint32(at, this.le);
  private i64 = (at: number): number => Number(this.view.getBigInt64(at, this.le));

  private wrong(what: string): void {
    if (this.findings.length < 20) this.findings.push(what);
  }

  private same(what: string, found: number, wanted: number): void {
    if (found !== wanted) this.wrong(`${what} is ${found}, not ${wanted}`);
  }

  private locate(): boolean {
    for (const sb of [65536, 8192]) {
      if (sb + 1376 > this.image.length) continue;
      for (const le of [true, false]) {
        this.le = le;
        const magic = this.u32(sb + 1372);
        this.sb = sb;
        this.isUfs2 = magic === MAGIC_UFS2;
        if (this.isUfs2 ? this.i64(sb + 1000) === sb : magic === MAGIC_UFS1 && sb === 8192) {
          return true;
        }
      }
    }
    return false;
  }

  run(): void {
    if (!this.locate()) {
      this.wrong('no superblock');
      return;
    }
    const { sb, u32, isUfs2 } = this;
    this.same('fs_clean', this.u8(sb + 209), 1);
    const bsize = u32(sb + 48);
    const fsize = u32(sb + 52);
    const frag = u32(sb + 56);
    const ncg = u32(sb + 44);
    const ipg = u32(sb + 184);
    const fpg = u32(sb + 188);
    const size = isUfs2 ? this.i64(sb + 1080) : u32(sb + 36);
    const csaddr = isUfs2 ? this.i64(sb + 1096) : u32(sb + 152);
    const [sblkno, cblkno, iblkno, dblkno] = [8, 12, 16, 20].map((at) => u32(sb + at)) as [
      number,
      number,
      number,
      number,
    ];
    const claim = (fragment: number, count: number, who: string): void => {
      for (let i = fragment; i < fragment + count; i++) {
        const before = this.owner.get(i);
        if (before !== undefined) this.wrong(`fragment ${i} belongs to ${before} and to ${who}`);
        if (i < 0 || i >= size) this.wrong(`${who} has fragment ${i} of ${size}`);
        this.owner.set(i, who);
      }
    };
    for (let cg = 0; cg < ncg; cg++) {
      const start = cg === 0 ? 0 : sblkno;
      const end = Math.min(dblkno, size - cg * fpg);
      claim(cg * fpg + start, end - start, `group ${cg}`);
    }
    claim(csaddr, Math.ceil(u32(sb + 156) / fsize), 'the summaries');

    const dinode = isUfs2 ? 256 : 128;
    const used: Set<number>[] = [];
    for (let cg = 0; cg < ncg; cg++) {
      used.push(new Set(cg === 0 ? [0, 1] : []));
      const inited = isUfs2 ? u32((cg * fpg + cblkno) * fsize + 120) : ipg;
      for (let i = cg === 0 ? 2 : 0; i < inited; i++) {
        const ino = cg * ipg + i;
        const at = (cg * fpg + iblkno) * fsize + i * dinode;
        if (this.inode(ino, at, { bsize, fsize, frag, claim })) used[cg]!.add(i);
      }
    }
    const dirs = this.directories(ipg);
    this.groups({ bsize, fsize, frag, ncg, ipg, fpg, size, csaddr, cblkno }, used, dirs);
  }

  /** @returns true: it is in use. */
  private inode(
    ino: number,
    at: number,
    g: {
      bsize: number;
      fsize: number;
      frag: number;
      claim: (fragment: number, count: number, who: string) => void;
    },
  ): boolean {
    const { u16, u32, i64, isUfs2 } = this;
    const mode = u16(at);
    const size = i64(at + (isUfs2 ? 16 : 8));
    const width = isUfs2 ? 8 : 4;
    const pointer = (where: number): number => (isUfs2 ? i64(where) : u32(where));
    const db = at + (isUfs2 ? 112 : 40);
    const pointers = Array.from({ length: 15 }, (_, i) => pointer(db + i * width));
    if (mode === 0) {
      if (size !== 0 || pointers.some((p) => p !== 0)) this.wrong(`inode ${ino} is half free`);
      return false;
    }
    this.inodes.set(ino, { mode, nlink: u16(at + 2), size });
    const kind = mode >> 12;
    const isShort = kind === 10 && size < u32(this.sb + 1320);
    const isFile = kind === 8 || kind === 4 || (kind === 10 && !isShort);
    const blocks = isUfs2 ? i64(at + 24) : u32(at + 104);
    let fragments = isUfs2 ? this.attributes(ino, at, g) : 0;
    if (!isFile) {
      this.same(`blocks of inode ${ino}`, blocks, (fragments * g.fsize) / 512);
      return true;
    }
    const last = Math.ceil(size / g.bsize) - 1;
    const content: [number, number][] = [];
    const data = (lbn: number, p: number): void => {
      if (p === 0) {
        if (lbn === last || kind === 4) this.wrong(`inode ${ino} of ${size} bytes ends in a hole`);
        return;
      }
      if (lbn > last) {
        this.wrong(`inode ${ino} has block ${lbn} behind its end`);
        return;
      }
      const bytes = Math.min(g.bsize, size - lbn * g.bsize);
      const count = lbn < NDADDR ? Math.ceil(bytes / g.fsize) : g.frag;
      if ((p % g.frag) + count > g.frag) this.wrong(`inode ${ino}: block ${lbn} lies askew`);
      g.claim(p, count, `inode ${ino}`);
      fragments += count;
      content.push([p * g.fsize, bytes]);
    };
    for (let lbn = 0; lbn < NDADDR; lbn++) {
      if (lbn <= last || pointers[lbn] !== 0) data(lbn, pointers[lbn]!);
    }
    const nindir = g.bsize / width;
    const walk = (p: number, level: number, first: number): void => {
      const below = nindir ** (level - 1);
      if (p === 0) {
        if (last >= first && last < first + below * nindir)
          this.wrong(`inode ${ino} ends in a hole`);
        return;
      }
      if (first > last) this.wrong(`inode ${ino} has a pointer block behind its end`);
      g.claim(p, g.frag, `inode ${ino}`);
      fragments += g.frag;
      for (let i = 0; i < nindir; i++) {
        const next = pointer(p * g.fsize + i * width);
        const lbn = first + i * below;
        if (level > 1) walk(next, level - 1, lbn);
        else if (next !== 0 || lbn === last) data(lbn, next);
      }
    };
    let first = NDADDR;
    for (let level = 1; level <= 3; level++) {
      walk(pointers[NDADDR + level - 1]!, level, first);
      first += nindir ** level;
    }
    this.same(`blocks of inode ${ino}`, blocks, (fragments * g.fsize) / 512);
    if (kind === 4) {
      if (size === 0 || size % 512 !== 0) this.wrong(`directory ${ino} has ${size} bytes`);
      this.contents.set(ino, content);
    }
    return true;
  }

  /** Extended attributes of UFS2: their blocks, and records that follow one another to the end. */
  private attributes(
    ino: number,
    at: number,
    g: {
      bsize: number;
      fsize: number;
      claim: (fragment: number, count: number, who: string) => void;
    },
  ): number {
    const size = this.u32(at + 92);
    if (size > 2 * g.bsize) this.wrong(`inode ${ino} has ${size} bytes of attributes`);
    const bytes: number[] = [];
    let fragments = 0;
    for (let i = 0; i < 2; i++) {
      const block = this.i64(at + 96 + 8 * i);
      const here = Math.min(g.bsize, size - i * g.bsize);
      if (here > 0 !== block > 0) this.wrong(`inode ${ino}: block ${i} of attributes: ${block}`);
      if (here <= 0 || block <= 0) continue;
      const count = Math.ceil(here / g.fsize);
      g.claim(block, count, `attributes of inode ${ino}`);
      fragments += count;
      for (let b = 0; b < here; b++) bytes.push(block * g.fsize + b);
    }
    for (let n = 0; n < bytes.length; ) {
      const place = bytes[n]!;
      const length = this.u32(place);
      const [space, padding, name] = [4, 5, 6].map((field) => this.u8(place + field));
      const value = length - Math.ceil((7 + name!) / 8) * 8 - padding!;
      const isRight =
        length % 8 === 0 && length <= bytes.length - n && name! > 0 && value >= 0 && padding! < 8;
      if (!isRight || (space !== 1 && space !== 2)) {
        this.wrong(`inode ${ino}: a damaged attribute at ${n}`);
        break;
      }
      n += length;
    }
    return fragments;
  }

  /** @returns directories by group. */
  private directories(ipg: number): Map<number, number> {
    const links = new Map<number, number>();
    const parents = new Map<number, number>();
    const seen = new Set<number>();
    const groups = new Map<number, number>();
    const queue = [2];
    for (let dir = queue.pop(); dir !== undefined; dir = queue.pop()) {
      if (seen.has(dir)) {
        this.wrong(`directory ${dir} has two names`);
        continue;
      }
      seen.add(dir);
      const cg = Math.floor(dir / ipg);
      groups.set(cg, (groups.get(cg) ?? 0) + 1);
      const names = new Set<string>();
      let n = 0;
      for (const [at, bytes] of this.contents.get(dir) ?? []) {
        for (let block = at; block < at + bytes; block += 512) {
          for (const { name, ino, type } of this.records(dir, block)) {
            n++;
            if (n === 1 && (name !== '.' || ino !== dir)) this.wrong(`directory ${dir}: no "."`);
            if (n === 2 && (name !== '..' || ino !== (parents.get(dir) ?? 2))) {
              this.wrong(`directory ${dir}: no ".."`);
            }
            if (names.has(name)) this.wrong(`directory ${dir} has "${name}" twice`);
            names.add(name);
            const inode = this.inodes.get(ino);
            if (inode === undefined) {
              this.wrong(`"${name}" in directory ${dir} leads to inode ${ino}, which is free`);
              continue;
            }
            this.same(`type of "${name}" in directory ${dir}`, type, inode.mode >> 12);
            links.set(ino, (links.get(ino) ?? 0) + 1);
            if (n > 2 && inode.mode >> 12 === 4) {
              parents.set(ino, dir);
              queue.push(ino);
            }
          }
        }
      }
    }
    for (const [ino, { nlink }] of this.inodes) {
      this.same(`link count of inode ${ino}`, nlink, links.get(ino) ?? 0);
    }
    return groups;
  }

  private *records(
    dir: number,
    block: number,
  ): Generator<{ name: string; ino: number; type: number }> {
    for (let at = block; at < block + 512; ) {
      const ino = this.u32(at);
      const reclen = this.u16(at + 4);
      const namlen = this.u8(at + 7);
      const least = ino === 0 ? 8 : (8 + namlen + 4) & ~3;
      if (reclen < least || reclen % 4 !== 0 || at + reclen > block + 512) {
        this.wrong(`directory ${dir}: a record of ${reclen} bytes at ${at}`);
        return;
      }
      const name = Buffer.from(this.image.subarray(at + 8, at + 8 + namlen)).toString('latin1');
      if (ino !== 0) {
        if (this.u8(at + 8 + namlen) !== 0 || name.includes('\0')) {
          this.wrong(`directory ${dir}: "${name}" does not end with its NUL`);
        }
        yield { name, ino, type: this.u8(at + 6) };
      }
      at += reclen;
    }
  }

  private groups(
    g: Readonly<
      Record<
        'bsize' | 'fsize' | 'frag' | 'ncg' | 'ipg' | 'fpg' | 'size' | 'csaddr' | 'cblkno',
        number
      >
    >,
    used: readonly ReadonlySet<number>[],
    dirs: ReadonlyMap<number, number>,
  ): void {
    const { u32, isUfs2, sb } = this;
    const totals = [0, 0, 0, 0];
    const names = ['ndir', 'nbfree', 'nifree', 'nffree'];
    const contig = u32(sb + 1316);
    for (let cg = 0; cg < g.ncg; cg++) {
      const at = (cg * g.fpg + g.cblkno) * g.fsize;
      const fragments = Math.min(g.fpg, g.size - cg * g.fpg);
      this.same(`magic of group ${cg}`, u32(at + 4), 0x090255);
      this.same(`number of group ${cg}`, u32(at + 12), cg);
      this.same(`fragments of group ${cg}`, u32(at + 20), fragments);
      const bit = (off: number, i: number): boolean =>
        (this.u8(at + off + (i >> 3)) & (1 << (i & 7))) !== 0;
      const iused = u32(at + 92);
      for (let i = 0; i < g.ipg; i++) {
        if (bit(iused, i) !== used[cg]!.has(i)) {
          this.wrong(`group ${cg}: inode ${i} is marked as ${bit(iused, i) ? 'used' : 'free'}`);
        }
      }
      const free = u32(at + 96);
      const runs = new Array<number>(8).fill(0);
      const isFree: boolean[] = [];
      let [nbfree, nffree] = [0, 0];
      for (let block = 0; block * g.frag < fragments; block++) {
        const map = Array.from({ length: g.frag }, (_, i) => {
          const fragment = block * g.frag + i;
          const isThere = fragment < fragments;
          const wanted = isThere && !this.owner.has(cg * g.fpg + fragment);
          if (isThere && bit(free, fragment) !== wanted) {
            const who = this.owner.get(cg * g.fpg + fragment) ?? 'nobody';
            this.wrong(`group ${cg}: the map is wrong for fragment ${fragment}, of ${who}`);
          }
          return wanted;
        });
        const all = map.every((one) => one);
        isFree.push(all);
        if (all) {
          nbfree++;
          continue;
        }
        nffree += map.filter((one) => one).length;
        for (const run of map
          .map((one) => (one ? '1' : '0'))
          .join('')
          .match(/1+/g) ?? []) {
          runs[run.length]!++;
        }
      }
      runs.forEach((count, n) => {
        if (n > 0) this.same(`group ${cg}: runs of ${n} fragments`, u32(at + 52 + 4 * n), count);
      });
      if (contig > 0) {
        const sums = new Array<number>(contig + 1).fill(0);
        const clusters = u32(at + 108);
        const blocks = Math.floor(fragments / g.frag);
        this.same(`group ${cg}: blocks of clusters`, u32(at + 112), blocks);
        let run = 0;
        for (let block = 0; block <= blocks; block++) {
          const isOne = block < blocks && isFree[block]!;
          if (block < blocks && bit(clusters, block) !== isOne) {
            this.wrong(`group ${cg}: the map of clusters is wrong for block ${block}`);
          }
          if (isOne) {
            run++;
          } else if (run > 0) {
            sums[Math.min(run, contig)]!++;
            run = 0;
          }
        }
        sums.forEach((count, n) => {
          const found = n === 0 ? 0 : u32(at + u32(at + 104) + 4 * n);
          if (n > 0) this.same(`group ${cg}: clusters of ${n} blocks`, found, count);
        });
      }
      const wanted = [dirs.get(cg) ?? 0, nbfree, g.ipg - used[cg]!.size, nffree];
      wanted.forEach((count, i) => {
        this.same(`group ${cg}: ${names[i]}`, u32(at + 24 + 4 * i), count);
        const summary = u32(g.csaddr * g.fsize + cg * 16 + 4 * i);
        this.same(`summary of group ${cg}: ${names[i]}`, summary, count);
        totals[i]! += count;
      });
    }
    totals.forEach((count, i) => {
      this.same(`sum: ${names[i]}`, this.i64(sb + 1008 + 8 * i), count);
      if (!isUfs2) this.same(`old sum: ${names[i]}`, u32(sb + 192 + 4 * i), count);
    });
  }
}

/** @returns what is wrong with an image, up to 20 findings. */
export function ffsFindings(image: Uint8Array): string[] {
  const check = new Check(image);
  check.run();
  return check.findings;
}

/** @throws Error with what is wrong. */
export function fsckFfs(image: Uint8Array): void {
  const findings = ffsFindings(image);
  if (findings.length > 0) throw new Error(`ffs: ${findings.join('\n')}`);
}
