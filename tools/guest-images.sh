#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Make the first guest of one architecture: Debian's stock kernel and an initial RAM disk with
# busybox.
#
#   guest-images.sh ARCH DIR        writes DIR/kernel, DIR/initrd and DIR/version
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
arch=$1 dir=$2
suite=trixie

case $arch in
x86_64) debian=amd64 meta=linux-image-cloud-amd64 ;;
aarch64) debian=arm64 meta=linux-image-cloud-arm64 ;;
riscv64) debian=riscv64 meta=linux-image-riscv64 ;;
*)
    echo "guest-images.sh: unknown architecture $arch" >&2
    exit 1
    ;;
esac

rm -rf "$dir"
mkdir -p "$dir"
package=$("$top/tools/debian.sh" resolve "$suite" "$meta:$debian")
"$top/tools/debian.sh" unpack "$suite" "$dir/packages" "$package:$debian" "busybox-static:$debian"
# shellcheck disable=SC2012
cp "$(ls "$dir"/packages/boot/vmlinu* | head -n 1)" "$dir/kernel"
echo "$package" >"$dir/version"

# The RAM disk: the same bytes for the same packages (owners, times and order are fixed).
root=$dir/root
mkdir -p "$root/bin" "$root/sbin" "$root/dev" "$root/proc" "$root/sys" "$root/root" "$root/tmp"
busybox=$(find "$dir/packages" -path '*/bin/busybox' -type f | head -n 1)
cp "$busybox" "$root/bin/busybox"
cp "$top/tools/guest-init.sh" "$root/init"
chmod 755 "$root/init" "$root/bin/busybox"
for applet in sh mount umount mkdir ls cat echo dmesg uname hostname setsid cttyhack sleep ps free \
    date dd head tail grep sed awk wc sort sha256sum md5sum cut tr seq test true false kill top \
    vi rm cp mv ln touch chmod df env id mknod stty sync time uptime nproc yes od hexdump devmem \
    ifconfig ip ping wget nc udhcpc insmod lsmod modprobe gzip tar find xargs printf expr clear; do
    ln -s busybox "$root/bin/$applet"
done
# Process 1 is this shell, not busybox's init: force what would otherwise only signal it.
for action in poweroff reboot halt; do
    printf '#!/bin/sh\nexec /bin/busybox %s -f\n' "$action" >"$root/sbin/$action"
    chmod 755 "$root/sbin/$action"
done
# Before devtmpfs is mounted the kernel wants a console for init.
find "$root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-1735689600}" {} +
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) |
    gzip -9n >"$dir/initrd"
rm -rf "$root" "$dir/packages"
touch "$dir/complete"
