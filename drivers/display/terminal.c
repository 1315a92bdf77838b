/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The text model of a screen: see drivers/display/terminal.h. Sequences by ECMA-48, 8.3; DECSTBM,
 * DECSC and modes by the VT100 manual. */
#include "drivers/display/terminal.h"

#include <string.h>

#include "mm/heap.h"

#define TAB_WIDTH      8
#define PARAMETER_MAX  9999
#define REPLACEMENT    0xfffd
#define ESC            0x1b
#define BELL           0x07
#define DEFAULT_PEN    ((struct terminal_pen){.foreground = 7})
#define MODE_CURSOR    25   /* DECTCEM */
#define MODE_ALTERNATE 1049 /* xterm's second screen: here the same one, cleared */

static struct cell *row_cells(struct terminal *t, unsigned row)
{
    t->dirty[row] = true;
    return t->cells + (size_t)t->order[row] * t->columns;
}

static uint8_t colours(const struct terminal *t)
{
    uint8_t fg = t->pen.foreground, bg = t->pen.background;
    if (t->pen.bold && fg < 8)
        fg += 8;
    return t->pen.inverse ? (uint8_t)(bg | fg << 4) : (uint8_t)(fg | bg << 4);
}

/* Blanks columns [from, to) of a row, in the pen's background. */
static void blank(struct terminal *t, unsigned row, unsigned from, unsigned to)
{
    struct cell *cells = row_cells(t, row);
    const struct cell empty = {.code = ' ', .colours = (uint8_t)(7 | t->pen.background << 4)};
    for (unsigned i = from; i < to; i++)
        cells[i] = empty;
}

static void blank_rows(struct terminal *t, unsigned from, unsigned to)
{
    for (unsigned row = from; row < to; row++)
        blank(t, row, 0, t->columns);
}

/* ---- Scrolling ---- */

/* Moves the rows of [top, bottom] up (by > 0) or down and blanks those that come in. */
static void scroll(struct terminal *t, unsigned top, unsigned bottom, int by)
{
    unsigned height = bottom - top + 1;
    unsigned n = MIN((unsigned)(by < 0 ? -by : by), height);
    for (unsigned i = 0; i < n; i++) {
        uint16_t *first = t->order + top, *last = t->order + bottom;
        uint16_t moved = by > 0 ? *first : *last;
        if (by > 0)
            memmove(first, first + 1, (height - 1) * sizeof(*first));
        else
            memmove(first + 1, first, (height - 1) * sizeof(*first));
        *(by > 0 ? last : first) = moved;
    }
    for (unsigned row = top; row <= bottom; row++)
        t->dirty[row] = true;
    t->scrolled = true;
    if (by > 0)
        blank_rows(t, bottom + 1 - n, bottom + 1);
    else
        blank_rows(t, top, top + n);
}

static void line_feed(struct terminal *t)
{
    t->wrap_pending = false;
    if (t->row == t->bottom)
        scroll(t, t->top, t->bottom, 1);
    else if (t->row + 1 < t->rows)
        t->row++;
}

static void reverse_line_feed(struct terminal *t)
{
    t->wrap_pending = false;
    if (t->row == t->top)
        scroll(t, t->top, t->bottom, -1);
    else if (t->row)
        t->row--;
}

/* ---- Characters ---- */

static void put(struct terminal *t, uint32_t code)
{
    if (t->wrap_pending) {
        t->column = 0;
        line_feed(t);
    }
    struct cell *c = row_cells(t, t->row) + t->column;
    *c = (struct cell){.code = (uint16_t)(code > 0xffff ? REPLACEMENT : code),
                       .colours = colours(t)};
    if (t->column + 1 < t->columns)
        t->column++;
    else
        t->wrap_pending = true;
}

static void move(struct terminal *t, unsigned row, unsigned column)
{
    t->row = MIN(row, t->rows - 1);
    t->column = MIN(column, t->columns - 1);
    t->wrap_pending = false;
}

