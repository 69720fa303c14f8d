/**
 * A writer for "newc" cpio archives: the format in which a kernel takes its first file system.
 *
 * An entry is a header of thirteen 8-digit hexadecimal fields after the magic "070701", the name
 * with a NUL, padding to 4 bytes, the contents, padding to 4 bytes. The archive ends with an entry
 * named "TRAILER!!!". Source: cpio(5) (libarchive), kernel document "initramfs buffer format".
 */

const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;

export class CpioArchive {
  private readonly parts: Uint8Array[] = [];
  private readonly names = new Set<string>();
  private nextInode = 1;

  /** Adds a regular file and the directories above it. A name added before is left as it is. */
  file(name: string, content: Uint8Array, mode = 0o755): void {
    this.parents(name);
    this.entry(name, S_IFREG | mode, content, 0, 0);
  }

  directory(name: string, mode = 0o755): void {
    this.parents(name);
    this.entry(name, S_IFDIR | mode, new Uint8Array(0), 0, 0);
  }

  symlink(name: string, target: string): void {
    this.parents(name);
    this.entry(name, S_IFLNK | 0o777, Buffer.from(target), 0, 0);
  }

  characterDevice(name: string, major: number, minor: number, mode = 0o600): void {
    this.parents(name);
    this.entry(name, S_IFCHR | mode, new Uint8Array(0), major, minor);
  }

  /** True when an entry of that name exists. */
  has(name: string): boolean {
    return this.names.has(trim(name));
  }

  /** The archive's bytes; nothing may be added afterwards. */
  finish(): Buffer {
    this.entry('TRAILER!!!', 0, new Uint8Array(0), 0, 0);
    return Buffer.concat(this.parts);
  }

  private parents(name: string): void {
    const components = trim(name).split('/');
    for (let depth = 1; depth < components.length; depth++) {
      const parent = components.slice(0, depth).join('/');
      if (!this.names.has(parent)) {
        this.entry(parent, S_IFDIR | 0o755, new Uint8Array(0), 0, 0);
      }
    }
  }

  private entry(
    name: string,
    mode: number,
    content: Uint8Array,
    rdevMajor: number,
    rdevMinor: number,
  ): void {
    const path = trim(name);
    if (this.names.has(path)) return;
    this.names.add(path);
    const encodedName = Buffer.from(`${path}\0`);
    const fields = [
      this.nextInode++,
      mode,
      0,
      0,
      1,
      0,
      content.length,
      0,
      0,
      rdevMajor,
      rdevMinor,
      encodedName.length,
      0,
    ];
    const header = `070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}`;
    this.push(Buffer.concat([Buffer.from(header), encodedName]));
    this.push(content);
  }

  private push(bytes: Uint8Array): void {
    this.parts.push(bytes);
    const tail = bytes.length % 4;
    if (tail !== 0) this.parts.push(new Uint8Array(4 - tail));
  }
}

function trim(name: string): string {
  return name.replace(/^\/+/, '');
}
