# On a file system that others filled: a folder of all kinds, and $WRITE_KIB of small files made and
# removed beside it, so that the others' nodes are collected. What no longer fits is left out.
. "$IN/common.sh"
mkdir '/mnt/by the kernel' || die 'no room for a directory'
cd '/mnt/by the kernel' || die 'cd'
echo hello > hello
ln hello linked
ln -s hello symlink
mknod device b 259 70000
mkfifo fifo
mkdir directory
head -c 9000 "$IN/text" > directory/text
head -c 5000 "$IN/noise" > directory/noise
piece directory/text 3000 100 "$IN/noise" 0
truncate -s 4321 directory/noise
setfattr -n user.by -v kernel hello
setfacl -m u:7:r linked
echo gone > gone && rm gone
mv symlink moved
i=0
while [ $i -lt $((WRITE_KIB / 16)) ]; do
  random 900000
  piece passing.$((i % 3)) 0 16384 "$IN/noise" $random
  [ $((i % 3)) -ne 2 ] || rm -f passing.*
  i=$((i + 1))
done
rm -f passing.*
cd /
sync
