/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The screen: the firmware's frame buffer, and what is drawn on it: the monitor, which is a console
 * like the serial ports (screen.c), or the console of one guest (views.c).
 *
 * The monitor's terminal and the pixels while it is shown belong to the consoles' lock; guests'
 * terminals, and the pixels while one of those is shown, to the mutex of views.c. `guest_shown`
 * changes under both.
 */
#ifndef DRIVERS_DISPLAY_SCREEN_H
#define DRIVERS_DISPLAY_SCREEN_H

#include "drivers/display/font.h"
#include "drivers/display/terminal.h"
#include "kernel/console.h"

#define SCREEN_PIXEL_SIZE    4u
#define SCREEN_BLANK_COLOURS 7

/* Where a terminal is drawn, and what of it is. */
struct screen_plane {
    uint8_t *pixels; /* of its first cell */
    unsigned scale;  /* 1 or 2 */
    struct cell *shown;
};

struct screen {
    struct console console;
    char name[32];
    struct terminal terminal; /* the monitor's */
    struct screen_plane plane;
    bool guest_shown;
    uint32_t width, height;
    size_t pitch;       /* bytes a line */
    bool pairs_aligned; /* two pixels may be written at once */
    uint32_t palette[16];
    uint8_t pen;       /* colours that `pairs` is made for */
    uint64_t pairs[4]; /* two neighbouring pixels, by two bits of a glyph */
    uint64_t drawn_ns;
};

/* Clears the screen: the terminal will be drawn whole. */
void screen_begin(struct screen *s, struct screen_plane *p, struct terminal *t);
/* Draws what changed; false: nothing did. */
bool screen_draw(struct screen *s, struct screen_plane *p, struct terminal *t);
void screen_draw_cell(struct screen *s, const struct screen_plane *p, unsigned row, unsigned column,
                      struct cell cell);

/* views.c: the screen can show guests' consoles from now on. */
void screen_views_init(struct screen *s);

#endif
