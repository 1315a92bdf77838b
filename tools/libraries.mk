# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Build the libraries of one target from Debian's sources, into $(PREFIX)/{include,lib}. Called by
# the Makefile, once per target: x86_64, aarch64, riscv64 (freestanding, the kernel's flags) and
# hosted (the build machine's, for unit tests).
#
#   make -f tools/libraries.mk TARGET=x86_64 SRC=build/deps/src PREFIX=build/deps/x86_64

MAKEFLAGS += --no-builtin-rules
ifeq ($(TARGET),hosted)
CC        := cc
AR        := ar
CFLAGS    := -O2 -g -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=.
else
ARCH      := $(TARGET)
TOOLCHAIN := gcc
include tools/toolchain.mk
CFLAGS    := $(freestanding-flags)
endif

OBJ      := $(PREFIX)/obj
LIB      := $(PREFIX)/lib
INC      := $(PREFIX)/include

# picolibc: the parts that a kernel wants. No files, no locale, no floating point, no TLS.
picolibc := $(SRC)/picolibc/newlib/libc
string   := memccpy memchr memcmp memcpy memmem memmove mempcpy memrchr memset rawmemchr stpcpy stpncpy \
            strcasecmp strcasestr strcat strchr strchrnul strcmp strcpy strcspn strlcat strlcpy strlen strncasecmp \
            strncat strncmp strncpy strnlen strnstr strpbrk strrchr strsep strspn strstr strtok_r bcmp ffsl ffsll \
            flsl flsll
ctype    := ctype_ isalnum isalpha isascii isblank iscntrl isdigit isgraph islower isprint ispunct isspace \
            isupper isxdigit tolower toupper
stdio    := snprintf vsnprintf vfprintf filestrput strtol strtoll strtoul strtoull strtoimax strtoumax
stdlib   := abs labs llabs
search   := qsort bsearch
libc-c   := $(string:%=string/%.c) $(ctype:%=ctype/%.c) $(stdio:%=tinystdio/%.c) $(stdlib:%=stdlib/%.c) \
            $(search:%=search/%.c) errno/errno.c
libc-cpu := $(or $(patsubst x86_64,x86,$(filter x86_64 aarch64,$(TARGET))),riscv)
libc-flags := -std=gnu18 -D_LIBC -fno-builtin -fno-tree-loop-distribute-patterns -w -I$(picolibc)/tinystdio \
            -I$(picolibc)/string -I$(picolibc)/ctype -I$(picolibc)/stdlib -I$(picolibc)/locale -I$(SRC)/picolibc/newlib/libm/common
libc-objs := $(libc-c:%.c=$(OBJ)/libc/%.o)

libfdt-srcs := $(notdir $(sort $(wildcard $(SRC)/dtc/libfdt/fdt*.c)))
libfdt-objs := $(libfdt-srcs:%.c=$(OBJ)/libfdt/%.o)
# Device trees come from firmware and guests are handed ours: keep libfdt's checks of its input.
libfdt-flags := -w

# Zydis: the decoder alone, without a C library.
zydis-src   := Zydis.c Decoder.c DecoderData.c MetaInfo.c Mnemonic.c Register.c Segment.c SharedData.c String.c Utils.c
zydis-objs  := $(zydis-src:%.c=$(OBJ)/zydis/%.o) $(OBJ)/zycore/Zycore.o
zydis-flags := -std=gnu11 -w -I$(INC) -I$(SRC)/zydis/src

ini-flags := -std=gnu11 -w -include $(INC)/ini.h

libraries := $(LIB)/libfdt.a $(LIB)/libZydis.a $(LIB)/libini.a
ifneq ($(TARGET),hosted)
libraries += $(LIB)/libc.a $(LIB)/libgnuefi.a
endif

.PHONY: all
all: $(libraries)

# Headers first: libfdt and inih include the C library's. picolibc.h holds the choices that meson
# would otherwise make; ini.h carries its options, so that both sides of the interface agree.
define picolibc_h
#pragma once
#define __PICOLIBC__ 1
#define __TINY_STDIO 1
#define __SINGLE_THREAD 1
#define __GLOBAL_ERRNO 1
#define __IO_DEFAULT 'i'
#define __IO_LONG_LONG 1
#define __IO_C99_FORMATS 1
#define __HAVE_CC_INHIBIT_LOOP_TO_LIBCALL 1
#define __OBSOLETE_MATH 0
#define __OBSOLETE_MATH_FLOAT 0
#define __OBSOLETE_MATH_DOUBLE 0
endef
define ini_options
/* Options of this build: line numbers for the handler, long lines, no inline comments (kernel
   command lines hold semicolons), new sections announced. */
