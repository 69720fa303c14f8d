# Small random changes to a few files until $WRITE_KIB were written: several times the flash, so
# that every erase block was collected and reused. Most of the flash holds data that stays.
. "$IN/common.sh"
cd /mnt || die 'cd /mnt'
mkdir kept moving
i=0
while [ $i -lt $((KEEP_KIB / 8)) ]; do
  piece kept/$i 0 8192 "$IN/noise" $((i * 8192))
  i=$((i + 1))
done
ln kept/0 moving/link
setfattr -n user.kept -v 'through every collection' kept/0
ln -s ../kept/0 moving/symlink
mknod moving/device b 259 70000
mkfifo moving/fifo

written=0
step=0
while [ $written -lt $WRITE_KIB ]; do
  step=$((step + 1))
  random 8; file=moving/$random
  random 10
  case $random in
    0) rm -f $file ;;
    1) random 24000; [ -e $file ] && truncate -s $random $file ;;
    2) random 8; [ -e $file ] && mv $file moving/$random ;;
    3) random 8; [ -e $file ] && [ ! $file -ef moving/$random ] && ln -f $file moving/$random ;;
    4) [ -e $file ] && setfattr -n user.step -v $step $file ;;
    5) [ -e $file ] && chmod 0$((600 + step % 8)) $file ;;
    6) mkdir -p moving/directory/$step && rmdir moving/directory/* 2>/dev/null ;;
    *) random 16000; offset=$random
       random 9000; length=$((random + 1))
       random 900000
       if [ $((step % 3)) -eq 0 ]; then source=text; else source=noise; fi
       piece $file $offset $length "$IN/$source" $random
       written=$((written + length / 1024 + 1)) ;;
  esac
done
cd /
sync
