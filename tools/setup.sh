#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Install what the build, the tests and the emulated hosts need, on Debian 12 or 13. Runs any number
# of times; the Makefile calls it when this file or the Debian release has changed. Only package
# installation needs root. The system's own package sources are never edited: QEMU 10 for Debian 12
# and the firmware of Debian 13 come through private lists under build/apt.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build
mkdir -p "$build/apt" "$build/deps"

say()
{
    echo "set-up: $*"
}

fail()
{
    echo "set-up: $*" >&2
    exit 1
}

[ -r /etc/os-release ] || fail "this is not Debian: install the packages of docs/dependencies.md by hand"
# shellcheck source=/dev/null
. /etc/os-release
case ${VERSION_CODENAME:-} in
bookworm | trixie) ;;
*) fail "made for Debian 12 (bookworm) and 13 (trixie), this is ${PRETTY_NAME:-unknown}: install the" \
    "packages of docs/dependencies.md by hand, then 'touch build/setup.stamp'" ;;
esac
release=$VERSION_CODENAME
native=$(dpkg --print-architecture)

# Worktrees may share build/apt and build/deps: one set-up at a time.
exec 9>"$build/deps/.setup.lock"
flock 9

# One line each: the package, then why.
packages()
{
    cat <<END
gcc                     the native compiler
libc6-dev               hosted unit tests
binutils                linking, reading back what was linked
make                    the build's only entry
python3                 scripts of the build, tests
clang                   second compiler, fuzzing, sanitizers
lld                     linker of the clang builds
llvm-19                 llvm-mc that knows the younger extensions of guests
llvm                    object copy for the clang builds
clang-tidy              lint
clang-format            lint
libclang-rt-dev         run time of sanitizers and the fuzzer
acpica-tools            ACPI code of x86_64 guests, and its check in tests
libcmocka-dev           unit tests
valgrind                counts the instructions of the page allocator's benchmark
python3-pytest          boot tests
python3-pytest-xdist    boot tests side by side
python3-pytest-rerunfailures boot tests that fail once are tried again
python3-pytest-timeout  boot tests that hang end
python3-pexpect         boot tests drive a serial console
python3-pyte            an independent terminal, to compare the screen's with
whiptail                newt, as installers use it: its screens are compared
dialog                  the same
vim-tiny                vi: the same
procps                  top: the same
mtools                  FAT file systems without root
dosfstools              checks the boot image
gdisk                   checks the boot image
device-tree-compiler    device trees in tests
sbsigntool              signing for Secure Boot
openssl                 keys for signing in tests
cpio                    initial RAM disks
kmod                    which drivers need which
fakeroot                root disks, made without root
e2fsprogs               root disks
xz-utils                unpacks sources
zstd                    unpacks sources
ca-certificates         mirrors reached by https
debian-archive-keyring  checks downloaded packages
bochs                   hosts with VT-x, where version 3 cannot be built
bochsbios               hosts with VT-x
vgabios                 hosts with VT-x
g++                     builds Bochs 3
gdb-multiarch           debugs guests of every architecture in tests
END
    # Cross compilers for the two other architectures.
    [ "$native" = amd64 ] || echo "gcc-x86-64-linux-gnu    x86_64 hosts"
    [ "$native" = arm64 ] || echo "gcc-aarch64-linux-gnu   aarch64 hosts"
    [ "$native" = riscv64 ] || echo "gcc-riscv64-linux-gnu   riscv64 hosts"
    # Static programs for guests: the kernels of the translator's benchmark.
    [ "$native" = riscv64 ] || echo "libc6-dev-riscv64-cross programs for riscv64 guests"
    [ "$native" = arm64 ] || echo "libc6-dev-arm64-cross programs for aarch64 guests"
}

qemu_packages="qemu-system-x86 qemu-system-arm qemu-utils qemu-block-extra qemu-user"

as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo DEBIAN_FRONTEND=noninteractive "$@"
    else
        fail "root is needed for '$*': run this script as root once, or install sudo"
    fi
}

