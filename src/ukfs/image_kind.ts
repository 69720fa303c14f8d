/** What a file that is no file system of ours may be instead, told from its first bytes. */

interface Magic {
  readonly at: number;
  /** Latin-1. */
  readonly bytes: string;
  readonly name: string;
}

/** How much of a file {@link imageKind} looks at. */
export const IMAGE_HEAD_BYTES = 0x10800;

// Source: the formats' own specifications; most are in file(1)'s list, too.
const MAGICS: readonly Magic[] = [
  { at: 0, bytes: 'hsqs', name: 'squashfs (little endian)' },
  { at: 0, bytes: 'sqsh', name: 'squashfs (big endian)' },
  { at: 0, bytes: 'UBI#', name: 'a UBI volume' },
  { at: 0, bytes: '\x31\x18\x10\x06', name: 'UBIFS' },
  { at: 0, bytes: '\x45\x3d\xcd\x28', name: 'cramfs (little endian)' },
  { at: 0, bytes: '\x28\xcd\x3d\x45', name: 'cramfs (big endian)' },
  { at: 0, bytes: '-rom1fs-', name: 'romfs' },
  { at: 0, bytes: '\x27\x05\x19\x56', name: 'a U-Boot image (uImage)' },
  { at: 0, bytes: '\xd0\x0d\xfe\xed', name: 'a device tree or FIT image' },
  { at: 0, bytes: '\x1f\x8b', name: 'gzip: unpack it first' },
  { at: 0, bytes: '\xfd7zXZ\0', name: 'xz: unpack it first' },
  { at: 0, bytes: 'BZh', name: 'bzip2: unpack it first' },
  { at: 0, bytes: '\x28\xb5\x2f\xfd', name: 'zstd: unpack it first' },
  { at: 0, bytes: 'PK\x03\x04', name: 'a zip archive: unpack it first' },
  { at: 0, bytes: '\x7fELF', name: 'a program (ELF)' },
  { at: 0, bytes: '\xce\xfa\xad\x1b', name: 'BFS' },
  { at: 0, bytes: '\x1b\xad\xfa\xce', name: 'BFS (big endian)' },
  { at: 8, bytes: 'littlefs', name: 'littlefs' },
  { at: 257, bytes: 'ustar', name: 'a tar archive: unpack it first' },
  { at: 0x400, bytes: '\x10\x20\xf5\xf2', name: 'F2FS' },
  { at: 0x400, bytes: '\xe2\xe1\xf5\xe0', name: 'EROFS' },
  { at: 0x438, bytes: '\x53\xef', name: 'ext2, ext3 or ext4' },
  { at: 0x8001, bytes: 'CD001', name: 'ISO 9660' },
  { at: 54, bytes: 'FAT', name: 'FAT' },
  { at: 82, bytes: 'FAT32', name: 'FAT' },
];

/** @returns a name for a person, or undefined. */
export function imageKind(head: Uint8Array): string | undefined {
  const has = ({ at, bytes }: Magic): boolean =>
    [...bytes].every((byte, i) => head[at + i] === byte.charCodeAt(0));
  return MAGICS.find(has)?.name;
}
