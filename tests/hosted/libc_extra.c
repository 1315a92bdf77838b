/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Bounded string copies: glibc has them from 2.38 on. Weak, so that the library's own win. */
#include "tests/hosted/libc_extra.h"

__attribute__((weak)) size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);

    if (size != 0) {
        size_t kept = length < size ? length : size - 1;

        memcpy(to, from, kept);
        to[kept] = '\0';
    }
    return length;
}

__attribute__((weak)) size_t strlcat(char *to, const char *from, size_t size)
{
    size_t length = strnlen(to, size);

    return length + (length < size ? strlcpy(to + length, from, size - length) : strlen(from));
}
