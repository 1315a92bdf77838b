# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# host/ and emit/ are compiled for their own host (emit/ for hosted builds, too), guest/ of every ISA for each host.
kernel-srcs += $(wildcard arch/$(ARCH)/host/*.[cS] arch/$(ARCH)/host/*/*.[cS] arch/$(ARCH)/emit/*.c)
kernel-srcs += $(wildcard arch/*/guest/*.c) build/gen/x86_dsdt.c
hosted-srcs += $(wildcard arch/*/guest/*.c arch/$(machine)/emit/*.c) build/gen/x86_dsdt.c
hosted-srcs += arch/x86_64/host/vmx/controls.c arch/x86_64/host/vmx/check.c
loader-srcs += $(wildcard arch/$(ARCH)/boot/*.[cS])
