/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Finds the files that ennead.ini names. Pure: no EFI calls. */
#ifndef BOOT_CONFIG_H
#define BOOT_CONFIG_H

#include "boot/bytes.h"

typedef void config_found_fn(const char *section, const char *key, const char *value);

/*
 * Calls `found` for each value of a key that names a file (kernel/config_keys.def), in order; but
 * not for guests of another architecture than `host`, nor for disks that only such guests name.
 * `text` is hostile and not NUL-terminated; the strings live during the call only.
 */
void config_find_files(const char *text, size_t size, const char *host, config_found_fn *found);

#endif
