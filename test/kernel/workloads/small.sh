# What a small flash has room for.
. "$IN/common.sh"
cd /mnt || die 'cd /mnt'
head -c 5000 "$IN/text" > text
head -c 3000 "$IN/noise" > noise
mkdir directory && ln text directory/linked && ln -s text symlink
mknod device c 5 1
setfattr -n user.a -v b text
piece text 1000 50 "$IN/noise" 0
echo gone > gone && rm gone
cd /
sync
