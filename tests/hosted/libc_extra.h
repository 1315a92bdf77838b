/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What picolibc has and the build machine's C library may lack; included before every hosted
 * source. */
#ifndef HOSTED_LIBC_EXTRA_H
#define HOSTED_LIBC_EXTRA_H

#include <string.h>

size_t strlcpy(char *to, const char *from, size_t size);
size_t strlcat(char *to, const char *from, size_t size);

#endif
