#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# The first guest's init: kernel file systems, one line that says the guest is up, and a shell on
# the console.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
dmesg -n 4
export PATH=/bin:/sbin HOME=/root TERM=vt100 PS1='guest# '
# There is no init that a plain poweroff or reboot could ask: the shell does it at once.
printf '%s\n' "alias poweroff='poweroff -f'" "alias reboot='reboot -f'" >/.shrc
export ENV=/.shrc
hostname guest
echo "Ennead guest ready: $(uname -srm)"
while :; do
    setsid cttyhack sh -i
done
