#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Make a root disk for guests of one architecture: Debian with systemd, on an ext4 file system.
#
#   guest-disk.sh ARCH DIR                      writes DIR/root.img; DIR/modules.tar comes from guest-images.sh
#   guest-disk.sh ARCH DIR NAME FILES PACKAGE...  writes DIR/NAME.img: the same with the files of folder FILES and
#                                               PACKAGEs, which are unpacked and not configured
#
# Nothing of the guest's architecture runs here and nothing needs root: packages are unpacked as
# they are, and configured by their maintainer scripts, which run on the build machine and work on
# the new system from outside (DPKG_ROOT of dpkg), as a user who cannot change anything else. What
# only the system itself can do, such as making the users of services, it does at its first start.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
arch=$1 dir=$2 name=${3:-root} files=${4:-}
shift 2
[ $# -lt 2 ] || shift 2
suite=trixie
packages="systemd-sysv udev kmod login iproute2 iputils-ping iperf3 e2fsprogs procps"

case $arch in
x86_64) debian=amd64 ;;
aarch64) debian=arm64 ;;
riscv64) debian=riscv64 ;;
*)
    echo "guest-disk.sh: unknown architecture $arch" >&2
    exit 1
    ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/guest-disk.XXXXXX")
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086
"$top/tools/debian.sh" system "$suite" "$debian" "$work/packages" $packages
mkdir "$work/more"
if [ $# -gt 0 ]; then
    # shellcheck disable=SC2086
    "$top/tools/debian.sh" system "$suite" "$debian" "$work/more" $packages "$@"
    for deb in "$work/packages"/*.deb; do
        rm -f "$work/more/${deb##*/}"
    done
fi
cp -r "$top/tools/guest-disk" "$work/files"
[ -z "$files" ] || cp -r "$files/." "$work/files"
cp "$dir/modules.tar" "$work"

# Commands that work on the running system, or that only the guest's own version can do.
mkdir "$work/instead"
for command in systemctl systemd-sysusers systemd-tmpfiles systemd-hwdb systemd-machine-id-setup \
    journalctl udevadm ldconfig invoke-rc.d; do
    printf '#!/bin/sh\nexit 0\n' >"$work/instead/$command"
    chmod 755 "$work/instead/$command"
done

cat >"$work/make.sh" <<'END'
set -eu
work=$1 debian=$2
root=$work/root
cd "$work"
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true HOME="$work"
export PATH="$work/instead:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
: >"$root/var/lib/dpkg/status"
echo "$debian" >"$root/var/lib/dpkg/arch"
set -- --root="$root" --log=/dev/null --force-not-root --force-script-chrootless --force-depends \
    --force-architecture
for path in doc man locale info lintian bash-completion zsh i18n zoneinfo; do
    set -- "$@" --path-exclude="/usr/share/$path/*"
done
set -- "$@" --path-exclude='/usr/lib/udev/hwdb.d/*' --path-exclude='/usr/lib/*/gconv/*' \
    --path-include='/usr/share/doc/*/copyright'
dpkg "$@" --unpack packages/base-files_*.deb packages/base-passwd_*.deb
dpkg "$@" --unpack packages/*.deb
# Two that write to the build machine instead: neither does anything that is needed.
rm -f "$root"/var/lib/dpkg/info/iperf3.config "$root"/var/lib/dpkg/info/iperf3.postinst \
    "$root"/var/lib/dpkg/info/kmod.postinst
dpkg "$@" --configure -a

for deb in more/*.deb; do
    [ ! -e "$deb" ] || dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink \
        --exclude='./usr/share/doc/*/[!c]*' --exclude=./usr/share/man --exclude=./usr/share/locale
done
cp -r files/. "$root"
tar -x -C "$root/usr" -f modules.tar
sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
# Empty: each guest gets an identity of its own.
: >"$root/etc/machine-id"
units=$root/etc/systemd/system
mkdir -p "$units/multi-user.target.wants" "$units/sysinit.target.wants"
ln -sf /usr/lib/systemd/system/multi-user.target "$units/default.target"
ln -sf ../peer.service "$units/multi-user.target.wants"
ln -sf /usr/lib/systemd/system/systemd-networkd.service "$units/multi-user.target.wants"
ln -sf /usr/lib/systemd/system/systemd-network-generator.service "$units/sysinit.target.wants"
# What has nothing to do here, or wants a message bus, which is not installed.
for unit in ldconfig systemd-hwdb-update systemd-journal-catalog-update systemd-firstboot \
    systemd-logind systemd-pstore systemd-binfmt systemd-networkd-wait-online getty-static \
    systemd-networkd-persistent-storage serial-getty@hvc0 e2scrub_reap; do
    ln -sf /dev/null "$units/$unit.service"
done
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer \
    dpkg-db-backup.timer systemd-tmpfiles-clean.timer proc-sys-fs-binfmt_misc.automount \
    dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount; do
    ln -sf /dev/null "$units/$unit"
done
rm -rf "$root"/var/cache/debconf/*-old "$root"/var/cache/apt/* "$root"/var/lib/dpkg/*-old
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

# Room to write to, beside what is there.
used=$(du -sk --apparent-size "$root" | cut -f1)
files=$(find "$root" | wc -l)
size=$((used * 9 / 8 / 1024 + 32))
E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -F -t ext4 -b 4096 -m 0 -L root -J size=4 \
    -N $((files * 5 / 4)) -U 454e4e45-4144-4000-8000-000000000001 \
    -E hash_seed=454e4e45-4144-4000-8000-000000000002,root_owner=0:0,lazy_itable_init=0,nodiscard \
    -d "$root" root.img "${size}M"
END

export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1735689600}" LC_ALL=C TZ=UTC0
user=""
if [ "$(id -u)" -eq 0 ]; then
    chown -R nobody:nogroup "$work"
    user="setpriv --reuid=nobody --regid=nogroup --clear-groups"
fi
$user fakeroot sh "$work/make.sh" "$work" "$debian" >"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    exit 1
}
cp --sparse=always "$work/root.img" "$dir/$name.img.new"
chmod 644 "$dir/$name.img.new"
mv "$dir/$name.img.new" "$dir/$name.img"
