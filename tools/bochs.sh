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

# replace FILE LINE NEW: replaces the one line of FILE that is LINE.
replace()
{
    [ "$(grep -cxF "$2" "$1")" = 1 ] || {
        echo "bochs.sh: this version of Bochs is not the one that the corrections were made for" >&2
        exit 1
    }
    awk -v old="$2" -v new="$3" '$0 == old { $0 = new } { print }' "$1" >"$1.new"
    mv "$1.new" "$1"
}

# An entry into a guest whose interrupts are masked leaves the host's interrupts masked until the
# guest changes its flag (SDM vol. 3C, 26.2: they end the guest whatever its flag is): a guest that
# spins with interrupts off could never be interrupted. Version 3.0 looks at the mask only when the
# flag changes.
replace cpu/vmx.cc '  BX_CPU_THIS_PTR in_vmx_guest = true;' \
    '  BX_CPU_THIS_PTR in_vmx_guest = true; handleInterruptMaskChange();'

# A host interrupt for a guest whose interrupts are masked delivers a virtual interrupt that waits
# for the guest's flag, in place of ending the guest (SDM vol. 3C, 30.2.2: delivered only with IF = 1).
replace cpu/event.cc '    if (is_pending(BX_EVENT_PENDING_VMX_VIRTUAL_INTR)) {' \
    '    if (is_unmasked_event_pending(BX_EVENT_PENDING_VMX_VIRTUAL_INTR)) {'

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
