# SPDX-License-Identifier: BSD-2-Clause-Patent
kernel-srcs += $(wildcard drivers/*.c drivers/*/*.c)
# The screen console's glyphs are made, not written.
kernel-srcs += build/gen/font.c
