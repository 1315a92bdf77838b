/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The linear frame buffer of the firmware (GOP) as a console. The terminal holds the text; drawing
 * compares it with what is shown, cell by cell, and the frame buffer itself is only written, never
 * read (it is mapped write-combining). What scrolls is drawn only when somebody has time to look:
 * at a refresh, or when the last drawing is some time ago.
 */
#include <stdio.h>
#include <string.h>

#include "boot/boot_info.h"
#include "drivers/display/screen.h"
#include "drivers/drivers.h"
#include "kernel/console.h"
#include "kernel/timer.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"

#define SIDE_MAX       16384u
#define COLUMNS_LEAST  40u
#define ROWS_LEAST     10u
#define LARGE_WIDTH    2560u /* from here on each pixel of the font is drawn as four */
#define LARGE_HEIGHT   1440u
#define LAG_MAX_NS     (100 * NS_PER_MS)
#define FIRST_CODE     0x20 /* glyphs of U+0020 to U+007E come first in the font */
#define LAST_CODE      0x7e
#define CURSOR_COLOURS 0x0a /* bright green, drawn inverse */
#define UNDERLINE_ROW  2u   /* from the bottom */

static struct screen screen;

/* Red, green, blue; soft enough for long reading. */
static const uint8_t colours[16][3] = {
    {0x0c, 0x10, 0x14}, {0xc8, 0x3c, 0x3c}, {0x3c, 0xa8, 0x50}, {0xb4, 0x8c, 0x28},
    {0x48, 0x78, 0xc8}, {0xa0, 0x50, 0xb0}, {0x30, 0xa0, 0xa8}, {0xd0, 0xd4, 0xd0},
    {0x68, 0x70, 0x74}, {0xff, 0x68, 0x60}, {0x68, 0xe0, 0x7c}, {0xf8, 0xd0, 0x58},
    {0x78, 0xa8, 0xff}, {0xe0, 0x88, 0xf0}, {0x60, 0xe0, 0xe8}, {0xff, 0xff, 0xff},
};

static void make_palette(struct screen *s, bool red_first)
{
    for (unsigned i = 0; i < ARRAY_SIZE(colours); i++) {
        uint32_t red = colours[i][0], green = colours[i][1], blue = colours[i][2];
        s->palette[i] = red_first ? red | green << 8 | blue << 16 : blue | green << 8 | red << 16;
    }
}

/* ---- Drawing ---- */

