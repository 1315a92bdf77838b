# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# path.c is shared with the kernel: both must mean the same file by a path.
loader-srcs += $(wildcard boot/*.c)
kernel-srcs += boot/path.c
hosted-srcs += boot/path.c
