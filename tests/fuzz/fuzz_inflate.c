/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes the unpacking of gzip members; a bare DEFLATE stream gets a header. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hosted.h"
#include "kernel/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool swallow(void *arg, const uint8_t *data, size_t size)
{
    size_t *left = arg;

    for (size_t i = 0; i < size; i++)
        *(volatile uint8_t *)left ^= data[i] & 0; /* every byte is read */
    *left -= size < *left ? size : *left;
    return *left;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t header[10] = {0x1f, 0x8b, 8};
    static bool started;
    size_t left = 1 << 20;
    uint8_t *copy = malloc(size + sizeof(header));

    if (!started)
        hosted_start_size(MIB(32));
    started = true;
    memcpy(copy, header, sizeof(header));
    memcpy(copy + sizeof(header), data, size);
    (void)!gzip_unpack(copy, size + sizeof(header), swallow, &left);
    left = 1 << 20;
    (void)!gzip_unpack(data, size, swallow, &left);
    free(copy);
    return 0;
}