#define INI_HANDLER_LINENO 1
#define INI_MAX_LINE 4096
#define INI_USE_STACK 1
#define INI_ALLOW_BOM 1
#define INI_ALLOW_MULTILINE 0
#define INI_ALLOW_INLINE_COMMENTS 0
#define INI_STOP_ON_FIRST_ERROR 0
#define INI_CALL_HANDLER_ON_NEW_SECTION 1
endef
# Every header of Zydis includes this one.
define zydis_options
#define ZYAN_NO_LIBC
#define ZYCORE_STATIC_BUILD
#define ZYDIS_STATIC_BUILD
#define ZYDIS_DISABLE_ENCODER
#define ZYDIS_DISABLE_FORMATTER
endef
export picolibc_h ini_options zydis_options

headers := $(INC)/.complete
$(headers): $(MAKEFILE_LIST)
	mkdir -p $(INC) $(LIB)
ifneq ($(TARGET),hosted)
	cp -R $(picolibc)/include/. $(picolibc)/machine/$(libc-cpu)/. $(INC)
	find $(INC) -type f ! -name '*.h' -delete
	cp $(picolibc)/tinystdio/stdio.h $(INC)
	echo "$$picolibc_h" >$(INC)/picolibc.h
endif
	cp $(SRC)/dtc/libfdt/*.h $(INC)
	cp -R $(SRC)/zydis/include/Zydis $(SRC)/zycore/include/Zycore $(INC)
	{ echo "$$zydis_options"; cat $(SRC)/zycore/include/Zycore/Defines.h; } >$(INC)/Zycore/Defines.h
	{ echo "$$ini_options"; cat $(SRC)/inih/ini.h; } >$(INC)/ini.h
	touch $@

# Without SSE or FP registers a double cannot even be skipped in an argument list: %f is not served.
$(OBJ)/libc/tinystdio/vfprintf.c: $(picolibc)/tinystdio/vfprintf.c
	mkdir -p $(@D)
	sed -e 's/(void) va_arg(ap, double)/(void) (ap)/' \
	    -e 's,"../../libm/common/math_config.h","math_config.h",' \
	    -e 's,"../stdlib/local.h","local.h",' $< >$@

$(OBJ)/libc/tinystdio/vfprintf.o: $(OBJ)/libc/tinystdio/vfprintf.c $(headers)
	$(CC) $(CFLAGS) $(libc-flags) -DPRINTF_NAME=__i_vfprintf -DPRINTF_VARIANT=__IO_VARIANT_INTEGER -I$(INC) -c $< -o $@

$(OBJ)/libc/%.o: $(picolibc)/%.c $(headers)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(libc-flags) -I$(INC) -c $< -o $@

$(OBJ)/libfdt/%.o: $(SRC)/dtc/libfdt/%.c $(headers)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -isystem $(INC) $(libfdt-flags) -c $< -o $@

$(OBJ)/zydis/%.o: $(SRC)/zydis/src/%.c $(headers)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(zydis-flags) -c $< -o $@

$(OBJ)/zycore/%.o: $(SRC)/zycore/src/%.c $(headers)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(zydis-flags) -c $< -o $@

$(OBJ)/inih/ini.o: $(SRC)/inih/ini.c $(headers)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -isystem $(INC) $(ini-flags) -c $< -o $@

# GNU-EFI comes compiled: its start code, linker script, libraries and headers.
$(LIB)/libgnuefi.a: $(headers)
	cp -R $(SRC)/gnu-efi-$(TARGET)/usr/include/efi $(INC)
	cp $(SRC)/gnu-efi-$(TARGET)/usr/lib/crt0-efi-$(TARGET).o $(SRC)/gnu-efi-$(TARGET)/usr/lib/elf_$(TARGET)_efi.lds \
	   $(SRC)/gnu-efi-$(TARGET)/usr/lib/libefi.a $(SRC)/gnu-efi-$(TARGET)/usr/lib/libgnuefi.a $(LIB)

archive = rm -f $@ && $(AR) rcsD $@ $^
$(LIB)/libc.a: $(libc-objs)
	$(archive)
$(LIB)/libfdt.a: $(libfdt-objs)
	$(archive)
$(LIB)/libZydis.a: $(zydis-objs)
	$(archive)
$(LIB)/libini.a: $(OBJ)/inih/ini.o
	$(archive)
