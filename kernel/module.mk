# SPDX-License-Identifier: BSD-2-Clause-Patent
kernel-srcs += $(wildcard kernel/*.c kernel/devices/*.c)
hosted-srcs += $(filter-out kernel/builtins.c,$(wildcard kernel/*.c kernel/devices/*.c))
