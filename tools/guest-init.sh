#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# The guest's init: kernel file systems and drivers, then the root disk that root= names on the
# kernel's command line; without one, a line that says the guest is up, and a shell on the console.
# ip= (the kernel's own form: address::gateway:mask) gives the first network card an address.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
dmesg -n 4
export PATH=/bin:/sbin HOME=/root TERM=vt100 PS1='guest# '
# In an order in which each finds what it needs.
while read -r module; do
    insmod "/lib/modules/$module"
done </lib/modules/order
root='' address='' mask=''
for word in $(cat /proc/cmdline); do
    case $word in
    root=*) root=${word#root=} ;;
    ip=*:*:*:*)
        address=${word#ip=} mask=${address#*:*:*:}
        address=${address%%:*} mask=${mask%%:*}
        ;;
    esac
done
if [ -n "$root" ]; then
    until [ -b "$root" ]; do
        sleep 0.05
    done
    mount -t ext4 -o ro "$root" /mnt && {
        mount -t devtmpfs devtmpfs /mnt/dev
        umount /sys /proc
        exec switch_root /mnt /sbin/init
    }
    echo "Ennead guest: $root cannot be mounted"
fi
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
# There is no init that a plain poweroff or reboot could ask: the shell does it at once.
printf '%s\n' "alias poweroff='poweroff -f'" "alias reboot='reboot -f'" >/.shrc
export ENV=/.shrc
hostname guest
ip link set lo up
if [ -n "$address" ] && [ -e /sys/class/net/eth0 ]; then
    ifconfig eth0 "$address" netmask "$mask"
    setsid peer </dev/null &
fi
echo "Ennead guest ready: $(uname -srm)"
while :; do
    setsid cttyhack sh -i
done
