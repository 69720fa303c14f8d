/**
 * Mounting as an ordinary user. fusermount3 (set-user-ID root) mounts and hands the descriptor over
 * a Unix socket, as SCM_RIGHTS, which Node cannot receive: read() drops it, and stdio 'ipc' aborts
 * the process. So an interpreter that can, python3 or perl, runs fusermount3, takes the descriptor
 * and then *becomes* (execve) the Node process that serves.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { MAX_WRITE_BYTES } from './init.js';
import { MountError, type MountRequest } from './transport.js';

/** The environment variable in which the wrapper names the descriptor it received. */
export const FD_VARIABLE = 'LUMP_FUSE_FD';
/** The one in which it names the mount point. */
export const MOUNTPOINT_VARIABLE = 'LUMP_FUSE_MOUNTPOINT';

/** argv: options, mount point, then the command to become. */
const PYTHON = `
import array, os, socket, subprocess, sys
options, mountpoint, command = sys.argv[1], sys.argv[2], sys.argv[3:]
ours, theirs = socket.socketpair()
done = subprocess.run(['fusermount3', '-o', options, '--', mountpoint],
    env={**os.environ, '_FUSE_COMMFD': str(theirs.fileno())}, pass_fds=[theirs.fileno()])
if done.returncode: sys.exit(done.returncode)
fds = array.array('i', [0])
_, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(fds.itemsize))
fd = array.array('i', ancillary[0][2][:fds.itemsize])[0]
os.set_inheritable(fd, True)
os.environ['${FD_VARIABLE}'] = str(fd)
os.environ['${MOUNTPOINT_VARIABLE}'] = mountpoint
os.execv(command[0], command)
`;

/**
 * recvmsg(2) by number, with its struct msghdr packed by hand for 64-bit hosts; perl-base has
 * nothing better. 47 on x86-64, 212 in the numbering of every newer architecture.
 */
const PERL = `
use strict; use Socket;
my ($options, $mountpoint, @command) = @ARGV;
my $machine = (split ' ', qx(uname -m))[0];
my $recvmsg = $machine eq 'x86_64' ? 47 : $machine =~ /^(aarch64|riscv64|loongarch64)$/ ? 212 : 0
  or die "perl cannot receive descriptors on $machine; install python3\\n";
$^F = 1023;
socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0) or die "socketpair: $!\\n";
{
  local $ENV{_FUSE_COMMFD} = fileno($theirs);
  system('fusermount3', '-o', $options, '--', $mountpoint);
  exit(($? >> 8) || 1) if $?;
}
my $byte = "\\0";
my $iov = pack('P Q', $byte, 1);
my $control = "\\0" x 24;
my $message = pack('Q L x4 P Q P Q i x4', 0, 0, $iov, 1, $control, length($control), 0);
syscall($recvmsg, fileno($ours), $message, 0) == 1 or die "recvmsg: $!\\n";
my $fd = unpack('x16 i', $control);
$ENV{${FD_VARIABLE}} = $fd;
$ENV{${MOUNTPOINT_VARIABLE}} = $mountpoint;
close $ours; close $theirs;
exec { $command[0] } @command or die "exec: $!\\n";
`;

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const isInstalled = (command: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, command)));

/** A comma or backslash inside a value is escaped by a backslash. */
const escapeValue = (value: string): string => value.replace(/[\\,]/g, '\\$&');

/**
 * The command that mounts through fusermount3 and then becomes `command`, with {@link FD_VARIABLE}
 * in its environment.
 * @param mountpoint of prepareMountpoint.
 * @throws MountError naming the package that is missing.
 */
export function throughFusermount(
  request: Pick<MountRequest, 'source' | 'subtype' | 'mountOptions'>,
  mountpoint: string,
  readOnly: boolean,
  command: readonly string[],
): [command: string, args: string[]] {
  if (!isInstalled('fusermount3')) {
    throw new MountError(
      'mounting as an ordinary user needs fusermount3; install the package fuse3, or mount as root',
    );
  }
  const options = [
    ...request.mountOptions.filter((word) => word !== 'ro' && word !== 'rw'),
    readOnly ? 'ro' : 'rw',
    'default_permissions',
    `max_read=${MAX_WRITE_BYTES}`,
    `fsname=${escapeValue(request.source)}`,
    `subtype=${request.subtype}`,
  ].join(',');
  const rest = [options, mountpoint, ...command];
  if (isInstalled('python3')) return ['python3', ['-c', PYTHON, ...rest]];
  if (isInstalled('perl')) return ['perl', ['-e', PERL, '--', ...rest]];
  throw new MountError(
    'mounting as an ordinary user needs python3 or perl; install one of them, or mount as root',
  );
}
