# SPDX-License-Identifier: BSD-2-Clause-Patent
loader-srcs += $(wildcard boot/*.c)
