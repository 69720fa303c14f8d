# Every kind of entry that jffs2 can hold, and every way of writing a file.
. "$IN/common.sh"
cd /mnt || die 'cd /mnt'

# Names: the longest, every byte but NUL and '/', what looks like options, spaces, line ends.
mkdir names
long=$(printf '%0254d' 7)
echo long > "names/$long"
i=1
while [ $i -lt 256 ]; do
  [ $i -eq 47 ] || printf '%d' $i > "names/$(printf "\\$(printf %03o $i)x")"
  i=$((i + 1))
done
touch "names/$(printf 'line\nend')" names/-rf 'names/ ' "names/$(printf 'latin1 \344\366\374')" \
  "names/$(printf 'utf8 \303\244\342\202\254')" 'names/back\slash' "names/quote'\"" names/...

# Files: sizes around a page and around the smallest unit, text and noise.
mkdir sizes
for size in 0 1 3 4 5 12 13 127 128 4084 4095 4096 4097 8191 8192 8193 12288 20000; do
  head -c $size "$IN/text" > sizes/text.$size
  head -c $size "$IN/noise" > sizes/noise.$size
done
head -c 40000 /dev/zero > sizes/zeros

# Ways of writing: appended bit by bit, overwritten in the middle, sparse, cut and grown.
mkdir writes
for part in 1 2 3 4 5 6 7 8 9; do head -c $((part * 371)) "$IN/text" >> writes/appended; done
head -c 30000 "$IN/text" > writes/overwritten
piece writes/overwritten 5000 3000 "$IN/noise" 0
piece writes/overwritten 4096 4096 "$IN/noise" 9000
piece writes/overwritten 12287 2 "$IN/noise" 77
piece writes/sparse 100000 10 "$IN/text" 0
piece writes/sparse 50000 4096 "$IN/noise" 500
head -c 20000 "$IN/noise" > writes/cut
truncate -s 9999 writes/cut
head -c 20000 "$IN/text" > writes/cut-and-grown
truncate -s 5000 writes/cut-and-grown
truncate -s 15000 writes/cut-and-grown
truncate -s 123456 writes/hole-only
head -c 10000 "$IN/text" > writes/emptied
truncate -s 0 writes/emptied
head -c 9000 "$IN/noise" > writes/rewritten
head -c 7000 "$IN/text" > writes/rewritten

# Links, devices and the rest.
mkdir special special/deep special/deep/deeper special/empty
echo shared > special/linked
ln special/linked special/linked.too
ln special/linked special/deep/linked.elsewhere
ln -s linked special/symlink
ln -s "$(printf '%0254d' 3)" special/symlink.254
ln -s "$(printf 'bytes \377\001 and\nline')" special/symlink.bytes
mknod special/null c 1 3
mknod special/disk b 8 17
mknod special/largest.small c 255 255
mknod special/large.minor b 259 70000
mknod special/large.major c 4095 0
mknod special/large.both b 4095 1048575
mkfifo special/fifo
ln -sf /mnt/special/socket /dev/log
syslogd -n &
waits=0
while [ ! -S special/socket ] && [ $waits -lt 100 ]; do usleep 20000; waits=$((waits + 1)); done
kill $!
[ -S special/socket ] || die 'no socket'

# Owners, modes, times to the ends of their ranges.
mkdir attributes
for mode in 0 1 7 0400 0644 0755 01777 02755 04711 07777; do
  touch attributes/mode.$mode
  chmod $mode attributes/mode.$mode
done
mkdir attributes/sticky && chmod 3770 attributes/sticky
touch attributes/owner && chown 1000:100 attributes/owner
touch attributes/owner.max && chown 65535:65534 attributes/owner.max
ln -s x attributes/owner.symlink && chown -h 7:8 attributes/owner.symlink
mknod attributes/owner.device c 5 1 && chown 9:10 attributes/owner.device
touch -d @0 attributes/time.0
touch -d @1000000000 attributes/time.1e9
touch -d @2147483648 attributes/time.2e31
touch -d @4294967295 attributes/time.max
mkdir attributes/time.directory && touch -d @1234567890 attributes/time.directory

# Extended attributes of all prefixes, shared values, replaced and removed ones, ACLs.
mkdir xattrs xattrs/inherits
for name in a b c d e; do echo $name > xattrs/$name; done
setfattr -n user.plain -v value xattrs/a
setfattr -n user.plain -v value xattrs/b
setfattr -n user.empty xattrs/a
setfattr -n user.bytes -v 0x00ff0a0d80 xattrs/a
setfattr -n trusted.secret -v 'for root' xattrs/a
setfattr -n security.label -v 'kept by name' xattrs/a
setfattr -n "user.$(printf '%0200d' 5)" -v long xattrs/b
setfattr -n user.large -v "$(head -c 2000 "$IN/text" | tr -c 'a-z' x)" xattrs/b
setfattr -n user.replaced -v first xattrs/c
setfattr -n user.replaced -v second xattrs/c
setfattr -n user.removed -v gone xattrs/d
setfattr -x user.removed xattrs/d
setfattr -h -n trusted.symlink -v link special/symlink
setfattr -n trusted.root -v root .
setfacl -m u:1000:rw,g:50:r xattrs/c
setfacl -m u::rwx,u:1:r,u:2:w,u:3:x,g:4:rwx,m::rx xattrs/d
setfacl -d -m u:1000:rwx,g::rx xattrs/inherits
touch xattrs/inherits/file && mkdir xattrs/inherits/directory
setfacl -m u:5:r xattrs/e && setfacl -b xattrs/e

# Renamed: plainly, over a file, over an empty directory, between directories; deleted.
mkdir moves moves/one moves/two moves/over moves/under
echo 1 > moves/one/a && mv moves/one/a moves/one/b
echo 2 > moves/over/victim && echo 3 > moves/over/winner && mv moves/over/winner moves/over/victim
echo 4 > moves/one/across && mv moves/one/across moves/two/arrived
mkdir moves/under/child && echo 5 > moves/under/child/file
mv moves/under/child moves/two/child
mkdir moves/two/empty && mkdir moves/replacing && mv -T moves/replacing moves/two/empty
echo 6 > moves/deleted && rm moves/deleted
mkdir moves/gone && echo 7 > moves/gone/file && rm -r moves/gone
echo 8 > moves/back && rm moves/back && echo 9 > moves/back
ln moves/back moves/kept && rm moves/back
cd /
sync
