# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# The only build entry. 'make help' lists what it makes.

MAKEFLAGS += --no-builtin-rules
# Work side by side on all CPUs; parts share what the first make was given.
jobs      := $(shell nproc)
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(jobs)
endif
.SUFFIXES:
.DELETE_ON_ERROR:
SHELL     := /bin/sh
VERSION   := 0.1.0

all-arches := x86_64 aarch64 riscv64
machine   := $(patsubst arm64,aarch64,$(shell uname -m))
ARCH      ?= $(machine)
TOOLCHAIN ?= gcc
DEBUG     ?= 0
V         ?= 0
PYTHON    := /usr/bin/python3

$(if $(filter $(all-arches),$(ARCH)),,$(error ARCH=$(ARCH) is none of $(all-arches)))
$(if $(filter gcc clang,$(TOOLCHAIN)),,$(error TOOLCHAIN=$(TOOLCHAIN) is neither gcc nor clang))

# Where things go: build/<arch>, with a folder below it for each other way to build.
variant   := $(patsubst gcc%,%,$(TOOLCHAIN)$(if $(filter 1,$(DEBUG)),-debug))
O         := build/$(ARCH)$(if $(variant),/$(patsubst -%,%,$(variant)))
DEPS      := build/deps/$(ARCH)

Q         := $(if $(filter 1,$(V)),,@)
say        = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' '$(1)' '$(2)';)
export SOURCE_DATE_EPOCH ?= 1735689600
export LC_ALL := C
export TZ     := UTC0

.PHONY: kernel
kernel: ## compile the kernel and its loader for ARCH (the default)

include tools/toolchain.mk
include tools/dependencies.mk

# Every folder names its sources: kernel-srcs, loader-srcs and hosted-srcs (unit tests).
kernel-srcs :=
loader-srcs :=
hosted-srcs :=
include $(sort $(wildcard */module.mk))

# --- the kernel ------------------------------------------------------------------------------------

warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla \
    -Wpointer-arith -Wwrite-strings -Wimplicit-fallthrough -Wold-style-definition \
    -Wformat=2 -Wno-format-nonliteral -Werror
warnings += $(if $(filter clang,$(TOOLCHAIN)),,-Wlogical-op -Wduplicated-cond)

common-cppflags := -I. -Iarch/$(ARCH) -DENNEAD_VERSION='"$(VERSION)"' -DDEBUG=$(DEBUG)

# Functions begin where they may: that saves 8 KiB of an image whose size is limited.
kernel-cflags := -std=gnu17 $(freestanding-flags) $(warnings)
kernel-cppflags := $(common-cppflags) -include linker/visibility.h -isystem $(DEPS)/include
assembler-flags := $(if $(filter clang,$(TOOLCHAIN)),-Wno-unused-command-line-argument)
kernel-asflags := $(assembler-flags) $(freestanding-flags) $(common-cppflags)
kernel-ldflags := -m $(LD_EMULATION) -nostdlib -pie --no-dynamic-linker -z text -z norelro -z noexecstack \
    -z max-page-size=4096 --build-id=none --gc-sections --no-undefined --orphan-handling=error \
    --hash-style=gnu -z nostart-stop-gc
kernel-libs := $(DEPS)/lib/libfdt.a $(DEPS)/lib/libZydis.a $(DEPS)/lib/libini.a $(DEPS)/lib/libc.a

kernel-srcs := $(sort $(kernel-srcs))
kernel-objs := $(patsubst %,$(O)/kernel/%.o,$(basename $(kernel-srcs)))

# One stamp per set of flags: a change of flags rebuilds what they were used for.
define flags-stamp
$(1).flags: FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(subst ','\'',$(2))' | cmp -s - $$@ || printf '%s\n' '$$(subst ','\'',$(2))' >$$@
endef
$(eval $(call flags-stamp,$(O)/kernel,$$(lib-hash) $$(CC) $$(kernel-cppflags) $$(kernel-cflags)))
$(eval $(call flags-stamp,$(O)/loader,$$(lib-hash) $$(CC) $$(loader-cflags)))
$(eval $(call flags-stamp,$(O)/link,$$(lib-hash) $$(LD) $$(kernel-ldflags) $$(kernel-objs) $$(loader-objs)))

.PHONY: FORCE
FORCE:

$(O)/kernel/%.o: %.c $(O)/kernel.flags | $(dependencies)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(kernel-cppflags) $(kernel-cflags) -MMD -MP -c $< -o $@

$(O)/kernel/%.o: %.S $(O)/kernel.flags | $(dependencies)
	@mkdir -p $(@D)
	$(call say,AS,$<)$(CC) $(kernel-asflags) -MMD -MP -c $< -o $@

# The linker script with a section for each table that some object contributes to.
$(O)/kernel.lds: linker/kernel.lds $(kernel-objs) $(O)/link.flags
	$(Q)$(READELF) -SW $(kernel-objs) | grep -ow 'table_[a-z0-9_]*' | sort -u | \
	    sed 's/.*/    & : ALIGN(8) { __start_& = .; KEEP(*(&)) __stop_& = .; } :rodata/' >$@.tables
	$(Q)sed -e '/@TABLES@/{r $@.tables' -e 'd}' $< >$@

kernel-link = $(LD) $(kernel-ldflags) -T $(O)/kernel.lds $(kernel-objs)

