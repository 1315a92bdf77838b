/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The text model of a screen: see drivers/display/terminal.h. Sequences by ECMA-48, 8.3; DECSTBM,
 * DECSC and modes by the VT100 manual. */
#include "drivers/display/terminal_internal.h"

#include <string.h>

#include "mm/heap.h"

#define TAB_WIDTH            8
#define PARAMETER_MAX        9999
#define REPLACEMENT          0xfffd
#define ESC                  0x1b
#define BELL                 0x07
#define TERMINAL_DEFAULT_PEN ((struct terminal_pen){.foreground = 7})
#define SO                   0x0e
#define SI                   0x0f
#define CAN                  0x18
#define SUB                  0x1a
#define DELETE               0x7f

/* Modes: of ECMA-48, 8.3.106 */
#define MODE_INSERT   4
#define MODE_NEW_LINE 20
/* private ones of the VT100 and VT220, and xterm's second screen */
#define MODE_CURSOR_KEYS   1
#define MODE_ORIGIN        6
#define MODE_WRAP          7
#define MODE_CURSOR        25
#define MODE_ALTERNATE_OLD 47
#define MODE_ALTERNATE     1047
#define MODE_SAVE_CURSOR   1048
#define MODE_ALTERNATE_ALL 1049

static struct cell *row_cells(struct terminal *t, unsigned row)
{
    t->dirty[row] = true;
    return t->cells + (size_t)t->order[row] * t->columns;
}

static uint8_t attributes(const struct terminal *t)
{
    return t->pen.underline ? CELL_UNDERLINE : 0;
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

/* Special graphics of the VT100: 0x60 to 0x7e. */
static const uint16_t drawing[] = {
    0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0, 0x00b1, 0x2424, 0x240b, 0x2518,
    0x2510, 0x250c, 0x2514, 0x253c, 0x23ba, 0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524,
    0x2534, 0x252c, 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7,
};

/* Marks that join the letter before them take no cell; without room for both, the letter stays. */
static bool is_combining(uint32_t code)
{
    return (code >= 0x300 && code <= 0x36f) || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0xfe00 && code <= 0xfe0f) || code == 0xfeff;
}

static void put(struct terminal *t, uint32_t code)
{
    if (is_combining(code))
        return;
    if (t->charsets.drawing[t->charsets.chosen] && code >= 0x60 && code <= 0x7e)
        code = drawing[code - 0x60];
    if (t->wrap_pending && !t->no_wrap) {
        t->column = 0;
        line_feed(t);
    }
    t->wrap_pending = false;
    struct cell *c = row_cells(t, t->row) + t->column;
    if (t->insert)
        memmove(c + 1, c, (t->columns - t->column - 1) * sizeof(*c));
    *c = (struct cell){.code = (uint16_t)(code > 0xffff ? REPLACEMENT : code),
                       .colours = colours(t),
                       .attributes = attributes(t)};
    t->last = code;
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

/* Rows as programs count them: in origin mode from the top of the region, and not out of it. */
static void move_to(struct terminal *t, unsigned row, unsigned column)
{
    if (t->origin)
        row = row < t->bottom - t->top ? t->top + row : t->bottom;
    move(t, row, column);
}

/* Up and down stop at the region's margins when they begin inside of them. */
static void move_up(struct terminal *t, unsigned n, unsigned column)
{
    unsigned limit = t->row >= t->top ? t->top : 0;

    move(t, t->row - MIN(n, t->row - limit), column);
}

static void move_down(struct terminal *t, unsigned n, unsigned column)
{
    unsigned limit = t->row <= t->bottom ? t->bottom : t->rows - 1;

    move(t, t->row + MIN(n, limit - t->row), column);
}

static void tab_forward(struct terminal *t, unsigned n)
{
    unsigned column = t->column;

    while (n-- && column + 1 < t->columns)
        do
            column++;
        while (column + 1 < t->columns && !t->tabs[column]);
    t->column = column;
}

static void tab_backward(struct terminal *t, unsigned n)
{
    unsigned column = t->column;

    while (n-- && column)
        do
            column--;
        while (column && !t->tabs[column]);
    move(t, t->row, column);
}

static void control(struct terminal *t, uint8_t c)
{
    switch (c) {
    case '\n':
    case 0x0b:
    case 0x0c:
        line_feed(t);
        if (t->new_line)
            t->column = 0;
        break;
    case SO:
    case SI:
        t->charsets.chosen = c == SO;
        break;
    case CAN:
    case SUB:
        t->state = TERMINAL_TEXT;
        break;
    case '\r':
        move(t, t->row, 0);
        break;
    case '\b':
        move(t, t->row, t->column ? t->column - 1 : 0);
        break;
    case '\t':
        tab_forward(t, 1);
        break;
    case ESC:
        t->state = TERMINAL_ESCAPE;
        break;
    default:
        break; /* no effect on a screen */
    }
}

static void utf8_end(struct terminal *t)
{
    bool surrogate = t->utf8 >= 0xd800 && t->utf8 < 0xe000;

    put(t, t->utf8 < t->utf8_least || surrogate ? REPLACEMENT : t->utf8);
}

/* One byte of text. Malformed UTF-8 shows a replacement character and what follows is taken afresh.
 */
static void text_byte(struct terminal *t, uint8_t c)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

    if (t->utf8_left && (c & 0xc0) == 0x80) {
        t->utf8 = t->utf8 << 6 | (c & 0x3f);
        if (--t->utf8_left == 0)
            utf8_end(t);
        return;
    }
    if (t->utf8_left) {
        t->utf8_left = 0;
        put(t, REPLACEMENT);
    }
    if (c < ' ')
        control(t, c);
    else if (c < DELETE)
        put(t, c);
    else if (c >= 0xc2 && c < 0xf5) {
        t->utf8_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        t->utf8_least = least[t->utf8_left];
        t->utf8 = c & (0x3fu >> t->utf8_left);
    } else if (c != DELETE) {
        put(t, REPLACEMENT);
    }
}

