/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Paths on the EFI system partition. Pure: no EFI calls, also compiled into the unit tests. */
#include "boot/path.h"

#include <stdbool.h>

static bool is_separator(char c)
{
    return c == '/' || c == '\\';
}

/* Characters that FAT does not allow in a name (UEFI 2.10, 13.3: long file names), apart from the
 * separators. */
static bool is_forbidden(unsigned char c)
{
    return c < 0x20 || c == 0x7f || c == '"' || c == '*' || c == ':' || c == '<' || c == '>' ||
           c == '?' || c == '|';
}

static const char *check_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (is_forbidden((unsigned char)name[i]))
            return "a name has a character that FAT does not allow";
    }
    if (length == 2 && name[0] == '.' && name[1] == '.')
        return "'..' is not allowed";
    return NULL;
}

/* Reads one code point at *at and moves on. Returns -1 for anything but shortest-form UTF-8 (RFC
 * 3629). */
static int32_t utf8_next(const char **at)
{
    static const uint8_t lead_mask[] = {0x7f, 0x1f, 0x0f, 0x07};
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *byte = (const unsigned char *)*at;
    unsigned more = byte[0] < 0x80             ? 0
                    : (byte[0] & 0xe0) == 0xc0 ? 1
                    : (byte[0] & 0xf0) == 0xe0 ? 2
                    : (byte[0] & 0xf8) == 0xf0 ? 3
                                               : 4;
    if (more == 4)
        return -1;
    int32_t point = byte[0] & lead_mask[more];
    for (unsigned i = 1; i <= more; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return -1;
        point = (point << 6) | (byte[i] & 0x3f);
    }
    if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return -1;
    *at += more + 1;
    return point;
}

const char *boot_path_normalise(const char *path, char *out, size_t capacity)
{
    size_t used = 0;

    while (*path) {
        while (is_separator(*path))
            path++;
        size_t length = 0;
        while (path[length] && !is_separator(path[length]))
            length++;
        const char *wrong = check_name(path, length);
        if (wrong)
            return wrong;
        if (length && !(length == 1 && path[0] == '.')) {
            if (length + 2 > capacity - used) /* separator and NUL */
                return "it is too long";
            if (used)
                out[used++] = '/';
            for (size_t i = 0; i < length; i++)
                out[used++] = path[i];
        }
        path += length;
    }
    if (!used)
        return "it is empty";
    out[used] = '\0';
    for (const char *at = out; *at;) {
        if (utf8_next(&at) < 0)
            return "it is not valid UTF-8";
    }
    return NULL;
}

size_t boot_path_to_utf16(const char *path, uint16_t *out, size_t capacity)
{
    size_t used = 0;

    while (*path) {
        int32_t point = utf8_next(&path);
        if (point < 0 || used + 3 > capacity)
            return 0;
        if (point >= 0x10000) {
            out[used++] = (uint16_t)(0xd800 + ((point - 0x10000) >> 10));
            out[used++] = (uint16_t)(0xdc00 + ((point - 0x10000) & 0x3ff));
        } else {
            out[used++] = (uint16_t)(point == '/' ? '\\' : point);
        }
    }
    out[used] = 0;
    return used;
}
