# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# The USB stick's image: build/ennead.img with all hosts, or build/<arch>/ennead.img with one when
# ARCHES names it alone. GUESTS: architectures of the guests that run on the hardware (empty: no
# guests at all), SHELLS: of translated ones beside them; CONFIG= is a file to use as ennead.ini;
# FILES="ennead/x=file ..." adds files.

ARCHES    ?= $(all-arches)
GUESTS    ?= $(ARCHES)
# What hosts translate in useful time.
shells-x86_64 := aarch64 riscv64
SHELLS    ?= $(if $(GUESTS),$(filter-out $(GUESTS),$(sort $(foreach a,$(ARCHES),$(shells-$(a))))))
CONFIG    ?= $(image:.img=.ini)
efi-dir    = build/$(1)$(if $(variant),/$(patsubst -%,%,$(variant)))$(if $(SIGNED),/signed)
image      = $(if $(filter 1,$(words $(ARCHES))),$(call efi-dir,$(ARCHES)),build)/ennead$(if $(SIGNED),-signed).img
image-efi  = $(foreach a,$(ARCHES),EFI/BOOT/$(efi-name-$(a))=$(call efi-dir,$(a))/$(efi-name-$(a)))
image-guest = $(foreach a,$(GUESTS) $(SHELLS),$(foreach f,kernel initrd $(if $(filter $(a),$(GUESTS)),root.img),ennead/$(a)/$(f)=build/guest/$(a)/$(f)))
# What guests are made of is built once for each version of the scripts that make it.
guest-hash := $(shell cat tools/guest-images.sh tools/guest-init.sh tools/guest-disk/usr/local/sbin/peer | sha256sum | cut -c1-12)
disk-hash  := $(shell cat tools/guest-images.sh tools/guest-disk.sh $$(find tools/guest-disk -type f | sort) | sha256sum | cut -c1-12)
programs   := xz-utils zstd 7zip-standalone python3 lua5.4 sqlite3 gcc libc6-dev openssl perl git
programs-hash := $(shell (echo $(programs); cat $$(find tests/bench/programs -type f | sort)) | cat tools/guest-disk.sh - | sha256sum | cut -c1-12)
userland   := $(programs) apt make nodejs openjdk-21-jre-headless luajit sbcl libpython3.13-testsuite openssl-provider-fips libstb-dev
userland-hash := $(shell (echo $(userland); cat $$(find tests/userland/files* tests/bench/programs -type f | sort)) | cat tools/guest-disk.sh - | sha256sum | cut -c1-12)
tools-hash := $(shell cat tools/guest-tools.sh | sha256sum | cut -c1-12)
guest-files = $(foreach a,$(GUESTS) $(SHELLS),build/guest/$(a)/complete.$(guest-hash))
disk-files  = $(foreach a,$(GUESTS),build/guest/$(a)/disk.$(disk-hash))

.PHONY: image kernels guests
kernels:
	+$(Q)for arch in $(ARCHES); do $(MAKE) --no-print-directory kernel ARCH=$$arch || exit 1; done

# A shell in the initial RAM disk for each architecture, and Debian on a root disk for those of GUESTS, where
# hardware runs it; the two of an architecture ping each other. Consoles are the serial port that the kernel
# calls by this name, addresses 10.9.0.NUMBER. '|' ends a line. Guests on the hardware go first by their weight:
# beside translated ones that boot, on as many CPUs as 'make run' has, they would wait for half of their time.
console-x86_64  := ttyS0
console-aarch64 := ttyAMA0
console-riscv64 := ttyS0
numbers-x86_64  := 1 2
numbers-aarch64 := 3 4
numbers-riscv64 := 5 6
ini-guest = [vm $(1)-$(2)]|arch = $(1)|memory = $(3)|kernel = ennead/$(1)/kernel|initrd = ennead/$(1)/initrd|net = lan|$(if $(filter $(1),$(GUESTS)),weight = 8192|)
ini-net   = ip=10.9.0.$(1):::255.255.255.0:::off peer=10.9.0.$(2)
ini-shell  = $(call ini-guest,$(1),shell,256M)cmdline = console=$(console-$(1)) quiet $(call \
    ini-net,$(word 1,$(numbers-$(1))),$(word 2,$(numbers-$(1))))||
