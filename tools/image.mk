# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# The USB stick's image: build/ennead.img with all hosts, or build/<arch>/ennead.img with one when
# ARCHES names it alone. GUESTS= (empty) leaves the guests out; CONFIG= is a file to use as
# ennead.ini; FILES="ennead/x=file ..." adds files.

ARCHES    ?= $(all-arches)
GUESTS    ?= $(ARCHES)
CONFIG    ?= $(image:.img=.ini)
efi-dir    = build/$(1)$(if $(variant),/$(patsubst -%,%,$(variant)))$(if $(SIGNED),/signed)
image      = $(if $(filter 1,$(words $(ARCHES))),$(call efi-dir,$(ARCHES)),build)/ennead$(if $(SIGNED),-signed).img
image-efi  = $(foreach a,$(ARCHES),EFI/BOOT/$(efi-name-$(a))=$(call efi-dir,$(a))/$(efi-name-$(a)))
image-guest = $(foreach a,$(GUESTS),$(foreach f,kernel initrd,ennead/$(a)/$(f)=build/guest/$(a)/$(f)))
guest-files = $(foreach a,$(GUESTS),build/guest/$(a)/complete)

.PHONY: image kernels guests
kernels:
	+$(Q)for arch in $(ARCHES); do $(MAKE) --no-print-directory kernel ARCH=$$arch || exit 1; done

# One guest for each of GUESTS, on the serial port that its kernel calls by this name.
console-x86_64  := ttyS0
console-aarch64 := ttyAMA0
console-riscv64 := ttyS0
ini-guest = [vm $(1)]|memory = 256M|kernel = ennead/$(1)/kernel|initrd = ennead/$(1)/initrd|cmdline = console=$(console-$(1))|

image: kernels $(guest-files) ## make build/ennead.img for all hosts; ARCHES=x86_64: build/x86_64/ennead.img
	$(Q)printf '%s' '[ennead]|config = 1|$(if $(filter 1,$(words $(GUESTS))),console = $(GUESTS)|)|' $(foreach a,$(GUESTS),'$(call ini-guest,$(a))|') | tr '|' '\n' \
	    >$(image:.img=.ini)
	$(call say,IMAGE,$(image))$(PYTHON) tools/image.py $(image) $(image-efi) $(image-guest) \
	    ennead/ennead.ini=$(CONFIG) $(FILES)

guests: $(guest-files)
build/guest/%/complete: tools/guest-images.sh tools/guest-init.sh | $(setup)
	$(call say,GUEST,$*)tools/guest-images.sh $* build/guest/$*

.PHONY: run
run: ## boot the image of ARCH in QEMU (Ctrl-A X leaves); RUN="--cpus 4 --no-acpi" adds options
	+$(Q)$(MAKE) --no-print-directory image ARCHES=$(ARCH) GUESTS="$(if $(filter file,$(origin GUESTS)),$(ARCH),$(GUESTS))"
	$(Q)$(PYTHON) tools/qemu.py run $(ARCH) --image $(O)/ennead.img --log $(O)/qemu.log $(RUN)
