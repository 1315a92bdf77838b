/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* dsdt.asl as iasl translates it. */
#ifndef ARCH_X86_64_GUEST_DSDT_H
#define ARCH_X86_64_GUEST_DSDT_H

#include "kernel/types.h"

extern const uint8_t x86_dsdt[]; /* the table, with its header */
extern const size_t x86_dsdt_size;

#endif