installed()
{
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install LIST-OPTIONS -- PACKAGES: quiet unless it fails; the package lists are read again only
# when the present ones do not do.
install()
{
    log=$build/setup.log
    if ! as_root apt-get -q -y install --no-install-recommends "$@" >"$log" 2>&1; then
        as_root apt-get -q update >>"$log" 2>&1 || true
        as_root apt-get -q -y install --no-install-recommends "$@" >>"$log" 2>&1 || {
            tail -n 20 "$log" >&2
            fail "apt-get could not install: $*"
        }
    fi
}

missing=$(packages | while read -r name why; do
    installed "$name" || printf '%s\t%s\n' "$name" "$why"
done)
if [ -n "$missing" ]; then
    say "installing from Debian:"
    echo "$missing" | while read -r name why; do
        printf '  %-26s %s\n' "$name" "$why"
    done
    # shellcheck disable=SC2046
    install $(echo "$missing" | cut -f1)
fi

# QEMU 10: Debian 13's own; on Debian 12 from backports, whose lists stay private.
qemu_major()
{
    for name in qemu-system-x86_64 qemu-system-aarch64 qemu-system-riscv64 qemu-riscv64; do
        "$name" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p' | grep . || echo 0
    done | sort -n | head -n 1
}

if [ "$(qemu_major)" -lt 10 ]; then
    say "installing QEMU 10, which emulates the hosts"
    if [ "$release" = trixie ]; then
        # shellcheck disable=SC2086
        install $qemu_packages qemu-system-misc qemu-system-riscv
    else
        lists=$build/apt/backports
        mkdir -p "$lists/lists/partial"
        uri=$("$top/tools/debian.sh" mirror)
        key=/usr/share/keyrings/debian-archive-keyring.gpg
        for suite in bookworm bookworm-updates bookworm-backports; do
            echo "deb [signed-by=$key] $uri $suite main"
        done >"$lists/sources.list"
        set -- -o "Dir::Etc::SourceList=$lists/sources.list" -o Dir::Etc::SourceParts=/dev/null \
            -o "Dir::State::Lists=$lists/lists" -o APT::Sandbox::User=
        as_root apt-get -q "$@" update >"$build/setup.log" 2>&1 || {
            cat "$build/setup.log" >&2
            fail "cannot read the package lists of bookworm-backports"
        }
        # shellcheck disable=SC2086
        install "$@" -t bookworm-backports $qemu_packages qemu-system-misc qemu-system-riscv
    fi
    [ "$(qemu_major)" -ge 10 ] || fail "QEMU 10 or later is needed, found $(qemu_major)"
fi

# Firmware of the emulated hosts, the same on both releases; Bochs 2.7 starts only the 2 MB build of
# OVMF that Debian 12 has.
firmware=$build/deps/firmware
if [ ! -e "$firmware/complete.2" ]; then
    say "fetching the UEFI firmware of the emulated hosts"
    rm -rf "$firmware"
    "$top/tools/debian.sh" unpack trixie "$firmware/packages" \
        ovmf:all qemu-efi-aarch64:all qemu-efi-riscv64:all
    "$top/tools/debian.sh" unpack bookworm "$firmware/bookworm" ovmf:all
    (
        cd "$firmware"
        mv packages/usr/share/OVMF packages/usr/share/AAVMF packages/usr/share/qemu-efi-riscv64 .
        # The key pair that the snakeoil variables trust, for the test of signed images.
        mkdir bochs snakeoil
        cp packages/usr/share/ovmf/PkKek-1-snakeoil.key packages/usr/share/ovmf/PkKek-1-snakeoil.pem snakeoil
        cp -L bookworm/usr/share/ovmf/OVMF.fd bochs/OVMF.fd
        rm -rf packages bookworm
    )
    touch "$firmware/complete.2"
fi

# A quicker Bochs; without it Debian's own is used.
if [ ! -e "$build/deps/bochs/complete.2" ]; then
    say "building Bochs 3, which emulates hosts with VT-x (some minutes)"
    if "$top/tools/bochs.sh" "$build/deps/bochs"; then
        touch "$build/deps/bochs/complete.2"
    else
        say "Bochs 3 could not be built: the tests use the one that is installed, which takes longer"
    fi
fi

say "complete"
