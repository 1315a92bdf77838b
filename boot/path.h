/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Paths on the EFI system partition, in the one form that loader and kernel share: UTF-8, relative
 * to the root, '/' between names, no empty, "." or ".." names.
 */
#ifndef BOOT_PATH_H
#define BOOT_PATH_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes the shared form of `path` ('/' or '\' separated, leading separators allowed) into `out`,
 * which has `capacity` bytes. Returns NULL, or in plain words what is wrong with it; `out` is then
 * undefined.
 */
const char *boot_path_normalise(const char *path, char *out, size_t capacity);

/*
 * Converts a path in the shared form to what EFI opens: UTF-16 with '\', NUL-terminated. Returns
 * the number of units written without the NUL, or 0 when it does not fit in `capacity` units or is
 * not UTF-8.
 */
size_t boot_path_to_utf16(const char *path, uint16_t *out, size_t capacity);

#endif