static void control(struct terminal *t, uint8_t c)
{
    switch (c) {
    case '\n':
    case 0x0b:
    case 0x0c:
        line_feed(t);
        t->column = 0;
        break;
    case '\r':
        move(t, t->row, 0);
        break;
    case '\b':
        move(t, t->row, t->column ? t->column - 1 : 0);
        break;
    case '\t':
        move(t, t->row, ALIGN_DOWN(t->column, (unsigned)TAB_WIDTH) + TAB_WIDTH);
        break;
    case ESC:
        t->state = TERMINAL_ESCAPE;
        break;
    default:
        break; /* no effect on a screen */
    }
}

/* One byte of text. Malformed UTF-8 shows a replacement character and what follows is taken afresh.
 */
static void text_byte(struct terminal *t, uint8_t c)
{
    if (t->utf8_left && (c & 0xc0) == 0x80) {
        t->utf8 = t->utf8 << 6 | (c & 0x3f);
        if (--t->utf8_left == 0)
            put(t, t->utf8);
        return;
    }
    if (t->utf8_left) {
        t->utf8_left = 0;
        put(t, REPLACEMENT);
    }
    if (c < ' ')
        control(t, c);
    else if (c < 0x7f)
        put(t, c);
    else if (c >= 0xc2 && c < 0xf5) {
        t->utf8_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        t->utf8 = c & (0x3fu >> t->utf8_left);
    } else if (c != 0x7f) {
        put(t, REPLACEMENT);
    }
}

/* ---- Sequences ---- */

static void save_cursor(struct terminal *t)
{
    t->saved_row = t->row;
    t->saved_column = t->column;
    t->saved_pen = t->pen;
}

static void restore_cursor(struct terminal *t)
{
    move(t, t->saved_row, t->saved_column);
    t->pen = t->saved_pen;
}

static void reset(struct terminal *t)
{
    t->pen = t->saved_pen = DEFAULT_PEN;
    t->top = 0;
    t->bottom = t->rows - 1;
    t->saved_row = t->saved_column = 0;
    t->cursor_hidden = false;
    t->utf8_left = 0;
    t->state = TERMINAL_TEXT;
    move(t, 0, 0);
    blank_rows(t, 0, t->rows);
}

static void escape(struct terminal *t, uint8_t c)
{
    t->state = TERMINAL_TEXT;
    switch (c) {
    case '[':
        t->state = TERMINAL_CSI;
        t->private_mode = false;
        t->parameter_count = 0;
        memset(t->parameters, 0, sizeof(t->parameters));
        break;
    case ']':
    case 'P':
    case '_':
    case '^':
        t->state = TERMINAL_STRING;
        break;
    case '(':
    case ')':
    case '#':
        t->state = TERMINAL_SKIP;
        break;
    case '7':
        save_cursor(t);
        break;
    case '8':
        restore_cursor(t);
        break;
    case 'D':
        line_feed(t);
        break;
    case 'E':
        control(t, '\n');
        break;
    case 'M':
        reverse_line_feed(t);
        break;
    case 'c':
        reset(t);
        break;
    default:
        break;
    }
}

/* Parameter `index`, or `fallback` when it is missing or 0. */
static unsigned parameter(const struct terminal *t, unsigned index, unsigned fallback)
{
    unsigned p = index < t->parameter_count ? t->parameters[index] : 0;
    return p ? p : fallback;
}

/* The colour of an extended SGR (38 or 48) at parameter `*i`, brought to one of 16; moves *i to its
 * last parameter. */
static uint8_t extended_colour(const struct terminal *t, unsigned *i, uint8_t now)
{
    unsigned kind = parameter(t, *i + 1, 0);
    if (kind == 5) {
        unsigned n = parameter(t, *i + 2, 0);
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
        unsigned red = parameter(t, *i + 2, 0), green = parameter(t, *i + 3, 0),
                 blue = parameter(t, *i + 4, 0);
        *i += 4;
        unsigned bright = red > 191 || green > 191 || blue > 191 ? 8 : 0;
        return (uint8_t)(bright | (red > 127) | (green > 127) << 1 | (blue > 127) << 2);
    }
    *i += 1;
    return now;
}

