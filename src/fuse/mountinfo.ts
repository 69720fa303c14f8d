/** /proc/self/mountinfo: what is mounted where, in the kernel's own words. */
import { readFileSync } from 'node:fs';

export interface MountInfo {
  /** Minor of the anonymous device: the number of a FUSE connection. */
  readonly minor: number;
  readonly mountpoint: string;
  /** "fuse.lump_jffs2". */
  readonly type: string;
}

/** Parses the file's text, read as latin1 so that no byte of a path is lost. */
export function parseMountInfo(text: string): MountInfo[] {
  const mounts: MountInfo[] = [];
  for (const line of text.split('\n')) {
    // id parent major:minor root mountpoint options [tags…] - type source options
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    if (dash < 0) continue;
    mounts.push({
      minor: Number(fields[2]!.split(':')[1]),
      mountpoint: unescapeField(fields[4]!),
      type: fields[dash + 1]!,
    });
  }
  return mounts;
}

/** The topmost mount on a directory, whose path must be absolute and free of links. */
export function findMount(mountpoint: string): MountInfo | undefined {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1')).findLast(
    (mount) => mount.mountpoint === mountpoint,
  );
}

/** The mount of a FUSE connection. */
export function findConnection(minor: number): MountInfo | undefined {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'latin1')).findLast(
    (mount) => mount.minor === minor && mount.type.startsWith('fuse'),
  );
}

/** Space, tab, newline and backslash come as \ooo; the bytes are taken for UTF-8. */
function unescapeField(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
