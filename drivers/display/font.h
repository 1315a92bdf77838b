/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The bitmap font of the screen console. tools/font.py makes its data from Debian's console fonts
 * (Terminus) when the kernel is built.
 */
#ifndef DRIVERS_DISPLAY_FONT_H
#define DRIVERS_DISPLAY_FONT_H

#include <stdint.h>

struct font {
    uint32_t width;       /* of every glyph, in pixels */
    uint32_t height;      /* in pixels, and in rows of glyph data */
    uint32_t count;       /* of glyphs */
    uint32_t replacement; /* the glyph to show for a code point that the font lacks */
    const uint16_t
        *unicode; /* the code point of each glyph, ascending; the first 95 are U+0020 to U+007E */
    const uint8_t
        *glyphs; /* (width + 7) / 8 bytes a row, height rows a glyph; the leftmost pixel is bit 7 */
};

extern const struct font console_font;

#endif
