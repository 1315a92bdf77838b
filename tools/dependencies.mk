# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Set-up and libraries: once for each machine and target, kept by 'make clean'. build/deps may be
# shared by several worktrees, so what is made there is made under a lock, aside, and renamed.

setup-hash := $(shell cat tools/setup.sh tools/debian.sh /etc/debian_version | cksum | cut -d' ' -f1)
setup      := build/setup.$(setup-hash)
lib-hash   := $(shell cat tools/libraries.mk tools/toolchain.mk tools/debian.sh | cksum | cut -d' ' -f1)
lib-locked := flock build/deps/.libraries.lock sh -ec

.PHONY: setup
setup: $(setup) ## install what the build and the tests need (Debian packages; asks for root)
$(setup):
	$(Q)tools/setup.sh
	$(Q)rm -f build/setup.[0-9]*
	$(Q)touch $@

# Included, so that make runs it before it looks for a compiler, and then starts afresh.
ifeq ($(filter help clean distclean,$(MAKECMDGOALS)),)
-include $(setup)
endif

# Upstream sources by the name of Debian's source package, and GNU-EFI as Debian compiled it.
library-sources := dtc=device-tree-compiler picolibc=picolibc zydis=zydis zycore=zycore-c inih=libinih
efi-packages    := x86_64=gnu-efi:amd64 aarch64=gnu-efi:arm64 riscv64=gnu-efi:riscv64
sources-hash    := $(shell echo '$(library-sources) $(efi-packages)' | cat - tools/debian.sh | cksum | cut -d' ' -f1)
sources         := build/deps/src/complete.$(sources-hash)

$(sources): | $(setup)
	$(call say,FETCH,library sources)$(lib-locked) 'test -e $@ && exit 0; \
	    rm -rf build/deps/src build/deps/src.new; mkdir -p build/deps/src.new; \
	    for pair in $(library-sources); do \
	        tools/debian.sh source trixie build/deps/src.new/$${pair%%=*} $${pair#*=}; \
	    done; \
	    for pair in $(efi-packages); do \
	        tools/debian.sh unpack trixie build/deps/src.new/gnu-efi-$${pair%%=*} $${pair#*=}; \
	    done; \
	    touch build/deps/src.new/complete.$(sources-hash); mv build/deps/src.new build/deps/src'

# Order only: a newer stamp of the same content is no reason to compile anything again.
dependencies := build/deps/$(ARCH)/complete.$(lib-hash)

build/deps/%/complete.$(lib-hash): | $(sources)
	+$(call say,LIBS,$*)$(lib-locked) 'test -e $@ && exit 0; \
	    rm -rf build/deps/$*.new; mkdir -p build/deps/$*.new; \
	    $(MAKE) --no-print-directory -f tools/libraries.mk TARGET=$* SRC=build/deps/src \
	        PREFIX=build/deps/$*.new >build/deps/$*.new/log 2>&1 || \
	        { grep -v -e -nostdinc build/deps/$*.new/log | tail -n 20 >&2; exit 1; }; \
	    touch build/deps/$*.new/complete.$(lib-hash); \
	    rm -rf build/deps/$*.new/obj build/deps/$*; mv build/deps/$*.new build/deps/$*'

# The ACPI code of x86_64 guests, as an array.
build/gen/x86_dsdt.c: arch/x86_64/guest/dsdt.asl | $(setup)
	@mkdir -p $(@D)
	$(call say,ASL,$<)iasl -ve -p build/gen/x86_dsdt -tc $< >build/gen/x86_dsdt.log || { cat build/gen/x86_dsdt.log; exit 1; }
	$(Q){ echo '#include "arch/x86_64/guest/dsdt.h"'; \
	    sed 's/^unsigned char .*_aml_code\[\]/const uint8_t x86_dsdt[]/' build/gen/x86_dsdt.hex; \
	    echo 'const size_t x86_dsdt_size = sizeof(x86_dsdt);'; } >$@

# The screen console's font, as the kernel's font.c and as font.json for tests that read the screen.
font := build/deps/font/complete
$(font): | $(setup)
	$(call say,FETCH,console font)$(lib-locked) 'test -e $@ && exit 0; rm -rf $(@D); \
	    tools/debian.sh unpack trixie $(@D).new console-setup-linux:all; mkdir -p $(@D); \
	    cp $(@D).new/usr/share/consolefonts/Uni2-Terminus16.psf.gz $(@D)/font.psf.gz; \
	    rm -rf $(@D).new; touch $@'

build/gen/font.c build/gen/font.json: tools/font.py | $(font)
	@mkdir -p $(@D)
	$(call say,GEN,$@)$(PYTHON) $< $(patsubst .%,%,$(suffix $@)) build/deps/font/font.psf.gz $@
