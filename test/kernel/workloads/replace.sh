# Attributes whose values are replaced and removed again and again, with data between, so that old
# and new values lie in different erase blocks. The kernel writes no mark for a replaced value.
. "$IN/common.sh"
cd /mnt || die 'cd /mnt'
for name in a b c; do echo $name > $name; done
ln a linked
i=0
while [ $i -lt 24 ]; do
  setfattr -n user.often -v "value $i" a
  setfattr -n trusted.often -v "$i" b
  [ $((i % 5)) -ne 0 ] || setfattr -n user.sometimes -v "$i" b
  [ $((i % 2)) -ne 0 ] || setfattr -n user.here -v "$i" c
  [ $((i % 2)) -eq 0 ] || setfattr -x user.here c
  piece pad.$((i % 3)) 0 1100 "$IN/noise" $((i * 2000))
  i=$((i + 1))
done
setfacl -m u:7:r a
setfacl -m u:8:rw a
cd /
sync