$(O)/kernel.first: $(O)/kernel.lds $(kernel-objs) | $(dependencies)
	$(call say,LD,$@)$(kernel-link) $(kernel-libs) -o $@

$(O)/symbols.o: $(O)/kernel.first tools/symbols.py
	$(Q)$(PYTHON) tools/symbols.py table $< $(O)/symbols.bin $(NM)
	$(Q)printf '.section .symtab_compact,"a"\n.incbin "%s"\n' $(O)/symbols.bin | \
	    $(CC) $(kernel-asflags) -x assembler -c - -o $@

# The second link adds the symbol table; only relative relocations may remain.
$(O)/kernel.debug: $(O)/symbols.o
	$(call say,LD,$@)$(kernel-link) $(O)/symbols.o $(kernel-libs) -o $@
	$(Q)$(PYTHON) tools/symbols.py same $(O)/kernel.first $@ $(NM)
	$(Q)! $(READELF) -rW $@ | grep ' R_' | grep -v '_RELATIVE ' || \
	    { echo "$@: the loader applies relative relocations only" >&2; rm -f $@; exit 1; }

$(O)/kernel.elf: $(O)/kernel.debug
	$(call say,STRIP,$@)$(STRIP) -s -o $@ $<

# --- the loader, which carries the kernel ----------------------------------------------------------

efi-name-x86_64  := BOOTX64.EFI
efi-name-aarch64 := BOOTAA64.EFI
efi-name-riscv64 := BOOTRISCV64.EFI
efi = $(O)/$(efi-name-$(ARCH))

efi-flags-x86_64  := -DGNU_EFI_USE_MS_ABI -mno-red-zone -mno-sse -mno-mmx \
    $(if $(filter clang,$(TOOLCHAIN)),,-mgeneral-regs-only -maccumulate-outgoing-args)
efi-flags-aarch64 := -mgeneral-regs-only -mstrict-align -mno-outline-atomics
efi-flags-riscv64 := -march=rv64gc -mabi=lp64d -mcmodel=medany -mno-relax
loader-cflags := -std=gnu17 $(filter-out -fpie $(arch-flags-$(ARCH)),$(freestanding-flags)) -fpic \
    -fshort-wchar $(efi-flags-$(ARCH)) $(warnings) $(common-cppflags) -isystem $(DEPS)/include/efi \
    -isystem $(DEPS)/include/efi/$(ARCH) -isystem $(DEPS)/include/efi/protocol \
    -isystem $(DEPS)/include -isystem build/deps/src
loader-ldflags := -m $(LD_EMULATION) -nostdlib --no-undefined -z nocombreloc -z norelro -z noexecstack \
    -shared -Bsymbolic --build-id=none --gc-sections --no-warn-rwx-segments \
    -T $(DEPS)/lib/elf_$(ARCH)_efi.lds
loader-ldflags := $(if $(filter clang,$(TOOLCHAIN)),$(filter-out --no-warn-rwx-segments,$(loader-ldflags)),$(loader-ldflags))
efi-sections := $(patsubst %,-j %,.text .sdata .data .dynamic .rodata .rel .rela .rel.* .rela.* .reloc)
efi-target-x86_64  := --target=efi-app-x86_64
efi-target-aarch64 := --target=efi-app-aarch64
efi-target-riscv64 := -O binary

loader-srcs := $(sort $(loader-srcs))
loader-objs := $(patsubst %,$(O)/loader/%.o,$(basename $(loader-srcs))) $(O)/loader/kernel_image.o

$(O)/loader/%.o: %.c $(O)/loader.flags | $(dependencies)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(loader-cflags) -MMD -MP -c $< -o $@

$(O)/loader/%.o: %.S $(O)/loader.flags | $(dependencies)
	@mkdir -p $(@D)
	$(call say,AS,$<)$(CC) $(loader-cflags) $(assembler-flags) -MMD -MP -c $< -o $@

# The kernel as constant data of the loader, between kernel_image_start and kernel_image_end.
$(O)/loader/kernel_image.o: $(O)/kernel.elf $(O)/loader.flags
	@mkdir -p $(@D)
	$(Q)printf '%s\n' '.section .rodata.kernel_image,"a"' '.balign 4096' \
	    '.globl kernel_image_start, kernel_image_end' '.hidden kernel_image_start, kernel_image_end' \
	    'kernel_image_start: .incbin "$<"' 'kernel_image_end: .byte 0' \
	    '.section .note.GNU-stack,"",%progbits' | $(CC) $(loader-cflags) $(assembler-flags) -x assembler -c - -o $@

$(O)/loader.so: $(loader-objs) $(O)/link.flags
	$(call say,LD,$@)$(LD) $(loader-ldflags) $(DEPS)/lib/crt0-efi-$(ARCH).o $(loader-objs) \
	    $(DEPS)/lib/libgnuefi.a $(DEPS)/lib/libefi.a -o $@

$(efi): $(O)/loader.so tools/pe.py
	$(call say,PE,$@)$(OBJCOPY) -S $(efi-sections) $(efi-target-$(ARCH)) $< $@
	$(Q)$(PYTHON) tools/pe.py finish $@

kernel: $(efi)

include tests/guests/module.mk
include tools/image.mk
include tools/checks.mk

-include $(kernel-objs:.o=.d) $(loader-objs:.o=.d)