static const uint8_t *glyph(uint16_t code)
{
    const struct font *f = &console_font;
    size_t size = (f->width + 7) / 8 * f->height;
    if (code >= FIRST_CODE && code <= LAST_CODE)
        return f->glyphs + (code - FIRST_CODE) * size;
    size_t low = 0, high = f->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (f->unicode[middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == f->count || f->unicode[low] != code)
        low = f->replacement;
    return f->glyphs + low * size;
}

static void set_pen(struct screen *s, uint8_t pen)
{
    uint64_t on = s->palette[pen & 15], off = s->palette[pen >> 4];
    s->pen = pen;
    s->pairs[0] = off | off << 32;
    s->pairs[1] = off | on << 32; /* the left pixel is the lower half */
    s->pairs[2] = on | off << 32;
    s->pairs[3] = on | on << 32;
}

static inline void put_pair(const struct screen *s, uint8_t *at, uint64_t pair)
{
    if (likely(s->pairs_aligned)) {
        *(uint64_t *)(void *)at = pair;
    } else {
        ((uint32_t *)(void *)at)[0] = (uint32_t)pair;
        ((uint32_t *)(void *)at)[1] = (uint32_t)(pair >> 32);
    }
}

/* Eight pixels of a glyph's row, scale 1. */
static inline void draw_byte(const struct screen *s, uint8_t *at, uint8_t bits)
{
    put_pair(s, at, s->pairs[bits >> 6]);
    put_pair(s, at + 8, s->pairs[bits >> 4 & 3]);
    put_pair(s, at + 16, s->pairs[bits >> 2 & 3]);
    put_pair(s, at + 24, s->pairs[bits & 3]);
}

static void draw_byte_doubled(const struct screen *s, uint8_t *at, uint8_t bits)
{
    for (unsigned i = 0; i < 8; i++, bits = (uint8_t)(bits << 1), at += 8) {
        uint64_t pair = s->pairs[bits & 0x80 ? 3 : 0];
        put_pair(s, at, pair);
        put_pair(s, at + s->pitch, pair);
    }
}

void screen_draw_cell(struct screen *s, const struct screen_plane *p, unsigned row, unsigned column,
                      struct cell cell)
{
    const struct font *f = &console_font;
    unsigned bytes = f->width / 8;
    const uint8_t *bits = glyph(cell.code);
    uint8_t *at = p->pixels + (size_t)row * f->height * p->scale * s->pitch +
                  (size_t)column * f->width * p->scale * SCREEN_PIXEL_SIZE;
    if (cell.colours != s->pen)
        set_pen(s, cell.colours);
    for (unsigned y = 0; y < f->height; y++, at += s->pitch * p->scale) {
        bool line = cell.attributes & CELL_UNDERLINE && y == f->height - UNDERLINE_ROW;
        for (unsigned b = 0; b < bytes; b++, bits++) {
            if (p->scale == 1)
                draw_byte(s, at + b * 8 * SCREEN_PIXEL_SIZE, line ? 0xff : *bits);
            else
                draw_byte_doubled(s, at + b * 16 * SCREEN_PIXEL_SIZE, line ? 0xff : *bits);
        }
    }
}

static bool same(struct cell a, struct cell b)
{
    return a.code == b.code && a.colours == b.colours && a.attributes == b.attributes;
}

static void draw_row(struct screen *s, struct screen_plane *p, const struct terminal *t,
                     unsigned row)
{
    const struct cell *cells = terminal_row(t, row);
    struct cell *shown = p->shown + (size_t)row * t->columns;
    unsigned cursor = row == t->row && !t->cursor_hidden ? t->column : t->columns;
    for (unsigned i = 0; i < t->columns; i++) {
        struct cell c = cells[i];
        if (unlikely(i == cursor))
            c.colours = (uint8_t)(CURSOR_COLOURS << 4 | CURSOR_COLOURS >> 4);
        if (same(c, shown[i]))
            continue;
        screen_draw_cell(s, p, row, i, c);
        shown[i] = c;
    }
}

bool screen_draw(struct screen *s, struct screen_plane *p, struct terminal *t)
{
    bool drawn = false;
    for (unsigned row = 0; row < t->rows; row++) {
        if (!t->dirty[row])
            continue;
        t->dirty[row] = false;
        draw_row(s, p, t, row);
        drawn = true;
    }
    t->scrolled = false;
    return drawn;
}

static bool screen_refresh(struct console *c)
{
    struct screen *s = container_of(c, struct screen, console);
    if (s->guest_shown)
        return true;
    if (!screen_draw(s, &s->plane, &s->terminal))
        return false;
    s->drawn_ns = clock_ns();
    return true;
}

static void screen_write(struct console *c, const char *text, size_t length)
{
    struct screen *s = container_of(c, struct screen, console);
    terminal_write(&s->terminal, text, length);
    if (!s->terminal.scrolled || clock_ns() - s->drawn_ns > LAG_MAX_NS)
        screen_refresh(c);
}

/* ---- Start ---- */

static void clear(struct screen *s)
{
    set_pen(s, SCREEN_BLANK_COLOURS);
    for (uint32_t y = 0; y < s->height; y++) {
        uint8_t *line = s->plane.pixels + y * s->pitch;
        size_t x = 0;
        for (; x + 32 <= s->pitch; x += 32)
            draw_byte(s, line + x, 0);
        for (; x + SCREEN_PIXEL_SIZE <= s->pitch; x += SCREEN_PIXEL_SIZE)
            *(uint32_t *)(void *)(line + x) = s->palette[0];
    }
}

void screen_begin(struct screen *s, struct screen_plane *p, struct terminal *t)
{
    const struct cell blank = {.code = ' ', .colours = SCREEN_BLANK_COLOURS};
    clear(s);
    for (size_t i = 0; i < (size_t)t->rows * t->columns; i++)
        p->shown[i] = blank;
    for (unsigned row = 0; row < t->rows; row++)
        t->dirty[row] = true;
}

/* NULL, or what is wrong with the frame buffer that the firmware described. */
static const char *unusable(const struct boot_framebuffer *fb)
{
    if (fb->width > SIDE_MAX || fb->height > SIDE_MAX || fb->stride > SIDE_MAX ||
        fb->stride < fb->width)
        return "the firmware describes an impossible frame buffer";
    if (!fb->base || (uint64_t)fb->stride * fb->height * SCREEN_PIXEL_SIZE > fb->size)
        return "the firmware's frame buffer is smaller than the screen";
    if (fb->base % SCREEN_PIXEL_SIZE)
        return "the firmware's frame buffer is not aligned";
    if (fb->width < COLUMNS_LEAST * console_font.width ||
        fb->height < ROWS_LEAST * console_font.height)
        return "it is too small for text";
    return NULL;
}

static enum err make_text(struct screen *s)
{
    unsigned columns = s->width / (console_font.width * s->plane.scale);
    unsigned rows = s->height / (console_font.height * s->plane.scale);
    enum err e = terminal_init(&s->terminal, columns, rows);
    if (e)
        return e;
    s->plane.shown = heap_zalloc_array((size_t)columns * rows, sizeof(*s->plane.shown));
    return s->plane.shown ? ERR_OK : ERR_NO_MEMORY;
}

static enum err start(struct screen *s, const struct boot_framebuffer *fb)
{
    s->width = fb->width;
    s->height = fb->height;
    s->pitch = (size_t)fb->stride * SCREEN_PIXEL_SIZE;
    s->pairs_aligned = fb->stride % 2 == 0 && fb->base % 8 == 0;
    s->plane.scale = fb->width >= LARGE_WIDTH && fb->height >= LARGE_HEIGHT ? 2 : 1;
    make_palette(s, fb->format == BOOT_FB_RGBX);
    enum err e = make_text(s);
    if (e)
        return e;
    s->plane.pixels = kernel_map_device(HPA(fb->base), s->pitch * fb->height,
                                        PT_READ | PT_WRITE | PT_WRITE_COMBINE);
    if (!s->plane.pixels)
        return ERR_NO_MEMORY;
    screen_begin(s, &s->plane, &s->terminal);
    return ERR_OK;
}

void screen_init(const struct boot_info *info)
{
    const struct boot_framebuffer *fb = &info->framebuffer;
    if (fb->format != BOOT_FB_RGBX && fb->format != BOOT_FB_BGRX) {
        log_info("screen: none: %.*s", (int)sizeof(info->framebuffer_note),
                 info->framebuffer_note[0] ? info->framebuffer_note
                                           : "the firmware offers no frame buffer");
        return;
    }
    const char *why = unusable(fb);
    if (why) {
        log_warn("screen: not used: %s", why);
        return;
    }
    enum err e = start(&screen, fb);
    if (e) {
        log_warn("screen: not used: %s", err_text(e));
        return;
    }
    snprintf(screen.name, sizeof(screen.name), "screen %ux%u", fb->width, fb->height);
    screen.console.name = screen.name;
    screen.console.write = screen_write;
    screen.console.refresh = screen_refresh;
    screen.console.is_screen = true;
    screen_views_init(&screen);
    console_add(&screen.console);
    log_info("%s, %u lines of %u characters", screen.name, screen.terminal.rows,
             screen.terminal.columns);
}
