/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The text of a screen: characters in cells, a cursor, and the sequences of a VT100 (ECMA-48) that
 * the monitor, shells and full-screen programs of guests use. It draws nothing: a renderer compares
 * terminal_row() with what it has drawn. Input is not trusted.
 */
#ifndef DRIVERS_DISPLAY_TERMINAL_H
#define DRIVERS_DISPLAY_TERMINAL_H

#include "kernel/types.h"

#define TERMINAL_PARAMETERS 8

struct cell {
    uint16_t code;    /* a code point of the first plane */
    uint8_t colours;  /* foreground | background << 4, as SGR numbers them; 8 to 15 are the bright
                         ones */
    uint8_t reserved; /* 0 */
};

struct terminal_pen {
    uint8_t foreground, background;
    bool bold, inverse;
};

struct terminal {
    unsigned columns, rows;
    struct cell *cells;   /* rows * columns */
    uint16_t *order;      /* row of the screen -> row of `cells`: scrolling turns this ring */
    bool *dirty;          /* per row of the screen: changed since the renderer cleared it */
    bool scrolled;        /* rows moved: most of the screen is to be drawn again */
    unsigned row, column; /* the cursor */
    bool
        wrap_pending; /* a character stands in the last column: the next one goes to the next row */
    bool cursor_hidden;
    unsigned top, bottom; /* the scrolling region, both inclusive */
    struct terminal_pen pen, saved_pen;
    unsigned saved_row, saved_column;

    enum { TERMINAL_TEXT, TERMINAL_ESCAPE, TERMINAL_CSI, TERMINAL_STRING, TERMINAL_SKIP } state;
    bool private_mode; /* CSI ? */
    unsigned parameters[TERMINAL_PARAMETERS], parameter_count;
    uint32_t utf8;      /* code point so far */
    unsigned utf8_left; /* bytes that it still needs */
};

/* Takes memory from the heap. */
enum err terminal_init(struct terminal *t, unsigned columns, unsigned rows) MUST_CHECK;
void terminal_destroy(struct terminal *t);
/* UTF-8; LF goes to the start of the next row. */
void terminal_write(struct terminal *t, const char *text, size_t length);

static inline const struct cell *terminal_row(const struct terminal *t, unsigned row)
{
    return t->cells + (size_t)t->order[row] * t->columns;
}

#endif
