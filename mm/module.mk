# SPDX-License-Identifier: BSD-2-Clause-Patent
kernel-srcs += $(wildcard mm/*.c)
hosted-srcs += $(wildcard mm/*.c)
