/**
 * Names that come out of an image, and what the host would take them for. Linux and macOS give a
 * meaning to "/", NUL, "." and ".." alone; Windows to much more ("Naming Files, Paths, and
 * Namespaces" in Microsoft's documentation of Win32).
 */

/** Devices of DOS, in every folder and with any extension; 1 to 3 also as superscripts (UTF-8). */
const DOS_DEVICE =
  /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)([0-9]|\xc2[\xb9\xb2\xb3])) *(\.|:|$)/i;

/** Control characters, both separators, drives and streams, wildcards. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const NOT_ON_WINDOWS = /[\x00-\x1f<>:"/\\|?*]/;

/**
 * Whether the host takes a name for one entry of a directory, and for no other than that.
 * @param name bytes, one character each.
 * @param platform as process.platform.
 */
export function isPlainName(name: string, platform: string = process.platform): boolean {
  if (name === '' || name === '.' || name === '..' || /[\0/]/.test(name)) return false;
  if (platform !== 'win32') return true;
  // Spaces and dots at the end are cut off there.
  return !NOT_ON_WINDOWS.test(name) && !DOS_DEVICE.test(name) && !/[ .]$/.test(name);
}

/**
 * The mode of a host's file. On Windows it tells no more than "read-only"; what others may do is
 * not in it, and directories could not be entered.
 */
export function hostMode(mode: number, platform: string = process.platform): number {
  if (platform !== 'win32') return mode;
  const isDirectory = (mode & 0o170000) === 0o040000;
  const isWritable = (mode & 0o200) !== 0;
  return (mode & ~0o7777) | (isDirectory ? 0o755 : isWritable ? 0o644 : 0o444);
}