/* ---- Sequences ---- */

static void save_cursor(struct terminal *t)
{
    t->saved = (struct terminal_cursor){.row = t->row,
                                        .column = t->column,
                                        .pen = t->pen,
                                        .charsets = t->charsets,
                                        .origin = t->origin,
                                        .wrap_pending = t->wrap_pending};
}

static void restore_cursor(struct terminal *t)
{
    move(t, t->saved.row, t->saved.column);
    t->pen = t->saved.pen;
    t->charsets = t->saved.charsets;
    t->origin = t->saved.origin;
    t->wrap_pending = t->saved.wrap_pending;
}

/* The second screen comes from the heap when a program first asks for it; without memory it is the
 * first one. */
static void show_screen(struct terminal *t, bool alternate)
{
    struct cell *cells = t->cells;
    uint16_t *order = t->order;

    if (t->alternate == alternate)
        return;
    t->alternate = alternate;
    if (!t->other) {
        t->other = heap_zalloc_array((size_t)t->rows * t->columns, sizeof(*t->other));
        t->other_order = heap_zalloc_array(t->rows, sizeof(*t->other_order));
    }
    if (!t->other || !t->other_order)
        return;
    for (unsigned row = 0; alternate && row < t->rows; row++)
        t->other_order[row] = (uint16_t)row;
    t->cells = t->other;
    t->order = t->other_order;
    t->other = cells;
    t->other_order = order;
    for (unsigned row = 0; row < t->rows; row++)
        t->dirty[row] = true;
    t->scrolled = true;
}

static void reset_tabs(struct terminal *t)
{
    for (unsigned column = 0; column < t->columns; column++)
        t->tabs[column] = column && column % TAB_WIDTH == 0;
}

static void reset(struct terminal *t)
{
    show_screen(t, false);
    t->pen = TERMINAL_DEFAULT_PEN;
    t->charsets = (struct terminal_charsets){0};
    t->top = 0;
    t->bottom = t->rows - 1;
    t->cursor_hidden = t->application_keys = t->no_wrap = t->origin = t->insert = false;
    t->utf8_left = 0;
    t->last = ' ';
    t->state = TERMINAL_TEXT;
    reset_tabs(t);
    move(t, 0, 0);
    save_cursor(t);
    t->saved_main = t->saved;
    blank_rows(t, 0, t->rows);
}

/* DECSTR: what programs expect of a new terminal, without clearing it. */
static void soft_reset(struct terminal *t)
{
    t->pen = TERMINAL_DEFAULT_PEN;
    t->charsets = (struct terminal_charsets){0};
    t->top = 0;
    t->bottom = t->rows - 1;
    t->cursor_hidden = t->application_keys = t->no_wrap = t->origin = t->insert = false;
}

/* DECALN */
static void fill_with_e(struct terminal *t)
{
    for (unsigned row = 0; row < t->rows; row++) {
        struct cell *cells = row_cells(t, row);
        for (unsigned i = 0; i < t->columns; i++)
            cells[i] = (struct cell){.code = 'E', .colours = TERMINAL_DEFAULT_PEN.foreground};
    }
    t->top = 0;
    t->bottom = t->rows - 1;
    move(t, 0, 0);
}

