/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What the kernel's C library has in <string.h> and the build machine's may lack. */
#ifndef TESTS_HOSTED_STRING_H
#define TESTS_HOSTED_STRING_H

#include_next <string.h>

static inline size_t hosted_strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);

    if (size) {
        size_t copied = length < size ? length : size - 1;
        memcpy(to, from, copied);
        to[copied] = 0;
    }
    return length;
}
#define strlcpy hosted_strlcpy

#endif
