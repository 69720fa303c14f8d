# Files until no space is left, half of them deleted, filled again, and some deleted again.
. "$IN/common.sh"
cd /mnt || die 'cd /mnt'
fill() {
  i=0
  while random 900000 && tail -c +$random "$IN/noise" | head -c 7000 > "$1.$i" 2>/dev/null; do
    i=$((i + 1))
    [ $i -lt 5000 ] || die 'the flash never fills'
  done
  echo "filled after $i files"
}
mkdir directory
echo 'before' > directory/before
fill first
df /mnt
rm first.*[02468]
fill second
rm -f second.1* first.3
echo 'after' > directory/after || die 'no space after deleting'
cd /
sync
