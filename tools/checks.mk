# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Unit tests and fuzzers on the build machine, lint, boot tests, benchmarks, and 'make test', which
# is all of them and what CI runs.

# --- hosted: the core as one Linux process under sanitizers ------------------------------------------

comma        := ,
H            := build/hosted$(if $(filter clang,$(TOOLCHAIN)),/clang)
hosted-cc    := $(if $(filter clang,$(TOOLCHAIN)),clang,cc)
hosted-deps  := build/deps/hosted/complete.$(lib-hash)
hosted-warnings := -Wall -Wextra -Wshadow -Wundef -Wvla -Wpointer-arith -Werror
hosted-cflags := -std=gnu17 -O1 -g -fno-omit-frame-pointer -fno-common -fno-strict-aliasing -ffunction-sections \
    -fdata-sections -fsanitize=address,undefined -fno-sanitize-recover=undefined $(hosted-warnings) \
    -I. -Itests/hosted -DENNEAD_VERSION='"$(VERSION)"' -DDEBUG=1 -isystem build/deps/hosted/include \
    -D_GNU_SOURCE -include tests/hosted/libc_extra.h
hosted-ldflags := -fsanitize=address,undefined -Wl,--gc-sections -Wl,-T,tests/hosted/hosted.lds
hosted-libs  := $(patsubst %,build/deps/hosted/lib/lib%.a,fdt Zydis ini) -lcmocka -lpthread -lm

