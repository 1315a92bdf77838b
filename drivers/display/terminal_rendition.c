/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Colours and attributes of a terminal's characters (ECMA-48, 8.3.117, SGR). */
#include "drivers/display/terminal_internal.h"

unsigned terminal_parameter(const struct terminal *t, unsigned index, unsigned fallback)
{
    unsigned p = index < t->parameter_count ? t->parameters[index] : 0;
    return p ? p : fallback;
}

/* The colour of an extended SGR (38 or 48) at parameter `*i`, brought to one of 16; moves *i to its
 * last parameter. */
static uint8_t extended_colour(const struct terminal *t, unsigned *i, uint8_t now)
{
    unsigned kind = terminal_parameter(t, *i + 1, 0);
    if (kind == 5) {
        unsigned n = terminal_parameter(t, *i + 2, 0);
        *i += 2;
        if (n < 16)
            return (uint8_t)n;
        if (n >= 232)
            return n < 244 ? 8 : 7;
        if (n > 255)
            return now;
        unsigned red = (n - 16) / 36, green = (n - 16) / 6 % 6, blue = (n - 16) % 6;
        unsigned bright = red > 3 || green > 3 || blue > 3 ? 8 : 0;
        return (uint8_t)(bright | (red > 2) | (green > 2) << 1 | (blue > 2) << 2);
    }
    if (kind == 2) {
        unsigned red = terminal_parameter(t, *i + 2, 0), green = terminal_parameter(t, *i + 3, 0),
                 blue = terminal_parameter(t, *i + 4, 0);
        *i += 4;
        unsigned bright = red > 191 || green > 191 || blue > 191 ? 8 : 0;
        return (uint8_t)(bright | (red > 127) | (green > 127) << 1 | (blue > 127) << 2);
    }
    *i += 1;
    return now;
}

void terminal_select_rendition(struct terminal *t)
{
    struct terminal_pen *pen = &t->pen;
    for (unsigned i = 0; i == 0 || i < t->parameter_count; i++) {
        unsigned p = terminal_parameter(t, i, 0);
        if (p == 0)
            *pen = TERMINAL_DEFAULT_PEN;
        else if (p == 1)
            pen->bold = true;
        else if (p == 22)
            pen->bold = false;
        else if (p == 4 || p == 24)
            pen->underline = p == 4;
        else if (p == 7 || p == 27)
            pen->inverse = p == 7;
        else if (p >= 30 && p <= 37)
            pen->foreground = (uint8_t)(p - 30);
        else if (p >= 90 && p <= 97)
            pen->foreground = (uint8_t)(p - 90 + 8);
        else if (p == 39)
            pen->foreground = 7;
        else if (p >= 40 && p <= 47)
            pen->background = (uint8_t)(p - 40);
        else if (p >= 100 && p <= 107)
            pen->background = (uint8_t)(p - 100 + 8);
        else if (p == 49)
            pen->background = 0;
        else if (p == 38)
            pen->foreground = extended_colour(t, &i, pen->foreground);
        else if (p == 48)
            pen->background = extended_colour(t, &i, pen->background);
    }
}
