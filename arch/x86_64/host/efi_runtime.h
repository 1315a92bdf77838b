/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The firmware's runtime services, called one CPU at a time with page tables of their own. */
#ifndef X86_HOST_EFI_RUNTIME_H
#define X86_HOST_EFI_RUNTIME_H

#include "kernel/log.h"

struct boot_info;

enum efi_reset {
    EFI_RESET_COLD = 0,
    EFI_RESET_WARM = 1,
    EFI_RESET_SHUTDOWN = 2
}; /* UEFI 2.10, 8.5.1 */

/* Builds the page tables. */
void efi_runtime_init(const struct boot_info *info);
/* Returns only when the firmware cannot or may not be called. */
void efi_runtime_reset(enum efi_reset type);
/* Available, or why not. */
const char *efi_runtime_state(void);

#endif