hosted-srcs  := $(sort $(hosted-srcs) $(wildcard tests/hosted/*.c tests/hosted/host/*.c))
hosted-objs  := $(hosted-srcs:%.c=$(H)/%.o)
unit-tests   := $(patsubst %.c,$(H)/%,$(sort $(wildcard tests/unit/*.c)))
# A fuzzer's result is often stored only so that the read happens.
fuzz-cflags  := $(subst address$(comma)undefined,fuzzer-no-link$(comma)address$(comma)undefined,$(hosted-cflags))
fuzz-objs    := $(hosted-srcs:%.c=build/fuzz/%.o)
fuzz-tests   := $(patsubst %.c,build/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
SECONDS      ?= 60

$(eval $(call flags-stamp,$(H)/compile,$$(lib-hash) $$(hosted-cc) $$(hosted-cflags)))
$(eval $(call flags-stamp,build/fuzz/compile,$$(lib-hash) clang $$(fuzz-cflags)))

$(H)/%.o: %.c $(H)/compile.flags | $(hosted-deps)
	@mkdir -p $(@D)
	$(call say,CC,$< (hosted))$(hosted-cc) $(hosted-cflags) -MMD -MP -c $< -o $@

build/fuzz/%.o: %.c build/fuzz/compile.flags | $(hosted-deps)
	@mkdir -p $(@D)
	$(call say,CC,$< (fuzz))clang $(fuzz-cflags) -Wno-unused-but-set-variable -MMD -MP -c $< -o $@

$(H)/libennead.a: $(hosted-objs)
	$(Q)rm -f $@ && ar rcsD $@ $^

build/fuzz/libennead.a: $(fuzz-objs)
	$(Q)rm -f $@ && ar rcsD $@ $^

$(unit-tests): %: %.o $(H)/libennead.a
	$(call say,LD,$@)$(hosted-cc) $(hosted-ldflags) $< $(H)/libennead.a $(hosted-libs) -o $@

$(fuzz-tests): %: %.o build/fuzz/libennead.a
	$(call say,LD,$@)clang -fsanitize=fuzzer,address,undefined -Wl,--gc-sections -Wl,-T,tests/hosted/hosted.lds $< build/fuzz/libennead.a \
	    $(filter-out -lcmocka,$(hosted-libs)) -o $@

# $(call side-by-side,PROGRAMS,COMMAND,PART): COMMAND for each of PROGRAMS, @ in it, on all CPUs; what each printed is shown at
# its end, those that passed stand in build/tests/PART.passed.
side-by-side = mkdir -p build/tests && : >build/tests/$(3).passed; printf '%s\n' $(1) | xargs -P $(jobs) -I@ sh -c ' \
    name=$(3)/$$(basename @); result=failed; $(2) >@.log 2>&1 && result=passed; \
    exec 9>build/tests/$(3).lock; flock 9; echo "== $$name: $$result"; cat @.log; \
    test $$result = failed || echo $$name >>build/tests/$(3).passed' || true; \
    passed=$$(wc -l <build/tests/$(3).passed); failed=$$(($(words $(1)) - passed)); \
    echo "$(3): $$passed passed, $$failed failed"; \
    for program in $(1); do grep -qx $(3)/$$(basename $$program) build/tests/$(3).passed || echo "failed: $$program"; done; \
    test $$failed = 0

.PHONY: unit fuzz
unit: $(unit-tests) ## build and run the unit tests, on the build machine under sanitizers
	$(Q)$(call side-by-side,$(unit-tests),timeout 300 @,unit)

fuzz: $(fuzz-tests) ## run each fuzzer for SECONDS=60
	$(Q)mkdir -p $(fuzz-tests:%=%.corpus)
	$(Q)$(call side-by-side,$(fuzz-tests),@ -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
	    -print_final_stats=1 -artifact_prefix=@- @.corpus $$(ls -d tests/fuzz/corpus/$$(basename @) 2>/dev/null),fuzz)

# The core as the kernel compiles it, optimised and without sanitizers: for counting instructions.
counted-cflags := $(subst -O1,-O2,$(subst -DDEBUG=1,-DDEBUG=0,$(filter-out -fsanitize=% -fno-sanitize-recover=%,$(hosted-cflags))))
counted-srcs := $(filter mm/% kernel/% tests/hosted/%,$(hosted-srcs))

$(H)/counted/%.o: %.c $(H)/compile.flags | $(hosted-deps)
	@mkdir -p $(@D)
	$(call say,CC,$< (counted))$(hosted-cc) $(counted-cflags) -MMD -MP -c $< -o $@

$(H)/counted/libennead.a: $(counted-srcs:%.c=$(H)/counted/%.o)
	$(Q)rm -f $@ && ar rcsD $@ $^

$(H)/page_alloc_bench $(H)/trace_bench: $(H)/%: $(H)/counted/tests/bench/%.o $(H)/counted/libennead.a
	$(call say,LD,$@)$(hosted-cc) $(filter-out -fsanitize=%,$(hosted-ldflags)) $^ $(hosted-libs) -o $@

.PHONY: page-alloc-bench
page-alloc-bench: $(H)/page_alloc_bench ## build the benchmark of the page allocator

# The program: the core on Linux as one process, optimised, to run translated guests with.
program-cflags := $(subst -Itests/hosted ,-Itests/hosted/program -Itests/hosted ,$(subst -DDEBUG=1,-DDEBUG=$(DEBUG),$(counted-cflags))) \
    -fomit-frame-pointer -flto=auto
program-srcs   := $(filter-out tests/hosted/% kernel/host_command.c,$(hosted-srcs)) tests/hosted/image.c tests/hosted/libc_extra.c \
    $(wildcard tests/hosted/program/*.c arch/$(machine)/hosted/*.c)
program-objs   := $(program-srcs:%.c=$(H)/program/%.o)

$(eval $(call flags-stamp,$(H)/program/compile,$$(lib-hash) $$(hosted-cc) $$(program-cflags)))

$(H)/program/%.o: %.c $(H)/program/compile.flags | $(hosted-deps)
	@mkdir -p $(@D)
	$(call say,CC,$< (program))$(hosted-cc) $(program-cflags) -MMD -MP -c $< -o $@

$(H)/ennead: $(program-objs)
	$(call say,LD,$@)$(hosted-cc) $(program-cflags) $(filter-out -fsanitize=%,$(hosted-ldflags)) $^ $(filter-out -lcmocka,$(hosted-libs)) -o $@

.PHONY: hosted
hosted: $(H)/ennead ## build build/hosted/ennead, which runs a translated guest as a process

# --- lint -----------------------------------------------------------------------------------------------

# Each source as clang compiles it: a shared one for the first host, a host's own for that host.
# Random guest code in the translator and under qemu-user, in lockstep: CASES of it, from SEED. Without CASES there are more than
# 10^7 instructions of each guest and 1,000 sets of operands for each line of the tables, which is checked.
cases-riscv64 := 380000
cases-aarch64 := 140000
sets-of-operands = $(if $(CASES)$(filter jit%,$(ENGINE)),0,1000)
SEED  ?= 1
differential := build/hosted/differential
dbt-core-srcs := $(wildcard $(patsubst %,dbt/%.c,chain interp ir knobs lower pass slow softfloat softfloat_arm vector vector_crypto verify)) \
    kernel/out.c $(wildcard arch/$(machine)/emit/*.c)
lift-srcs-riscv64 := $(patsubst %,arch/riscv64/guest/%.c,insn lift lift_csr lift_int lift_fp lift_half lift_vector lift_vector_int lift_vector_fp helpers vector vector_int vector_fp vector_memory vector_move)
lift-srcs-aarch64 := $(wildcard $(patsubst %,arch/aarch64/guest/%*.c,insn lift helpers))
runner-cc-riscv64 := riscv64-linux-gnu-gcc -mcmodel=medany -Wl,--no-relax
runner-cc-aarch64 := aarch64-linux-gnu-gcc -mno-outline-atomics
qemu-riscv64 := qemu-riscv64 -cpu rv64,v=true,vlen=128,vext_spec=v1.0,zvbb=true,zvfhmin=true,zfa=true,zfh=true,zcb=true,zcmop=true,zimop=true,zacas=true,zawrs=true,zba=true,zbb=true,zbc=true,zbs=true,zicond=true
qemu-aarch64 := qemu-aarch64 -cpu neoverse-n1
qemu-aarch64-late := qemu-aarch64 -cpu max,sve=off,sme=off

# A guest's programs: compare-ISA, which runs the cases here, and runner-ISA, which qemu-user runs.
define differential-rules
$(differential)/compare-$(1): $(patsubst %.c,$(H)/counted/%.o,tests/differential/compare.c tests/differential/$(1)/cases.c $(dbt-core-srcs) $(lift-srcs-$(1)))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$(hosted-cc) $$^ -o $$@

$(differential)/runner-$(1): tests/differential/runner.c tests/differential/case.h tests/differential/$(1)/runner_arch.h | $(setup)
	@mkdir -p $$(@D)
	$$(call say,CC,$$<)$(runner-cc-$(1)) -std=gnu17 -O1 -Wall -Wextra -Werror -I. -Itests/differential/$(1) -static -nostdlib \
	    -ffreestanding -fno-stack-protector -Wl,--build-id=none,-Ttext-segment=0x1234567000 $$< -o $$@

differential-$(1): $(differential)/compare-$(1) $(differential)/runner-$(1)
	$(Q)$$< "exec $$(qemu-$(1)) $(differential)/runner-$(1)" $(or $(CASES),$(cases-$(1))) $(SEED) $(or $(ENGINE),all) all $$(sets-of-operands)
endef
differential-guests := riscv64 aarch64
$(foreach g,$(differential-guests),$(eval $(call differential-rules,$(g))))

# What works on vector registers alone.
differential-aarch64-simd: $(differential)/compare-aarch64 $(differential)/runner-aarch64
	$(Q)$< "exec $(qemu-aarch64) $(differential)/runner-aarch64" $(or $(CASES),205000) $(SEED) $(or $(ENGINE),all) simd $(sets-of-operands)

# What came after the processor that differential-aarch64 asks.
differential-aarch64-late: $(differential)/compare-aarch64 $(differential)/runner-aarch64
	$(Q)$< "exec $(qemu-aarch64-late) $(differential)/runner-aarch64" $(or $(CASES),40000) $(SEED) $(or $(ENGINE),all) late $(sets-of-operands)

# With pages in the data that are not there, or only to be read: faults in the middle of the code, and across pages.
$(differential-guests:%=differential-%-pages): differential-%-pages: $(differential)/compare-% $(differential)/runner-%
	$(Q)$< "exec $(qemu-$*) $(differential)/runner-$*" $(or $(CASES),30000) $(SEED) $(or $(ENGINE),all) pages

$(differential)/decode-riscv64: $(patsubst %.c,$(H)/counted/%.o,tests/differential/riscv64/decode.c kernel/out.c arch/riscv64/guest/insn.c \
    arch/riscv64/guest/disasm.c)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(hosted-cc) $^ -o $@

$(differential)/decode-aarch64: $(patsubst %.c,$(H)/counted/%.o,tests/differential/aarch64/decode.c $(lift-srcs-aarch64) kernel/out.c \
    $(wildcard $(patsubst %,dbt/%.c,ir softfloat softfloat_arm vector vector_crypto)))
	@mkdir -p $(@D)
	$(call say,LD,$@)$(hosted-cc) $^ -o $@

# The screen's terminal against an independent one, on random sequences.
$(differential)/terminal: $(patsubst %,$(H)/counted/%.o,tests/differential/terminal/screen drivers/display/terminal \
    drivers/display/terminal_rendition)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(hosted-cc) $^ -o $@

.PHONY: terminal
terminal: $(differential)/terminal ## compare the screen's terminal with pyte on CASES= random sequences, and on what full-screen programs send
	$(Q)$(PYTHON) tests/differential/terminal/compare.py $< $(or $(CASES),1000) $(SEED)
	$(Q)$(PYTHON) tests/differential/terminal/programs.py $<

extra-differential := differential-aarch64-late differential-aarch64-simd $(differential-guests:%=differential-%-pages)
differential-parts := $(differential-guests:%=differential-%) $(extra-differential)
.PHONY: differential differential-forever departures host-code decode $(differential-parts)
decode: $(differential-guests:%=$(differential)/decode-%) ## compare the decoders with their tables on every 17th word, with ALL=1 on each, and with llvm-mc on a million
	$(Q)for guest in $(differential-guests); do \
	    $(differential)/decode-$$guest --sweep $(if $(ALL),1,17) && \
	    $(PYTHON) tests/differential/$$guest/decode.py $(differential)/decode-$$guest || exit 1; done

differential: $(if $(FOREVER),differential-forever,$(differential-parts) departures host-code) ## run CASES= random programs of each translated guest against qemu-user; FOREVER=1: without end, each round from another seed

# On hosts that code is emitted for.
host-code: $(differential-guests:%=$(differential)/compare-%) ## compare the number of host instructions for typical sequences with what is noted; UPDATE=1 notes it
	$(Q)$(if $(wildcard arch/$(machine)/emit),for guest in $(differential-guests); do \
	    $(PYTHON) tests/differential/host_code.py $(differential)/compare-$$guest $$guest tests/differential/$$guest/host_code.txt $(if $(UPDATE),--update) || \
	    exit 1; done)

# What is spared because of QEMU stands in docs/testing.md.
departures: $(differential)/compare-riscv64
	$(Q)! $< --departures | grep -vxFf docs/testing.md

differential-forever: $(patsubst %,$(differential)/compare-%,$(differential-guests)) $(patsubst %,$(differential)/runner-%,$(differential-guests))
	$(Q)while seed=$$(od -An -N4 -tu4 /dev/urandom | tr -d ' '); do for part in $(differential-parts); do \
	    $(MAKE) -s --no-print-directory $$part FOREVER= CASES=$(or $(CASES),20000) SEED=$$seed || \
	    { echo "again: make $$part CASES=$(or $(CASES),20000) SEED=$$seed"; exit 1; }; done; done

# The translator's speed on small kernels: each natively, as a riscv64 program and for a board without a system.
translator   := build/hosted/translator
kernel-names := alu branch sort chase crc call indirect copy chain matrix nbody
kernel-flags  = -std=gnu17 -O2 -Wall -Wextra -Werror -DKERNEL=$(1) -ffreestanding -fno-tree-vectorize \
    -fno-tree-loop-distribute-patterns -ffp-contract=off -fno-stack-protector -nostdlib -static -Wl,--build-id=none
kernel-riscv := -march=rv64gc -mcmodel=medany -Wl,--no-relax

$(translator)/kernels: tests/bench/translator/kernels.c | $(setup)
	@mkdir -p $(@D)
	$(Q)n=0; for kernel in $(kernel-names); do n=$$((n + 1)); \
	    riscv64-linux-gnu-gcc $(call kernel-flags,$$n) $(kernel-riscv) -Wl,-Ttext-segment=0x80000000 $< -o $(@D)/$$kernel.riscv64 && \
	    riscv64-linux-gnu-gcc $(call kernel-flags,$$n) $(kernel-riscv) -DBARE -Wl,-N,--no-warn-rwx-segments,-Ttext=0x80000000 $< \
	        -o $(@D)/$$kernel.bare && \
	    $(hosted-cc) $(call kernel-flags,$$n) -fno-pie -no-pie $< -o $(@D)/$$kernel.native || exit 1; done; touch $@

translator-run-srcs := tests/bench/translator/run.c $(dbt-core-srcs) $(lift-srcs-riscv64)
$(translator)/run: $(translator-run-srcs:%.c=$(H)/counted/%.o)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(hosted-cc) $^ -o $@

.PHONY: translator-bench
translator-bench: $(translator)/kernels $(translator)/run ## measure emitted code against QEMU's translator
	$(Q)$(PYTHON) tests/bench/translator/bench.py $(translator) $(BENCH)

command-lines = $(foreach s,$(filter %.c,$(2)),$(info $(s) $(1) -c $(s)))
.PHONY: print-commands print-hosted-commands compile-commands lint format
print-commands:
	@:$(call command-lines,$(CC) $(kernel-cppflags) $(kernel-cflags),$(kernel-srcs))
	@:$(call command-lines,$(CC) $(loader-cflags),$(loader-srcs))
print-hosted-commands:
	@:$(call command-lines,$(hosted-cc) $(hosted-cflags),$(hosted-srcs) $(sort $(wildcard tests/unit/*.c tests/fuzz/*.c)))

compile-commands: $(all-arches:%=build/deps/%/complete.$(lib-hash)) $(hosted-deps) build/gen/font.c build/gen/x86_dsdt.c
	+$(Q){ for arch in $(all-arches); do \
	    $(MAKE) -s --no-print-directory print-commands ARCH=$$arch TOOLCHAIN=clang; done; \
	    $(MAKE) -s --no-print-directory print-hosted-commands TOOLCHAIN=clang; } | \
	    $(PYTHON) tools/compile_commands.py build/compile_commands.json

own-c-files = $(shell git ls-files -co --exclude-standard '*.c' '*.h')

# The layout is checked with the release of clang-format that made it: others differ in details.
lint: compile-commands ## check the sources: clang-tidy, clang-format, the scripts
	$(Q)if clang-format --version | grep -q 'version 14\.'; then \
	    clang-format --dry-run -Werror $(own-c-files) 2>&1 | grep 'error:' | cut -d: -f1 | sort | uniq -c | \
	        sed 's/^/clang-format (run make format): /' | { ! grep .; }; fi
	$(Q)$(PYTHON) -m compileall -q tools tests >/dev/null
	$(Q)$(PYTHON) tools/config-reference.py --check
	$(Q)$(PYTHON) tools/monitor-reference.py --check
	$(Q)$(PYTHON) tools/support.py --check
	$(Q)for script in tools/*.sh; do sh -n $$script || exit 1; done
	$(Q)run-clang-tidy -quiet -p build -j $(jobs) '^(?!.*/(build/gen|tests)/)' >build/lint.log 2>&1 || \
	    { grep -E -A6 '(warning|error):' build/lint.log | head -n 200; exit 1; }
	@echo "lint: no complaint"

format: ## lay out all C sources as .clang-format says
	$(Q)clang-format -i $(own-c-files)

# --- everything -----------------------------------------------------------------------------------------

.PHONY: boot-tests test bench bench-dbt both-toolchains reproducible
both-toolchains:
	+$(Q)for arch in $(all-arches); do for toolchain in gcc clang; do \
	    $(MAKE) --no-print-directory kernel ARCH=$$arch TOOLCHAIN=$$toolchain || exit 1; done; done

# Two at a time: an emulated host keeps one CPU busy, rarely two. One that fails is tried again, twice at most, and
# told as such: emulated hosts keep time with the machine, and what waits 5 ms here may wait for long on a loaded one.
boot-tests: $(H)/ennead ## run the boot tests (pytest) on the emulated hosts
	+$(Q)$(MAKE) --no-print-directory image build/gen/font.json micro-guests guest-tools
	+$(Q)for arch in $(all-arches); do $(MAKE) --no-print-directory image ARCHES=$$arch || exit 1; \
	    $(MAKE) --no-print-directory kernel ARCH=$$arch DEBUG=1 || exit 1; done
	$(Q)$(PYTHON) -m pytest -p no:cacheprovider -n 2 --reruns 2 --timeout 1200 --junitxml=build/tests/boot.xml tests/boot $(PYTEST)

# The results of parts go to build/tests, from where tools/support.py takes them.
test: ## everything that CI runs: lint, unit tests, fuzzers, all builds, boot tests
	@rm -rf build/tests && mkdir -p build/tests
	+$(Q)$(MAKE) --no-print-directory lint
	+$(Q)$(MAKE) --no-print-directory unit
	+$(Q)$(MAKE) --no-print-directory fuzz SECONDS=5
	+$(Q)$(MAKE) --no-print-directory decode && echo make decode >build/tests/decode.passed
	+$(Q)$(MAKE) --no-print-directory differential && echo make differential >build/tests/differential.passed
	+$(Q)$(MAKE) --no-print-directory terminal && echo make terminal >build/tests/terminal.passed
	+$(Q)$(MAKE) --no-print-directory both-toolchains
	+$(Q)$(MAKE) --no-print-directory boot-tests

bench: build/hosted/page_alloc_bench build/hosted/trace_bench build/hosted/ennead ## measure on the emulated hosts; ITEM= one benchmark, KERNEL= and INITRD= another guest
	+$(Q)$(if $(filter-out dbt_shadow%,$(filter dbt_%,$(ITEM))),:,$(MAKE) --no-print-directory image micro-guests guest-tools)
	@mkdir -p build/bench
	$(Q)$(if $(filter-out dbt_shadow%,$(filter dbt_%,$(ITEM))),:,$(PYTHON) tests/bench/bench.py $(if $(filter command,$(origin ARCH)),--arch $(ARCH)) --log build/bench \
	    $(if $(ITEM),--item $(ITEM)) $(if $(KERNEL),--kernel $(KERNEL)) $(if $(INITRD),--initrd $(INITRD)) $(BENCH))
	+$(Q)$(if $(filter-out dbt_%,$(ITEM))$(filter dbt_shadow% dbt_helper_calls dbt_host_insns,$(ITEM)),:,$(MAKE) --no-print-directory bench-dbt)
	+$(Q)$(if $(filter-out dbt_host_insns,$(ITEM)),:,$(MAKE) --no-print-directory bench-host-insns)
	+$(Q)$(if $(filter-out dbt_helper_calls,$(ITEM)),:,$(MAKE) --no-print-directory bench-profile)
	$(Q)$(PYTHON) tools/performance.py

.PHONY: bench-host-insns
bench-host-insns: ## count host instructions per guest instruction, on an emulated host; BENCH= options of tests/bench/host_insns.py
	+$(Q)$(MAKE) --no-print-directory kernel ARCH=x86_64
	$(Q)$(PYTHON) tests/bench/host_insns.py $(BENCH)
	$(Q)$(PYTHON) tools/performance.py

# No helper call is among the most executed instructions of the programs.
.PHONY: bench-profile
bench-profile: $(H)/ennead ## print the guest instructions that Debian's programs execute most in translated guests; none may call a C function
	+$(Q)$(MAKE) --no-print-directory guest-programs ARCHES="aarch64 riscv64"
	$(Q)for guest in aarch64 riscv64; do $(PYTHON) tests/bench/programs.py --arch $$guest --profile $(BENCH) || exit 1; done

bench-dbt: $(H)/ennead ## measure the translator against QEMU's; BENCH= options of tests/bench/dbt_bench.py
	$(Q)$(PYTHON) tests/bench/dbt_bench.py $(if $(KERNEL),--kernel $(KERNEL)) $(BENCH)
	$(Q)$(PYTHON) tools/performance.py

.PHONY: bench-programs
bench-programs: $(H)/ennead ## the same of Debian's programs on ARCH, whose output is compared, too; BENCH= options of tests/bench/programs.py
	+$(Q)$(MAKE) --no-print-directory guest-programs ARCHES=$(ARCH)
	$(Q)$(PYTHON) tests/bench/programs.py --arch $(ARCH) $(BENCH)
	$(Q)$(PYTHON) tools/performance.py

.PHONY: userland
userland: $(H)/ennead ## what Debian's programs print on ARCH, translated and by QEMU, compared; its disk checked; USERLAND= options of tests/userland/userland.py
	+$(Q)$(MAKE) --no-print-directory guest-userland ARCHES=$(ARCH)
	$(Q)$(PYTHON) tests/userland/userland.py --arch $(ARCH) $(USERLAND)

# Two builds of the committed tree, in folders of different names, must agree in every byte.
reproducible: | $(setup) ## prove that a build depends on nothing but the commit
	+$(Q)rm -rf build/twin; mkdir -p build/twin; for copy in first second-with-a-longer-name; do \
	    git archive --prefix=$$copy/ HEAD | tar -x -C build/twin; mkdir build/twin/$$copy/build; \
	    cp -R build/deps build/guest build/setup.* build/twin/$$copy/build 2>/dev/null; \
	    ln -s $(CURDIR)/build/apt build/twin/$$copy/build/apt; \
	    $(MAKE) --no-print-directory -C build/twin/$$copy image ARCHES='$(all-arches)' || exit 1; done
	$(Q)cd build/twin && for file in ennead.img $(foreach a,$(all-arches),$(a)/kernel.elf $(a)/$(efi-name-$(a))); do \
	    cmp first/build/$$file second-with-a-longer-name/build/$$file || exit 1; done
	$(Q)rm -rf build/twin; echo "reproducible: both builds are identical"

.PHONY: sign clean distclean help
sign: kernels ## sign the loaders for Secure Boot: KEY=file CERT=file, ARCHES= to choose
	$(if $(and $(KEY),$(CERT)),,$(error say KEY=private-key.pem CERT=certificate.pem))
	$(Q)for name in $(foreach a,$(ARCHES),$(call efi-dir,$(a)):$(efi-name-$(a))); do \
	    dir=$${name%%:*} file=$${name#*:}; mkdir -p $$dir/signed; \
	    sbsign --key $(KEY) --cert $(CERT) --output $$dir/signed/$$file $$dir/$$file || exit 1; done
	+$(Q)$(MAKE) --no-print-directory image SIGNED=1

clean: ## remove what was built; keep libraries, firmware and guests
	rm -rf $(all-arches:%=build/%) build/hosted build/fuzz build/gen build/bench build/twin build/*.img \
	    build/*.ini build/*.log build/compile_commands.json

distclean: ## remove everything under build/
	rm -rf build

help: ## show this
	@echo "make TARGET [ARCH=x86_64|aarch64|riscv64] [TOOLCHAIN=gcc|clang] [DEBUG=1] [V=1]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1@\2/p' $(MAKEFILE_LIST) | sort | \
	    awk -F@ '{ printf "  %-12s %s\n", $$1, $$2 }'

-include $(wildcard $(H)/counted/*/*.d $(H)/counted/*/*/*.d $(H)/counted/*/*/*/*.d) $(hosted-objs:.o=.d) $(fuzz-objs:.o=.d) $(program-objs:.o=.d) $(unit-tests:%=%.d) $(fuzz-tests:%=%.d)
