/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The text of a screen: characters in cells, a cursor, and the sequences of a VT100 (ECMA-48) that
 * the monitor, shells and full-screen programs of guests use. It draws nothing: a renderer compares
 * terminal_row() with what it has drawn. Input is not trusted.
 */
#ifndef DRIVERS_DISPLAY_TERMINAL_H
#define DRIVERS_DISPLAY_TERMINAL_H

#include "kernel/types.h"

#define TERMINAL_PARAMETERS 16
#define TERMINAL_REPLY_MAX  32

/* Attributes of a cell. */
#define CELL_UNDERLINE 1u

struct cell {
    uint16_t code;      /* a code point of the first plane */
    uint8_t colours;    /* foreground | background << 4, as SGR numbers them; 8 to 15 are the bright
                           ones */
    uint8_t attributes; /* CELL_ */
};

struct terminal_pen {
    uint8_t foreground, background;
    bool bold, inverse, underline;
};

/* Of the two character sets that SO and SI choose between: DEC's line drawing, or text. */
struct terminal_charsets {
    bool drawing[2];
    uint8_t chosen;
};

struct terminal_cursor {
    unsigned row, column;
    struct terminal_pen pen;
    struct terminal_charsets charsets;
    bool origin, wrap_pending;
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
    bool application_keys; /* DECCKM: for the keyboard */
    bool new_line;         /* LNM: LF also returns to the first column */
    bool no_wrap;          /* DECAWM off */
    bool origin;           /* DECOM: rows count from the top of the region, and stay in it */
    bool insert;           /* IRM */
    bool alternate; /* the second screen is shown, which programs use that restore the first */
    unsigned top, bottom; /* the scrolling region, both inclusive */
    struct terminal_pen pen;
    struct terminal_charsets charsets;
    struct terminal_cursor saved, saved_main; /* by DECSC; of the first screen by mode 1049 */
    struct cell *other; /* cells of the screen that is not shown; NULL: none yet */
    uint16_t *other_order;
    uint8_t *tabs; /* per column: a tab stop */
    uint32_t last; /* the character that REP repeats */

    enum { TERMINAL_TEXT, TERMINAL_ESCAPE, TERMINAL_CSI, TERMINAL_STRING, TERMINAL_CHARSET } state;
    uint8_t introducer; /* of a CSI: '?', '>' or another private one, 0: none */
    uint8_t intermediate;
    uint8_t designated; /* ESC ( and the like: which byte it was */
    unsigned parameters[TERMINAL_PARAMETERS], parameter_count;
    uint32_t utf8, utf8_least; /* code point so far; the least that its length may carry */
    unsigned utf8_left;        /* bytes that it still needs */
    /* What the terminal answers to the program, or NULL: nothing. */
    void (*reply)(struct terminal *t, const char *text, size_t length);
};

/* Takes memory from the heap. */
enum err terminal_init(struct terminal *t, unsigned columns, unsigned rows) MUST_CHECK;
void terminal_destroy(struct terminal *t);
/* UTF-8. A new terminal is in mode LNM, as the monitor wants it: LF goes to the start of the next
 * row. */
void terminal_write(struct terminal *t, const char *text, size_t length);

static inline const struct cell *terminal_row(const struct terminal *t, unsigned row)
{
    return t->cells + (size_t)t->order[row] * t->columns;
}

#endif
