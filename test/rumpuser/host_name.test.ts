/** Names out of images, and modes, as the hosts have them. */
import { expect } from 'chai';
import { hostMode, isPlainName } from '../../src/rumpuser/host_name.js';

describe('names for the host', () => {
  const onWindows = (name: string): boolean => isPlainName(name, 'win32');

  it('everywhere: one component, and no other directory', () => {
    for (const platform of ['linux', 'darwin', 'win32']) {
      for (const name of ['', '.', '..', 'a/b', '/', 'a\0b']) {
        expect(isPlainName(name, platform), JSON.stringify(name)).to.equal(false);
      }
      for (const name of ['a', '...a', '.profile', 'na\xc3\xafve', 'com', 'console', 'a b']) {
        expect(isPlainName(name, platform), JSON.stringify(name)).to.equal(true);
      }
    }
  });

  it('on Windows: no drives, streams, wildcards, devices, nor what is cut off', () => {
    const meanMore = ['..\\evil', 'C:evil', 'file:stream', 'a*', 'a?', 'a<', 'a\x1b', '... '];
    const devices = ['NUL', 'con', 'Aux.txt', 'com1', 'LPT9.log', 'nul .txt', 'com\xc2\xb9'];
    for (const name of [...meanMore, ...devices, 'a.', 'a ']) {
      expect(onWindows(name), JSON.stringify(name)).to.equal(false);
      expect(isPlainName(name, 'linux'), JSON.stringify(name)).to.equal(true);
    }
  });

  it('modes of Windows tell whether a file may be written, and no more', () => {
    const modes = [0o040666, 0o100666, 0o100444, 0o120666];
    expect(modes.map((mode) => hostMode(mode, 'win32'))).to.deep.equal([
      0o040755, 0o100644, 0o100444, 0o120644,
    ]);
    expect(hostMode(0o100641, 'linux')).to.equal(0o100641);
  });
});
