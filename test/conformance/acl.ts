/** Access lists as text: "u::rwx,u:1003:r-x,g::r--,m::rwx,o::---" ↔ the value of the attribute. */

const TAGS: Readonly<Record<string, readonly [unnamed: number, named: number]>> = {
  u: [1, 2],
  g: [4, 8],
  m: [16, 16],
  o: [32, 32],
};
const ID_NONE = 0xffffffff;

export function aclText(text: string): Uint8Array {
  const entries = text.split(',');
  const value = new Uint8Array(4 + 8 * entries.length);
  const view = new DataView(value.buffer);
  view.setUint32(0, 2, true);
  entries.forEach((entry, i) => {
    const [letter, id, perm] = entry.split(':') as [string, string, string];
    const bits = [...perm].reduce((sum, c, at) => sum | (c === '-' ? 0 : 4 >> at), 0);
    view.setUint16(4 + 8 * i, TAGS[letter]![id === '' ? 0 : 1], true);
    view.setUint16(6 + 8 * i, bits, true);
    view.setUint32(8 + 8 * i, id === '' ? ID_NONE : Number(id), true);
  });
  return value;
}

export function aclOf(value: Uint8Array): string {
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const entries: string[] = [];
  for (let at = 4; at < value.length; at += 8) {
    const tag = view.getUint16(at, true);
    const [letter] = Object.entries(TAGS).find(([, tags]) => tags.includes(tag))!;
    const bits = view.getUint16(at + 2, true);
    const id = view.getUint32(at + 4, true);
    const perm = 'rwx'.replace(/./g, (c, i: number) => ((bits & (4 >> i)) !== 0 ? c : '-'));
    entries.push(`${letter}:${id === ID_NONE ? '' : id}:${perm}`);
  }
  return entries.join(',');
}
