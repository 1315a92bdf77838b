# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# The micro-guests: build/<arch>/guests/micro, what the monitor and QEMU's -kernel load.
# aarch64, riscv64: a flat binary with Linux's Image header; x86_64: an ELF file with a PVH note.

G           := build/$(ARCH)/guests
micro-dirs  := tests/guests tests/guests/$(ARCH)
micro-srcs  := $(sort $(wildcard $(micro-dirs:%=%/*.c) $(micro-dirs:%=%/*.S))) kernel/builtins.c
micro-objs  := $(patsubst %,$(G)/%.o,$(basename $(micro-srcs)))
micro-cc    := $(cross)gcc
micro-flags-x86_64  := -mcmodel=small
micro-flags-aarch64 := -mstrict-align
micro-cflags := -std=gnu17 $(filter-out -fpie,$(freestanding-flags)) -fno-pie $(micro-flags-$(ARCH)) $(warnings) \
    -I. -Itests/guests/$(ARCH) -isystem $(DEPS)/include
$(eval $(call flags-stamp,$(G)/compile,$$(lib-hash) $$(micro-cc) $$(micro-cflags) $$(micro-objs)))

$(G)/%.o: %.c $(G)/compile.flags | $(dependencies)
	@mkdir -p $(@D)
	$(call say,CC,$< (guest))$(micro-cc) $(micro-cflags) -MMD -MP -c $< -o $@

$(G)/%.o: %.S $(G)/compile.flags | $(dependencies)
	@mkdir -p $(@D)
	$(call say,AS,$< (guest))$(micro-cc) $(micro-cflags) -MMD -MP -c $< -o $@

$(G)/micro.elf: tests/guests/$(ARCH)/guest.lds $(micro-objs)
	$(call say,LD,$@)$(cross)ld -nostdlib -static --build-id=none --no-warn-rwx-segments -z noexecstack --gc-sections \
	    -z nostart-stop-gc -T $< $(micro-objs) $(DEPS)/lib/libfdt.a $(DEPS)/lib/libc.a -o $@

$(G)/micro: $(G)/micro.elf
	$(Q)$(if $(filter x86_64,$(ARCH)),$(STRIP) -s -o $@ $<,$(OBJCOPY) -O binary $< $@)

# Programs for Linux guests, without a C library: build/<arch>/guests/NAME of tests/guests/linux/NAME.c.
linux-programs := $(patsubst tests/guests/linux/%.c,$(G)/%,$(wildcard tests/guests/linux/*.c))
$(linux-programs): $(G)/%: tests/guests/linux/%.c tests/guests/$(ARCH)/linux.h $(G)/compile.flags | $(dependencies)
	$(call say,CC,$< (guest))$(micro-cc) $(micro-cflags) -fno-tree-loop-distribute-patterns -static -nostdlib \
	    -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments $< -o $@

.PHONY: micro-guest micro-guests
micro-guest: $(G)/micro $(linux-programs)
micro-guests: ## build the bare-metal test guests of all hosts
	+$(Q)for arch in $(all-arches); do $(MAKE) --no-print-directory micro-guest ARCH=$$arch || exit 1; done

-include $(micro-objs:.o=.d)
