/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Unpacks gzip members (RFC 1952) and DEFLATE streams (RFC 1951) of any size through a window of 32
 * KiB. The input is hostile.
 */
#ifndef KERNEL_INFLATE_H
#define KERNEL_INFLATE_H

#include "kernel/err.h"
#include "kernel/types.h"

/* Takes the next `size` bytes of the output; false: enough, stop. */
typedef bool (*inflate_sink)(void *arg, const uint8_t *data, size_t size);

/* Does `data` begin like a gzip member? */
bool gzip_check(const void *data, size_t size);
/* Unpacks the member at `data` and checks its length and CRC. ERR_CORRUPT; ERR_NO_MEMORY;
 * ERR_RANGE: the sink had enough. What came before an error was delivered. Thread context. */
enum err gzip_unpack(const void *data, size_t size, inflate_sink sink, void *arg) MUST_CHECK;

#endif
