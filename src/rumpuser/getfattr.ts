/** Reads what `getfattr -R -P -h -d -m - -e hex .` prints. */

/**
 * A block per file: "# file: PATH", then "NAME=0xHEX" lines, then an empty line. In paths and names
 * getfattr writes the bytes that would confuse a reader as a backslash and three octal digits.
 * Files without attributes are left out.
 * @returns path ('.' is the root) → pairs of name and value, all of them bytes
 */
export function parseGetfattr(text: string): Map<string, [string, Uint8Array][]> {
  const attributes = new Map<string, [string, Uint8Array][]>();
  let current: [string, Uint8Array][] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('# file: ')) {
      current = [];
      attributes.set(unquoteOctal(line.slice('# file: '.length)).replace(/^\.\//, ''), current);
      continue;
    }
    const match = /^([^=]+)(?:=0x([0-9a-f]*))?$/.exec(line);
    if (match === null) throw new Error(`getfattr printed "${line}"`);
    const [, name, hex] = match as unknown as [string, string, string | undefined];
    current.push([unquoteOctal(name), Buffer.from(hex ?? '', 'hex')]);
  }
  return attributes;
}

/** Replaces \ooo by the byte it stands for, and \\ by a backslash. */
export function unquoteOctal(text: string): string {
  return text.replace(/\\(?:([0-7]{3})|(.))/g, (_, octal: string | undefined, plain: string) =>
    octal === undefined ? plain : String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