static void select_rendition(struct terminal *t)
{
    struct terminal_pen *pen = &t->pen;
    for (unsigned i = 0; i == 0 || i < t->parameter_count; i++) {
        unsigned p = parameter(t, i, 0);
        if (p == 0)
            *pen = DEFAULT_PEN;
        else if (p == 1)
            pen->bold = true;
        else if (p == 22)
            pen->bold = false;
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

static void erase_in_display(struct terminal *t)
{
    switch (parameter(t, 0, 0)) {
    case 0:
        blank(t, t->row, t->column, t->columns);
        blank_rows(t, t->row + 1, t->rows);
        break;
    case 1:
        blank_rows(t, 0, t->row);
        blank(t, t->row, 0, t->column + 1);
        break;
    default:
        blank_rows(t, 0, t->rows);
    }
}

static void erase_in_line(struct terminal *t)
{
    unsigned kind = parameter(t, 0, 0);
    t->wrap_pending = false;
    blank(t, t->row, kind == 0 ? t->column : 0, kind == 1 ? t->column + 1 : t->columns);
}

/* Inserts (by > 0) or deletes characters at the cursor; the rest of the row moves. */
static void shift_characters(struct terminal *t, unsigned n, bool insert)
{
    struct cell *at = row_cells(t, t->row) + t->column;
    unsigned rest = t->columns - t->column;
    n = MIN(n, rest);
    if (insert) {
        memmove(at + n, at, (rest - n) * sizeof(*at));
        blank(t, t->row, t->column, t->column + n);
    } else {
        memmove(at, at + n, (rest - n) * sizeof(*at));
        blank(t, t->row, t->columns - n, t->columns);
    }
}

static void set_region(struct terminal *t)
{
    unsigned top = parameter(t, 0, 1), bottom = parameter(t, 1, t->rows);
    if (top >= bottom || bottom > t->rows)
        return;
    t->top = top - 1;
    t->bottom = bottom - 1;
    move(t, 0, 0);
}

static void set_mode(struct terminal *t, bool on)
{
    unsigned mode = parameter(t, 0, 0);
    if (!t->private_mode)
        return;
    if (mode == MODE_CURSOR)
        t->cursor_hidden = !on;
    if (mode == MODE_ALTERNATE && on)
        save_cursor(t);
    if (mode == MODE_ALTERNATE)
        blank_rows(t, 0, t->rows);
    if (mode == MODE_ALTERNATE && !on)
        restore_cursor(t);
}

/* Sequences that move the cursor; false when `c` is none of them. */
static bool move_sequence(struct terminal *t, uint8_t c)
{
    unsigned n = parameter(t, 0, 1);
    switch (c) {
    case 'A':
        move(t, t->row - MIN(n, t->row), t->column);
        return true;
    case 'B':
    case 'e':
        move(t, t->row + n, t->column);
        return true;
    case 'C':
    case 'a':
        move(t, t->row, t->column + n);
        return true;
    case 'D':
        move(t, t->row, t->column - MIN(n, t->column));
        return true;
    case 'E':
        move(t, t->row + n, 0);
        return true;
    case 'F':
        move(t, t->row - MIN(n, t->row), 0);
        return true;
    case 'G':
    case '`':
        move(t, t->row, n - 1);
        return true;
    case 'H':
    case 'f':
        move(t, n - 1, parameter(t, 1, 1) - 1);
        return true;
    case 'd':
        move(t, n - 1, t->column);
        return true;
    default:
        return false;
    }
}

/* Rows inserted or deleted at the cursor, inside the scrolling region only. */
static void shift_rows(struct terminal *t, int by)
{
    if (t->row >= t->top && t->row <= t->bottom)
        scroll(t, t->row, t->bottom, by);
}

static void sequence(struct terminal *t, uint8_t c)
{
    unsigned n = parameter(t, 0, 1);
    switch (c) {
    case 'J':
        erase_in_display(t);
        break;
    case 'K':
        erase_in_line(t);
        break;
    case 'L':
        shift_rows(t, -(int)n);
        break;
    case 'M':
        shift_rows(t, (int)n);
        break;
    case 'P':
        shift_characters(t, n, false);
        break;
    case '@':
        shift_characters(t, n, true);
        break;
    case 'X':
        blank(t, t->row, t->column, MIN(t->column + n, t->columns));
        break;
    case 'S':
        scroll(t, t->top, t->bottom, (int)n);
        break;
    case 'T':
        scroll(t, t->top, t->bottom, -(int)n);
        break;
    case 'm':
        select_rendition(t);
        break;
    case 'r':
        set_region(t);
        break;
    case 's':
        save_cursor(t);
        break;
    case 'u':
        restore_cursor(t);
        break;
    case 'h':
    case 'l':
        set_mode(t, c == 'h');
        break;
    default:
        move_sequence(t, c);
    }
}

static void csi_byte(struct terminal *t, uint8_t c)
{
    if (c >= '0' && c <= '9') {
        if (!t->parameter_count)
            t->parameter_count = 1;
        unsigned *p = &t->parameters[t->parameter_count - 1];
        *p = MIN(*p * 10 + (c - '0'), (unsigned)PARAMETER_MAX);
    } else if (c == ';' || c == ':') {
        t->parameter_count = MAX(t->parameter_count, 1u);
        if (t->parameter_count < TERMINAL_PARAMETERS)
            t->parameter_count++;
    } else if (c == '?') {
        t->private_mode = true;
    } else if (c == ESC) {
        t->state = TERMINAL_ESCAPE;
    } else if (c >= '@' && c <= '~') {
        t->state = TERMINAL_TEXT;
        sequence(t, c);
    } else if (c < ' ') {
        control(t, c); /* ECMA-48 leaves it open; terminals obey it */
    }
}

static void feed(struct terminal *t, uint8_t c)
{
    switch (t->state) {
    case TERMINAL_TEXT:
        text_byte(t, c);
        break;
    case TERMINAL_ESCAPE:
        escape(t, c);
        break;
    case TERMINAL_CSI:
        csi_byte(t, c);
        break;
    case TERMINAL_STRING: /* ends with BEL, or with ESC and a backslash */
        if (c == BELL)
            t->state = TERMINAL_TEXT;
        else if (c == ESC)
            t->state = TERMINAL_ESCAPE;
        break;
    case TERMINAL_SKIP:
        t->state = TERMINAL_TEXT;
        break;
    }
}

void terminal_write(struct terminal *t, const char *text, size_t length)
{
    t->dirty[t->row] = true; /* the cursor leaves it */
    for (size_t i = 0; i < length; i++)
        feed(t, (uint8_t)text[i]);
    t->dirty[t->row] = true;
}

enum err terminal_init(struct terminal *t, unsigned columns, unsigned rows)
{
    if (columns < 2 || rows < 2 || columns > UINT16_MAX || rows > UINT16_MAX)
        return ERR_RANGE;
    *t = (struct terminal){.columns = columns, .rows = rows};
    t->cells = heap_zalloc_array((size_t)rows * columns, sizeof(*t->cells));
    t->order = heap_zalloc_array(rows, sizeof(*t->order));
    t->dirty = heap_zalloc_array(rows, sizeof(*t->dirty));
    if (!t->cells || !t->order || !t->dirty) {
        terminal_destroy(t);
        return ERR_NO_MEMORY;
    }
    for (unsigned row = 0; row < rows; row++)
        t->order[row] = (uint16_t)row;
    reset(t);
    return ERR_OK;
}

void terminal_destroy(struct terminal *t)
{
    heap_free(t->cells);
    heap_free(t->order);
    heap_free(t->dirty);
    *t = (struct terminal){0};
}