/* The byte after ESC and one of ( ) * + # and %. */
static void designate(struct terminal *t, uint8_t c)
{
    t->state = TERMINAL_TEXT;
    if (t->designated == '(' || t->designated == ')')
        t->charsets.drawing[t->designated == ')'] = c == '0';
    else if (t->designated == '#' && c == '8')
        fill_with_e(t);
}

static void begin_csi(struct terminal *t)
{
    t->state = TERMINAL_CSI;
    t->introducer = t->intermediate = 0;
    t->parameter_count = 0;
    memset(t->parameters, 0, sizeof(t->parameters));
}

static void escape(struct terminal *t, uint8_t c)
{
    if (c < ' ') {
        control(t, c);
        return;
    }
    t->state = TERMINAL_TEXT;
    switch (c) {
    case '[':
        begin_csi(t);
        break;
    case ']':
    case 'P':
    case 'X':
    case '_':
    case '^':
        t->state = TERMINAL_STRING;
        break;
    case '(':
    case ')':
    case '*':
    case '+':
    case '#':
    case '%':
    case ' ':
        t->state = TERMINAL_CHARSET;
        t->designated = c;
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
        line_feed(t);
        t->column = 0;
        break;
    case 'H':
        t->tabs[t->column] = true;
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

static void erase_in_display(struct terminal *t)
{
    switch (terminal_parameter(t, 0, 0)) {
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
    unsigned kind = terminal_parameter(t, 0, 0);
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
    unsigned top = terminal_parameter(t, 0, 1), bottom = terminal_parameter(t, 1, t->rows);
    if (top >= bottom || bottom > t->rows)
        return;
    t->top = top - 1;
    t->bottom = bottom - 1;
    move_to(t, 0, 0);
}

/* Modes 47, 1047 and 1049: the last one keeps the first screen's cursor, and comes up clear. */
static void set_alternate(struct terminal *t, unsigned mode, bool on)
{
    if (mode == MODE_ALTERNATE_ALL && on && !t->alternate) {
        struct terminal_cursor saved = t->saved;
        save_cursor(t);
        t->saved_main = t->saved;
        t->saved = saved;
    }
    bool was = t->alternate;
    if (mode == MODE_ALTERNATE && !on && was)
        blank_rows(t, 0, t->rows);
    show_screen(t, on);
    if (on && (mode == MODE_ALTERNATE_ALL || !was))
        blank_rows(t, 0, t->rows);
    if (mode == MODE_ALTERNATE_ALL && !on && was) {
        struct terminal_cursor saved = t->saved;
        t->saved = t->saved_main;
        restore_cursor(t);
        t->saved = saved;
    }
}

static void set_private_mode(struct terminal *t, unsigned mode, bool on)
{
    switch (mode) {
    case MODE_CURSOR_KEYS:
        t->application_keys = on;
        break;
    case MODE_ORIGIN:
        t->origin = on;
        move_to(t, 0, 0);
        break;
    case MODE_WRAP:
        t->no_wrap = !on;
        break;
    case MODE_CURSOR:
        t->cursor_hidden = !on;
        break;
    case MODE_SAVE_CURSOR:
        if (on)
            save_cursor(t);
        else
            restore_cursor(t);
        break;
    case MODE_ALTERNATE_OLD:
    case MODE_ALTERNATE:
    case MODE_ALTERNATE_ALL:
        set_alternate(t, mode, on);
        break;
    default:
        break;
    }
}

static void set_modes(struct terminal *t, bool on)
{
    for (unsigned i = 0; i < t->parameter_count; i++) {
        unsigned mode = t->parameters[i];
        if (t->introducer == '?')
            set_private_mode(t, mode, on);
        else if (mode == MODE_INSERT)
            t->insert = on;
        else if (mode == MODE_NEW_LINE)
            t->new_line = on;
    }
}

/* ---- Answers ---- */

static void reply(struct terminal *t, const char *text)
{
    if (t->reply)
        t->reply(t, text, strlen(text));
}

static char *add_number(char *at, unsigned n)
{
    if (n >= 10)
        at = add_number(at, n / 10);
    *at++ = (char)('0' + n % 10);
    return at;
}

/* DSR: 5 asks whether it works, 6 where the cursor is. */
static void report_status(struct terminal *t)
{
    char text[TERMINAL_REPLY_MAX] = "\033[", *at = text + 2;
    unsigned what = terminal_parameter(t, 0, 0), row = t->origin ? t->row - t->top : t->row;

    if (what == 5)
        reply(t, "\033[0n");
    if (what != 6)
        return;
    at = add_number(at, row + 1);
    *at++ = ';';
    at = add_number(at, t->column + 1);
    *at++ = 'R';
    *at = 0;
    reply(t, text);
}

/* DA: a VT100 with advanced video; with '>' a version that means nothing. */
static void report_attributes(struct terminal *t)
{
    if (terminal_parameter(t, 0, 0) == 0)
        reply(t, t->introducer == '>' ? "\033[>0;0;0c" : "\033[?1;2c");
}

/* Sequences that move the cursor; false when `c` is none of them. */
static bool move_sequence(struct terminal *t, uint8_t c)
{
    unsigned n = terminal_parameter(t, 0, 1);
    switch (c) {
    case 'A':
        move_up(t, n, t->column);
        return true;
    case 'B':
    case 'e':
        move_down(t, n, t->column);
        return true;
    case 'C':
    case 'a':
        move(t, t->row, t->column + n);
        return true;
    case 'D':
        move(t, t->row, t->column - MIN(n, t->column));
        return true;
    case 'E':
        move_down(t, n, 0);
        return true;
    case 'F':
        move_up(t, n, 0);
        return true;
    case 'G':
    case '`':
        move(t, t->row, n - 1);
        return true;
    case 'H':
    case 'f':
        move_to(t, n - 1, terminal_parameter(t, 1, 1) - 1);
        return true;
    case 'I':
        tab_forward(t, n);
        return true;
    case 'Z':
        tab_backward(t, n);
        return true;
    case 'd':
        move_to(t, n - 1, t->column);
        return true;
    default:
        return false;
    }
}

/* Rows inserted or deleted at the cursor, inside the scrolling region only. */
static void shift_rows(struct terminal *t, int by)
{
    if (t->row < t->top || t->row > t->bottom)
        return;
    scroll(t, t->row, t->bottom, by);
    move(t, t->row, 0);
}

static void clear_tabs(struct terminal *t)
{
    if (terminal_parameter(t, 0, 0) == 0)
        t->tabs[t->column] = false;
    else if (terminal_parameter(t, 0, 0) == 3)
        memset(t->tabs, 0, t->columns);
}

static void repeat(struct terminal *t, unsigned n)
{
    for (n = MIN(n, t->columns * t->rows); n; n--)
        put(t, t->last);
}

/* Sequences with a private introducer or an intermediate byte: others than these mean something
 * else, and nothing here. */
static void private_sequence(struct terminal *t, uint8_t c)
{
    if (t->introducer == '?' && !t->intermediate && (c == 'h' || c == 'l'))
        set_modes(t, c == 'h');
    else if (t->introducer == '>' && !t->intermediate && c == 'c')
        report_attributes(t);
    else if (!t->introducer && t->intermediate == '!' && c == 'p')
        soft_reset(t);
}

static void sequence(struct terminal *t, uint8_t c)
{
    unsigned n = terminal_parameter(t, 0, 1);
    if (t->introducer || t->intermediate) {
        private_sequence(t, c);
        return;
    }
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
        terminal_select_rendition(t);
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
        set_modes(t, c == 'h');
        break;
    case 'g':
        clear_tabs(t);
        break;
    case 'b':
        repeat(t, n);
        break;
    case 'c':
        report_attributes(t);
        break;
    case 'n':
        report_status(t);
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
        t->parameter_count += t->parameter_count < TERMINAL_PARAMETERS;
        t->parameters[t->parameter_count - 1] = 0;
    } else if (c >= '<' && c <= '?') {
        t->introducer = c;
    } else if (c >= ' ' && c < '0') {
        t->intermediate = c;
    } else if (c == ESC) {
        t->state = TERMINAL_ESCAPE;
    } else if (c >= '@' && c < DELETE) {
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
        if (c == BELL || c == CAN || c == SUB)
            t->state = TERMINAL_TEXT;
        else if (c == ESC)
            t->state = TERMINAL_ESCAPE;
        break;
    case TERMINAL_CHARSET:
        designate(t, c);
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
    *t = (struct terminal){.columns = columns, .rows = rows, .new_line = true};
    t->cells = heap_zalloc_array((size_t)rows * columns, sizeof(*t->cells));
    t->order = heap_zalloc_array(rows, sizeof(*t->order));
    t->dirty = heap_zalloc_array(rows, sizeof(*t->dirty));
    t->tabs = heap_zalloc_array(columns, sizeof(*t->tabs));
    if (!t->cells || !t->order || !t->dirty || !t->tabs) {
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
    heap_free(t->tabs);
    heap_free(t->other);
    heap_free(t->other_order);
    *t = (struct terminal){0};
}
