#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# bochs.sh DIR: build Bochs 3 from the source that Debian 13 has, into DIR. Debian 12's 2.7 has VT-x
# too, but is three times as slow.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
dir=$1
rm -rf "$dir.new"
"$top/tools/debian.sh" source trixie "$dir.new" bochs
cd "$dir.new"

# An entry into a guest whose interrupts are masked leaves the host's interrupts masked until the
# guest changes its flag (SDM vol. 3C, 26.2: they end the guest whatever its flag is): a guest that
# spins with interrupts off could never be interrupted. Version 3.0 looks at the mask only when the
# flag changes.
line='^  BX_CPU_THIS_PTR in_vmx_guest = true;$'
[ "$(grep -c "$line" cpu/vmx.cc)" = 1 ] || {
    echo "bochs.sh: this version of Bochs is not the one that the correction was made for" >&2
    exit 1
}
sed -i "s/$line/&\n  handleInterruptMaskChange();/" cpu/vmx.cc

./configure --enable-cpu-level=6 --enable-x86-64 --enable-vmx=2 --enable-svm --enable-avx --enable-evex \
    --enable-smp --enable-pci --enable-long-phy-address --enable-all-optimizations --enable-a20-pin \
    --enable-fpu --disable-voodoo --disable-plugins --disable-debugger --disable-docbook --with-nogui \
    >configure.log 2>&1
# Without what the build above this one has set: Bochs needs make's own rules.
env -u MAKEFLAGS -u MFLAGS make -j"$(nproc)" >make.log 2>&1
strip bochs
mkdir -p "$dir"
cp bochs COPYING "$dir/"
cd "$top"
rm -rf "$dir.new"
