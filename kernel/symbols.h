/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Names of the kernel's functions, from the table that tools/symbols.py puts into the image. */
#ifndef KERNEL_SYMBOLS_H
#define KERNEL_SYMBOLS_H

#include "kernel/types.h"

/* The function that holds address `pc` and how far into it; NULL when `pc` is not in the kernel's
 * code. */
const char *symbol_find(uint64_t pc, uint64_t *offset);

#endif
