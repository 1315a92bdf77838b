#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Make the files that the root disk of `make userland` has beside its packages.
#
#   files.sh ARCH DIR        DIR gets what is in files/, a folder of packages that apt installs in the guest, and sources
#                            that are built and run there
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
arch=$1 dir=$2
suite=trixie

case $arch in
aarch64) debian=arm64 ;;
riscv64) debian=riscv64 ;;
*)
    echo "files.sh: no userland for $arch" >&2
    exit 1
    ;;
esac

rm -rf "$dir"
mkdir -p "$dir"
cp -r "$top/tests/userland/files/." "$top/tests/bench/programs/." "$dir"

# The index has what apt asks of one: each package's own fields, where it lies, and what it is.
archive=$dir/srv/archive
mkdir -p "$archive"
conf=$("$top/tools/debian.sh" config "$suite")
(
    cd "$archive"
    set -- readline-common
    for package in hello make jq libjq1 libonig5 bc libreadline8t64; do
        set -- "$@" "$package:$debian"
    done
    APT_CONFIG=$conf apt-get -q download "$@" >../log 2>&1 || {
        cat ../log >&2
        exit 1
    }
    for deb in *.deb; do
        dpkg-deb -f "$deb"
        echo "Filename: ./$deb"
        echo "Size: $(wc -c <"$deb")"
        echo "SHA256: $(sha256sum "$deb" | cut -d' ' -f1)"
        echo
    done >Packages
)
rm -f "$dir/srv/log"

"$top/tools/debian.sh" source "$suite" "$dir/srv/source/zlib" zlib
"$top/tools/debian.sh" source "$suite" "$dir/srv/source/perl.all" perl
mkdir -p "$dir/srv/source/perl"
mv "$dir/srv/source/perl.all/t" "$dir/srv/source/perl/t"
rm -rf "$dir/srv/source/perl.all" "$dir/srv/source/perl/t/porting" "$dir/srv/source/perl/t/bigmem"
