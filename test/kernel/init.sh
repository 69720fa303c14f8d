#!/bin/busybox sh
# The guest's first process: devices, modules, the shared folder, the jobs, power off.
PATH=/gnu/bin:/bin
export PATH
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
echo 1 > /proc/sys/kernel/panic_on_oops
while read -r module; do
  insmod "$module" || echo "judge: cannot load $module"
done < /modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 share /share ||
  echo 'judge: cannot mount the shared folder'

for job in $(cat /share/jobs); do
  echo "judge: job $job"
  IN=/share/$job/in OUT=/share/$job/out
  export IN OUT
  dmesg -c > /dev/null
  timeout -s KILL "$(cat "/share/$job/seconds")" \
    sh -c '. /guest.sh; . "$IN/../script.sh"' > "/share/$job/log" 2>&1
  status=$?
  dmesg -c > "/share/$job/dmesg"
  if ! ( . /guest.sh; flash_remove ) >> "/share/$job/log" 2>&1; then
    # Something still holds the flash: later jobs need a fresh kernel.
    echo "$status" > "/share/$job/status"
    break
  fi
  echo "$status" > "/share/$job/status"
done
sync
umount /share
poweroff -f
