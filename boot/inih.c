/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * inih, compiled for the loader: with its flags, and with the three functions of a C library that
 * it uses. The options come from ini.h, which loader and kernel share. Functions that read from a
 * FILE are left out by the linker.
 */
#define INI_API
#include <ini.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>

static size_t loader_strlen(const char *text)
{
    size_t length = 0;

    while (text[length])
        length++;
    return length;
}

static char *loader_strchr(const char *text, int c)
{
    for (;; text++) {
        if (*text == (char)c)
            return (char *)(uintptr_t)text;
        if (!*text)
            return NULL;
    }
}

static int loader_isspace(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

#undef strlen
#undef strchr
#undef isspace
#define strlen  loader_strlen
#define strchr  loader_strchr
#define isspace loader_isspace
#include <inih/ini.c>
