# The functions that a judge's script may call inside the guest. Sourced by BusyBox ash.
#
#   $IN    folder with the job's input files          (on the host)
#   $OUT   folder whose files the host gets back      (on the host)
#   /mnt   where file systems are mounted
#
# Every function ends the job with a message when something that must work does not.

PATH=/gnu/bin:/bin
LC_ALL=C
export PATH LC_ALL

die() {
  echo "judge: $*" >&2
  exit 99
}

# nor_new TOTAL_KIB ERASE_KIB: a blank mtd0 of type "ram" that JFFS2 treats as NOR flash.
nor_new() {
  flash_remove
  insmod /modules/mtdram.ko total_size="$1" erase_size="$2" || die "mtdram $1 KiB / $2 KiB"
  [ -c /dev/mtd0 ] || die 'no /dev/mtd0'
}

# nand_new PARAMETERS...: a blank simulated NAND chip (nandsim's parameters) as mtd0.
nand_new() {
  flash_remove
  insmod /modules/nandsim.ko "$@" || die "nandsim $*"
  [ -c /dev/mtd0 ] || die 'no /dev/mtd0'
}

flash_remove() {
  if grep -q ' /mnt ' /proc/mounts; then umount /mnt || die 'umount before a new flash'; fi
  if grep -q '^mtdram ' /proc/modules; then rmmod mtdram || die 'rmmod mtdram'; fi
  if grep -q '^nandsim ' /proc/modules; then rmmod nandsim || die 'rmmod nandsim'; fi
}

# nor_load FILE: puts a file's bytes at the start of mtd0 (mtdram copies, so bits may rise).
nor_load() {
  dd if="$1" of=/dev/mtd0 bs=64k 2>/dev/null || die "load $1"
}

# nor_dump FILE: the whole of mtd0, also while it is mounted.
nor_dump() {
  dd if=/dev/mtd0 of="$1" bs=64k 2>/dev/null || die "dump to $1"
}

# nand_load FILE / nand_dump FILE: pages each followed by their raw OOB bytes, bad blocks included.
nand_load() {
  nandwrite -q -n -o --noskipbad /dev/mtd0 "$1" || die "nandwrite $1"
}
nand_dump() {
  nanddump -q -n -o --bb=dumpbad -f "$1" /dev/mtd0 || die "nanddump $1"
}

# flash_mount [OPTIONS]: mounts mtd0 on /mnt; the status is mount's.
flash_mount() {
  mount -t jffs2 ${1:+-o "$1"} mtd0 /mnt
}

flash_umount() {
  umount /mnt || die 'umount /mnt'
}

# collector_stop: ends the background collector of /mnt and puts all that is buffered on flash; until
# umount nothing is written there any more unless somebody asks.
collector_stop() {
  killall -9 jffs2_gcd_mtd0 || die 'no background collector'
  while pidof jffs2_gcd_mtd0 > /dev/null; do usleep 10000; done
  sync
}

# list_tree DIRECTORY NAME: what the kernel shows below DIRECTORY, as five files $OUT/NAME.*, read
# by listing.ts. All names are bytes that end with NUL, so no name can confuse the reader.
list_tree() {
  ( cd "$1" || die "list_tree $1"
    /gnu/bin/find . -print0 > /tmp/names 2> "$OUT/$2.errors"
    /gnu/bin/xargs -0 -r /gnu/bin/stat \
      --printf '%f %u %g %s %X %Y %Z %h %t %T %i\0%n\0' < /tmp/names > "$OUT/$2.stat" 2>> "$OUT/$2.errors"
    /gnu/bin/find . -type l -printf '%p\0%l\0' > "$OUT/$2.links" 2>/dev/null
    /gnu/bin/find . -type f -print0 2>/dev/null |
      /gnu/bin/xargs -0 -r /gnu/bin/sha256sum -z > "$OUT/$2.sums" 2>> "$OUT/$2.errors"
    /gnu/bin/getfattr -R -P -h -d -m - -e hex . > "$OUT/$2.xattrs" 2>/dev/null )
  return 0
}

# free_space NAME: the kernel's statfs numbers as $OUT/NAME.statfs.
free_space() {
  /gnu/bin/stat -f -c '%s %b %f %a %c %d %l' /mnt > "$OUT/$1.statfs"
}