ini-debian = $(call ini-guest,$(1),debian,512M)engine = hardware|cmdline = console=$(console-$(1)) quiet root=/dev/vda $(call \
    ini-net,$(word 2,$(numbers-$(1))),$(word 1,$(numbers-$(1))))|disk = $(1)-root||[disk \
    $(1)-root]|file = ennead/$(1)/root.img|mode = copy-on-write||

image: kernels $(guest-files) $(disk-files) ## make build/ennead.img for all hosts; ARCHES=x86_64: build/x86_64/ennead.img
	$(Q)printf '%s' '[host]|config = 1||' $(if $(GUESTS),'[network lan]||') $(foreach a,$(GUESTS),'$(call ini-shell,$(a))' '$(call ini-debian,$(a))') \
	    $(foreach a,$(SHELLS),'$(call ini-shell,$(a))') | tr '|' '\n' \
	    >$(image:.img=.ini)
	$(call say,IMAGE,$(image))$(PYTHON) tools/image.py $(image) $(image-efi) $(image-guest) \
	    ennead/ennead.ini=$(CONFIG) $(FILES)

guests: $(guest-files)
build/guest/%/complete.$(guest-hash): | $(setup)
	$(call say,GUEST,$*)tools/guest-images.sh $* build/guest/$*
	$(Q)touch $@
build/guest/%/disk.$(disk-hash): | $(setup) build/guest/%/complete.$(guest-hash)
	$(call say,DISK,$*)tools/guest-disk.sh $* build/guest/$*
	$(Q)rm -f build/guest/$*/disk.* && touch $@
# The same with the programs that tests/bench/programs.py runs.
build/guest/%/programs.$(programs-hash): | $(setup) build/guest/%/complete.$(guest-hash)
	$(call say,DISK,$* with programs)tools/guest-disk.sh $* build/guest/$* programs tests/bench/programs $(programs)
	$(Q)rm -f build/guest/$*/programs.[0-9a-f]* && touch $@
# And with those that tests/userland/userland.py runs.
build/guest/%/userland.$(userland-hash): | $(setup) build/guest/%/complete.$(guest-hash)
	$(call say,DISK,$* with a userland)tests/userland/files.sh $* build/guest/$*/userland
	$(Q)tools/guest-disk.sh $* build/guest/$* userland build/guest/$*/userland $(userland)
	$(Q)rm -rf build/guest/$*/userland build/guest/$*/userland.[0-9a-f]* && touch $@
# What benchmarks and tests add to the initial RAM disk.
.PHONY: guest-tools guest-programs guest-userland
guest-userland: $(foreach a,$(ARCHES),build/guest/$(a)/userland.$(userland-hash))
guest-programs: $(foreach a,$(ARCHES),build/guest/$(a)/programs.$(programs-hash))
guest-tools: $(foreach a,$(ARCHES),build/guest/$(a)/tools.complete.$(tools-hash))
build/guest/%/tools.complete.$(tools-hash): | $(setup)
	$(call say,TOOLS,$*)tools/guest-tools.sh $* build/guest/$*
	$(Q)touch $@

EMULATOR  ?= qemu
run-qemu   = tools/qemu.py run $(ARCH) --image $(O)/ennead.img --memory 3072 --cpus 2 --log $(O)/qemu.log
run-bochs  = tools/bochs.py run --image $(O)/ennead.img --log $(O)/bochs.log
.PHONY: run
run: ## boot the image of ARCH in QEMU (Ctrl-A X leaves); RUN="--cpus 4 --no-acpi" adds options; EMULATOR=bochs: a PC with VT-x
	+$(Q)$(MAKE) --no-print-directory image ARCHES=$(ARCH) GUESTS="$(if $(filter file,$(origin GUESTS)),$(ARCH),$(GUESTS))"
	$(Q)$(if $(filter bochs,$(EMULATOR)),$(if $(filter x86_64,$(ARCH)),,$(error Bochs emulates x86_64 only: add ARCH=x86_64)))$(PYTHON) $(run-$(EMULATOR)) $(RUN)
