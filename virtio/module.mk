# SPDX-License-Identifier: BSD-2-Clause-Patent
kernel-srcs += $(wildcard virtio/*.c)
hosted-srcs += $(wildcard virtio/*.c)
