import { expect } from 'chai';
import { parseBytes, JFFS2_MOUNT_OPTIONS } from '../../bin/jffs2_options.mjs';
import {
  GENERIC_MOUNT_OPTIONS,
  MountOptionError,
  parseMountOptions,
  splitMountOptions,
} from '../../src/fuse/mount_options.js';
import { sessionOptions } from '../../src/fuse/session_options.js';

const parse = (...texts: string[]) => parseMountOptions(texts, JFFS2_MOUNT_OPTIONS);

describe('mount options', () => {
  it('are cut at commas, unless these are quoted or escaped', () => {
    expect(splitMountOptions('a,b=1,,c')).to.deep.equal(['a', 'b=1', 'c']);
    expect(splitMountOptions('mtdparts="x:1k(a),-(b)",ro')).to.deep.equal([
      'mtdparts=x:1k(a),-(b)',
      'ro',
    ]);
    expect(splitMountOptions('mtdparts=x:1k(a)\\,-(b),ro')).to.deep.equal([
      'mtdparts=x:1k(a),-(b)',
      'ro',
    ]);
    expect(splitMountOptions('a\\\\b\\')).to.deep.equal(['a\\b\\']);
    expect(splitMountOptions('')).to.deep.equal([]);
  });

  it('go to the kernel, the session or the file system', () => {
    expect(parse('ro,noexec,compr=lzo', 'erasesize=128K,entry_timeout=0.5,sync')).to.deep.equal({
      readOnly: true,
      kernel: ['ro', 'noexec'],
      session: { entry_timeout: 0.5, sync: true },
      fileSystem: { compr: 'lzo', erasesize: 131072 },
    });
  });

  it('of contradicting words the last one counts', () => {
    expect(parse('ro,nosuid,rw,suid').kernel).to.deep.equal(['rw', 'suid']);
    expect(parse('ro', 'rw').readOnly).to.equal(false);
    expect(parse('rw', 'ro').readOnly).to.equal(true);
  });

  it('from fstab are accepted', () => {
    const fstab = 'defaults,noauto,nofail,user,user=me,_netdev,x-systemd.automount,x-a=b,comment=c';
    expect(parse(fstab)).to.deep.equal({
      readOnly: false,
      kernel: [],
      session: {},
      fileSystem: {},
    });
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['frobnicate', /unknown mount option "frobnicate"/],
    ['frobnicate=1', /unknown mount option "frobnicate=1"/],
    ['compr', /"compr" needs a value: compr=NAME/],
    ['compr=zip', /"compr=zip": expected one of none, priority/],
    ['ro=1', /"ro" takes no value/],
    ['endian=middle', /expected one of big, little/],
    ['erasesize=many', /expected bytes, as 131072/],
    ['entry_timeout=-1', /expected seconds/],
    ['remount', /"remount" is not offered: FUSE does not tell/],
  ];
  for (const [text, message] of wrong) {
    it(`"${text}" is refused with a reason`, () => {
      expect(() => parse(text)).to.throw(MountOptionError, message);
    });
  }

  it('bytes have units and bases', () => {
    const texts = ['131072', '0x20000', '128k', '128K', '128KiB', '16M', '1G', '2MB'];
    expect(texts.map(parseBytes)).to.deep.equal([
      131072,
      131072,
      131072,
      131072,
      131072,
      16777216,
      1 << 30,
      2097152,
    ]);
    for (const text of ['', 'k', '1.5M', '-1', '1T', '9007199254740993']) {
      expect(() => parseBytes(text), text).to.throw();
    }
  });

  it('the session takes those that are its own', () => {
    const words = 'no_writeback_cache,request_timeout=30,attr_timeout=1,fsname=x';
    expect(sessionOptions(parse(words))).to.deep.equal({
      writebackCache: false,
      requestTimeoutSeconds: 30,
      attrTimeoutSeconds: 1,
    });
  });

  it('no word is in both tables, nor twice in the same form', () => {
    const words = [...JFFS2_MOUNT_OPTIONS, ...GENERIC_MOUNT_OPTIONS].map(
      ({ name, value }) => `${name}${value === undefined ? '' : '='}`,
    );
    expect(words.length).to.equal(new Set(words).size);
  });
});
