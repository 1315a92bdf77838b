# SPDX-License-Identifier: BSD-2-Clause-Patent
kernel-srcs += $(wildcard drivers/*.c drivers/*/*.c)
