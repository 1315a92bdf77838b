# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Compilers and the flags that make code fit one host: shared by the kernel, the loader and the
# freestanding libraries. Expects ARCH and TOOLCHAIN.

triplet := $(ARCH)-linux-gnu
cross   := $(triplet)-

ifeq ($(TOOLCHAIN),clang)
CC      := clang --target=$(triplet)
LD      := ld.lld
else
CC      := $(cross)gcc
LD      := $(cross)ld
endif
AR      := $(cross)ar
NM      := $(cross)nm
OBJCOPY := $(cross)objcopy
STRIP   := $(cross)strip
READELF := $(cross)readelf
LD_EMULATION := $(or $(patsubst x86_64,elf_x86_64,$(filter x86_64,$(ARCH))),\
                     $(patsubst aarch64,aarch64linux,$(filter aarch64,$(ARCH))),elf64lriscv)

# General registers only: the guests' floating-point and vector state stays live in the host's.
arch-flags-x86_64  := -mno-red-zone -mgeneral-regs-only -fcf-protection=none
arch-flags-aarch64 := -mgeneral-regs-only -mno-outline-atomics -mbranch-protection=none
arch-flags-riscv64 := -mabi=lp64 -mcmodel=medany -mno-relax
arch-flags-riscv64 += $(if $(filter clang,$(TOOLCHAIN)),-march=rv64imac,-march=rv64imac_zicsr_zifencei)

# Freestanding position-independent code, the same bytes in whatever folder it is built.
freestanding-flags := -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include 2>/dev/null) \
    -O2 -g -fpie -fvisibility=hidden -fno-strict-aliasing -fno-common -fno-omit-frame-pointer \
    -ffunction-sections -fdata-sections -fno-stack-protector -fno-asynchronous-unwind-tables \
    -fno-unwind-tables -ffile-prefix-map=$(CURDIR)=. $(arch-flags-$(ARCH))
