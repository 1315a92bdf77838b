#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Make an addition to the initial RAM disk of guests: programs of Debian that benchmarks and tests
# run there, with the libraries that they need. The kernel takes it appended to the RAM disk itself.
#
#   guest-tools.sh ARCH DIR        writes DIR/tools.cpio: iperf3
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
arch=$1 dir=$2
suite=trixie
programs="usr/bin/iperf3"
# What the C library opens by itself when a thread is ended.
opened="libgcc_s.so.1"

case $arch in
x86_64) debian=amd64 ;;
aarch64) debian=arm64 ;;
riscv64) debian=riscv64 ;;
*)
    echo "guest-tools.sh: unknown architecture $arch" >&2
    exit 1
    ;;
esac

mkdir -p "$dir"
work=$(mktemp -d "${TMPDIR:-/tmp}/guest-tools.XXXXXX")
trap 'rm -rf "$work"' EXIT
for package in iperf3 libiperf0 libsctp1 libc6 libgcc-s1 libssl3t64 zlib1g libzstd1; do
    set -- "$@" "$package:$debian"
done
shift 2
"$top/tools/debian.sh" unpack "$suite" "$work/packages" "$@"

library()
{
    (cd "$work/packages" && find usr/lib -name "$1" | head -n 1)
}

# A file, and all libraries that it needs, by their names, each once.
take()
{
    [ ! -e "$work/root/$1" ] || return 0
    mkdir -p "$work/root/$(dirname "$1")"
    cp -L "$work/packages/$1" "$work/root/$1"
    for library in $(readelf -d "$work/root/$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        found=$(library "$library")
        [ -n "$found" ] || {
            echo "guest-tools.sh: $1 needs $library, which no package brought" >&2
            exit 1
        }
        take "$found"
    done
}

for program in $programs; do
    take "$program"
    interpreter=$(readelf -l "$work/packages/$program" | sed -n 's/.*program interpreter: \/*\(.*\)\]/\1/p')
    found=$(library "$(basename "$interpreter")")
    take "$found"
    mkdir -p "$work/root/$(dirname "$interpreter")"
    [ -e "$work/root/$interpreter" ] || cp "$work/root/$found" "$work/root/$interpreter"
    mkdir -p "$work/root/bin"
    mv "$work/root/$program" "$work/root/bin/"
done
for name in $opened; do
    take "$(library "$name")"
done
find "$work/root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-1735689600}" {} +
(cd "$work/root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) \
    >"$dir/tools.cpio.new"
rm -f "$dir"/tools.cpio "$dir"/tools.complete.*
mv "$dir/tools.cpio.new" "$dir/tools.cpio"
