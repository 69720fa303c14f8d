/** fsu_touch */
import { EXIT_USAGE, ToolError, isSystemError } from './errors.js';
import type { Tool } from './tool.js';
import { O_CREAT, O_WRONLY, type NewTime, type Timespec } from './tree.js';

/** [[CC]YY]MMDDhhmm[.SS], local time. */
export function parseStamp(text: string): Timespec | undefined {
  const match = /^(\d\d)?(\d\d)?(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d\d))?$/.exec(text);
  if (match === null) return undefined;
  const [, century, year, ...parts] = match;
  // One pair before MMDDhhmm is the year.
  const yy = year ?? century;
  const cc = year === undefined ? undefined : century;
  const [month, day, hour, minute, second] = parts.map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  let fullYear = new Date().getFullYear();
  if (yy !== undefined) {
    fullYear = Number(yy) + (cc === undefined ? (Number(yy) < 69 ? 2000 : 1900) : Number(cc) * 100);
  }
  const date = new Date(fullYear, month - 1, day, hour, minute, second);
  const isReal =
    date.getMonth() === month - 1 && date.getDate() === day && hour < 24 && minute < 60;
  return isReal && second < 61 ? { sec: date.getTime() / 1000, nsec: 0 } : undefined;
}

/** "2024-05-06T07:08:09.5Z", "2024-05-06 07:08", "@1715000000". */
export function parseDate(text: string): Timespec | undefined {
  const epoch = /^@(-?\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (epoch !== null) {
    return { sec: Number(epoch[1]), nsec: Number((epoch[2] ?? '').padEnd(9, '0')) };
  }
  if (!/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?(Z|[+-]\d\d:?\d\d)?$/.test(text))
    return undefined;
  const iso = text.replace(',', '.').replace(' ', 'T');
  const ms = Date.parse(/^\d{4}-\d\d-\d\d$/.test(iso) ? `${iso}T00:00` : iso);
  if (Number.isNaN(ms)) return undefined;
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: (ms - sec * 1000) * 1e6 };
}

export const touch: Tool = {
  name: 'touch',
  about: 'Sets times of files of an image, and makes files that are missing.',
  usage: '[-achm] [-d date | -r file | -t time] file ...',
  writes: true,
  options: [
    ['-a', 'the time of access'],
    ['-c', 'make no file'],
    ['-d <date>', 'this time, as 2024-05-06T07:08:09Z, 2024-05-06 or @seconds'],
    ['-h', 'of a symbolic link itself'],
    ['-m', 'the time of modification; the default is both'],
    ['-r <file>', 'the times of this file of the image'],
    ['-t <time>', 'this time, as [[CC]YY]MMDDhhmm[.SS]'],
  ],
  operands: [1, Number.POSITIVE_INFINITY],
  examples: ['/etc/firstboot', '-r /etc/passwd /etc/shadow', '-t 202401010000 /etc/version'],
  seeAlso: ['touch(1)', 'fsu_stat(1)'],
  run(context, words) {
    const { tree, session } = context;
    const follows = !words.has('h');
    let access: NewTime = 'now';
    let modification: NewTime = 'now';
    const source = words.last('d', 'r', 't');
    if (source === 'r') {
      const path = words.value('r')!;
      if (
        !context.try(path, () => {
          const stat = follows ? tree.stat(path) : tree.lstat(path);
          access = stat.atime;
          modification = stat.mtime;
        })
      )
        return 1;
    } else if (source !== undefined) {
      const text = words.value(source)!;
      const time = source === 't' ? parseStamp(text) : parseDate(text);
      if (time === undefined) throw new ToolError(`invalid time '${text}'`, EXIT_USAGE);
      access = modification = time;
    }
    const [a, m] = [words.has('a'), words.has('m')];
    if (a && !m) modification = undefined;
    if (m && !a) access = undefined;
    for (const path of words.operands) {
      context.try(path, () => {
        const set = (): void =>
          follows
            ? tree.utimes(path, access, modification)
            : tree.lutimes(path, access, modification);
        try {
          set();
        } catch (error) {
          if (!isSystemError(error) || error.code !== 'ENOENT') throw error;
          if (words.has('c') || !follows) return;
          tree.close(tree.open(path, O_WRONLY | O_CREAT, 0o666 & ~session.umask));
          set();
        }
      });
    }
    return undefined;
  },
};
