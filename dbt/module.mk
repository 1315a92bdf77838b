# SPDX-License-Identifier: BSD-2-Clause-Patent
kernel-srcs += $(wildcard dbt/*.c)
hosted-srcs += $(wildcard dbt/*.c)
