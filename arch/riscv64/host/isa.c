/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Parses ISA strings: unprivileged specification, chapter "ISA extension naming conventions". */
#include "isa.h"

#include <string.h>

static const char *const names[] = {
#define ISA_TEXT(name, text) [ISA_##name] = (text),
    ISA_LIST(ISA_TEXT)
#undef ISA_TEXT
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool same(const char *name, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (lower(text[i]) != name[i])
            return false;
    return name[length] == '\0';
}

uint64_t isa_extension(const char *text, size_t length)
{
    if (length == 1 && lower(text[0]) == 'g')
        return BIT(ISA_F) | BIT(ISA_D);
    for (unsigned i = 0; i < ISA_COUNT; i++)
        if (strlen(names[i]) == length && same(names[i], text, length))
            return BIT(i);
    return 0;
}

/* Length of the extension name at `s`: one letter, or up to '_' for those that begin with s, x or
 * z. */
static size_t name_length(const char *s)
{
    char first = lower(*s);

    if (first != 's' && first != 'x' && first != 'z')
        return 1;
    return strcspn(s, "_");
}

uint64_t isa_parse(const char *s)
{
    uint64_t features = 0;

    if (lower(s[0]) != 'r' || lower(s[1]) != 'v' || s[2] != '6' || s[3] != '4')
        return 0;
    for (s += 4; *s;) {
        size_t length = name_length(s);

        if (*s != '_')
            features |= isa_extension(s, length);
        s += length;
    }
    return features;
}

const char *isa_name(enum isa_feature feature)
{
    return names[feature];
}
