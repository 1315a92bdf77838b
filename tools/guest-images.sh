#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Make what guests of one architecture start from: Debian's stock kernel, its drivers of VirtIO, and
# an initial RAM disk with busybox, which starts a shell, or the system on a root disk.
#
#   guest-images.sh ARCH DIR        writes DIR/kernel, DIR/initrd, DIR/modules.tar and DIR/version
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

# ext4 asks for crc32c by name only: nothing in modules.dep says so.
modules="virtio_mmio virtio_blk virtio_net virtio-rng virtio_balloon crc32c_generic ext4 af_packet"
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9
rm -rf "$dir"/complete* "$dir/packages" "$dir/root"
package=$("$top/tools/debian.sh" resolve "$suite" "$meta:$debian")
"$top/tools/debian.sh" unpack "$suite" "$dir/packages" "$package:$debian" "busybox-static:$debian"
# shellcheck disable=SC2012
cp "$(ls "$dir"/packages/boot/vmlinu* | head -n 1)" "$dir/kernel.new"
mv "$dir/kernel.new" "$dir/kernel"
echo "$package" >"$dir/version"

# The modules and what they depend on, in an order in which each finds what it needs. What is not
# there is built into this kernel.
export PATH="$PATH:/usr/sbin:/sbin"
release=$(basename "$(echo "$dir"/packages/usr/lib/modules/*)")
depmod -b "$dir/packages/usr" "$release"
drivers=$dir/packages/drivers
mkdir -p "$drivers/lib/modules/$release"
list=$dir/packages/usr/lib/modules/$release
for module in $modules; do
    # A line is: module: what it needs directly, then what that needs
    grep "/$module\.ko[^:]*:" "$list/modules.dep" |
        awk '{ for (i = NF; i > 1; i--) print $i; sub(":$", "", $1); print $1 }'
done | awk '!seen[$0]++' >"$dir/packages/order"
while read -r module; do
    mkdir -p "$drivers/lib/modules/$release/$(dirname "$module")"
    case $module in
    *.xz) xz -dc "$list/$module" >"$drivers/lib/modules/$release/${module%.xz}" ;;
    *) cp "$list/$module" "$drivers/lib/modules/$release/$module" ;;
    esac
done <"$dir/packages/order"
cp "$list/modules.builtin" "$list/modules.builtin.modinfo" "$list/modules.order" "$drivers/lib/modules/$release/"
depmod -b "$drivers" "$release"
find "$drivers" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-1735689600}" {} +
tar -c -C "$drivers" --sort=name --owner=0 --group=0 -f "$dir/modules.tar.new" lib
mv "$dir/modules.tar.new" "$dir/modules.tar"

# The RAM disk: the same bytes for the same packages (owners, times and order are fixed).
root=$dir/root
mkdir -p "$root/bin" "$root/sbin" "$root/dev" "$root/proc" "$root/sys" "$root/root" "$root/tmp" "$root/mnt" "$root/lib/modules"
busybox=$(find "$dir/packages" -path '*/bin/busybox' -type f | head -n 1)
cp "$busybox" "$root/bin/busybox"
cp "$top/tools/guest-init.sh" "$root/init"
cp "$top/tools/guest-disk/usr/local/sbin/peer" "$root/bin/peer"
chmod 755 "$root/init" "$root/bin/busybox" "$root/bin/peer"
while read -r module; do
    cp "$drivers/lib/modules/$release/${module%.xz}" "$root/lib/modules/"
done <"$dir/packages/order"
sed 's|.*/||; s|\.xz$||' "$dir/packages/order" >"$root/lib/modules/order"
for applet in sh mount umount mkdir ls cat echo dmesg uname hostname setsid cttyhack sleep ps free \
    date dd head tail grep sed awk wc sort sha256sum md5sum cut tr seq test true false kill top \
    vi rm cp mv ln touch chmod df env id mknod stty sync time uptime nproc yes od hexdump devmem \
    ifconfig ip ping wget nc udhcpc insmod lsmod modprobe switch_root blockdev gzip tar find xargs printf expr clear; do
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
    gzip -9n >"$dir/initrd.new"
mv "$dir/initrd.new" "$dir/initrd"
rm -rf "$root" "$dir/packages"
