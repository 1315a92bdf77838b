/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Guests' consoles on the screen. Each has a terminal of the size that programs on a serial line
 * take for granted, made when it is first shown; it reads the guest's ring (kernel/guest_console.h)
 * while it is shown, and catches up when it is shown again, so a guest that has crashed can still
 * be read. A last line says whose console it is and how to leave.
 *
 * Lock order: views.lock, then the guest's console, then the consoles' lock.
 */
#include "drivers/display/views.h"

#include <stdio.h>
#include <string.h>

#include "drivers/display/screen.h"
#include "kernel/guest_console.h"
#include "kernel/monitor.h"
#include "kernel/vm.h"
#include "mm/heap.h"

#define COLUMNS        80u
#define ROWS           24u
#define STATUS_COLOURS 0x4f /* white on blue */
#define CHUNK          256
#define FEED_MAX       (64 * 1024u) /* bytes at once: a guest that never stops must not hold us */

struct view {
    struct view *next;
    struct vm *vm;
    unsigned number;
    struct terminal terminal;
    uint32_t at;   /* position in the guest's console */
    uint32_t live; /* what came before was asked when nobody looked: it is not answered */
    bool answer;
};

LOCK_CLASS(views_class, "screen views", RANK_SCREEN);

static struct {
    struct mutex lock;
    struct screen *screen; /* NULL: there is none */
    struct screen_plane plane;
    struct view *all, *shown; /* NULL: the monitor */
    char status[COLUMNS + 1];
} views;

/* ---- Guests by number ---- */

struct search {
    unsigned wanted, count;
    struct vm *found;
};

static void look(struct vm *vm, void *arg)
{
    struct search *s = arg;

    if (++s->count == s->wanted)
        s->found = vm;
}

static void find_vm(struct search *s)
{
    vm_for_each(look, s);
}

/* ---- Terminals ---- */

static void answer(struct terminal *t, const char *text, size_t length)
{
    struct view *v = container_of(t, struct view, terminal);

    if (v->answer && !guest_console_attached(v->vm->console))
        guest_console_type(v->vm->console, text, length);
}

static unsigned columns(void)
{
    return MIN(COLUMNS, views.screen->width / (console_font.width * views.plane.scale));
}

static unsigned rows(void)
{
    return MIN(ROWS, views.screen->height / (console_font.height * views.plane.scale) - 1);
}

/* Under the lock. NULL: no memory. */
static struct view *view_of(struct vm *vm, unsigned number)
{
    struct view *v = views.all;

    while (v && v->vm != vm)
        v = v->next;
    if (v)
        return v;
    v = heap_zalloc(sizeof(*v));
    if (!v || terminal_init(&v->terminal, columns(), rows()) != ERR_OK) {
        heap_free(v);
        return NULL;
    }
    v->terminal.new_line = false;
    v->terminal.reply = answer;
    v->vm = vm;
    v->number = number;
    v->at =
        guest_console_end(vm->console) - INT32_MAX; /* not kept: the oldest that is comes first */
    v->next = views.all;
    views.all = v;
    return v;
}

/* ---- Drawing ---- */

static const char *state_name(const struct vm *vm)
{
    switch (READ_ONCE(vm->state)) {
    case VM_RUNNING:
        return "running";
    case VM_PAUSED:
        return "paused";
    case VM_STOPPED:
        return READ_ONCE(vm->failed) ? "stopped by a fault" : "stopped";
    default:
        return "changing";
    }
}

static void draw_status(const struct view *v)
{
    char text[2 * COLUMNS];
    unsigned width = v->terminal.columns;
    int length = snprintf(text, sizeof(text),
                          " %s, %s: Alt-F%u   Monitor: Alt-F1   Others: Alt-Left, Alt-Right",
                          v->vm->name, state_name(v->vm), v->number + 1);

    for (unsigned i = 0; i < width; i++) {
        char c = i < (unsigned)MAX(length, 0) ? text[i] : ' ';
        if (views.status[i] != c)
            screen_draw_cell(views.screen, &views.plane, v->terminal.rows, i,
                             (struct cell){.code = (uint8_t)c, .colours = STATUS_COLOURS});
        views.status[i] = c;
    }
}

/* Takes what the guest wrote since the last time. */
static void catch_up(struct view *v)
{
    char text[CHUNK];
    size_t n, total = 0;

    do {
        int32_t old = (int32_t)(v->live - v->at);
        v->answer = old <= 0;
        n = guest_console_read(v->vm->console, &v->at, text,
                               old > 0 ? MIN((size_t)old, sizeof(text)) : sizeof(text));
        terminal_write(&v->terminal, text, n);
        total += n;
    } while (n && total < FEED_MAX);
}

static void feed(struct console *c)
{
    (void)c;
    if (!READ_ONCE(views.shown))
        return;
    mutex_lock(&views.lock);
    if (views.shown) {
        catch_up(views.shown);
        screen_draw(views.screen, &views.plane, &views.shown->terminal);
        draw_status(views.shown);
    }
    mutex_unlock(&views.lock);
}

/* ---- Switching ---- */

/* Under both locks. */
static void change(void *arg)
{
    struct view *v = arg;
    struct screen *s = views.screen;

    views.shown = v;
    s->guest_shown = v != NULL;
    memset(views.status, 0, sizeof(views.status));
    if (v)
        screen_begin(s, &views.plane, &v->terminal);
    else
        screen_begin(s, &s->plane, &s->terminal);
}

/* The panic's text stands on the monitor. */
static void front(struct console *c)
{
    (void)c;
    if (views.shown)
        change(NULL);
}

void views_show(unsigned number)
{
    struct search s = {.wanted = number};
    struct view *v = NULL;

    if (!views.screen)
        return;
    find_vm(&s);
    if (number && !s.found)
        return;
    mutex_lock(&views.lock);
    if (s.found)
        v = view_of(s.found, number);
    if (v != views.shown && (v || !number)) {
        if (v)
            v->live = guest_console_end(v->vm->console);
        console_exclusive(change, v);
    }
    mutex_unlock(&views.lock);
    console_refresh();
}

void views_step(int by)
{
    struct search s = {0};

    if (!views.screen)
        return;
    find_vm(&s);
    mutex_lock(&views.lock);
    unsigned now = views.shown ? views.shown->number : 0;
    mutex_unlock(&views.lock);
    unsigned count = s.count + 1;
    views_show((now + count + (unsigned)by) % count);
}

bool views_guest_shown(bool *application_keys)
{
    if (!READ_ONCE(views.shown))
        return false;
    mutex_lock(&views.lock);
    bool guest = views.shown != NULL;
    *application_keys = guest && views.shown->terminal.application_keys;
    mutex_unlock(&views.lock);
    return guest;
}

void views_type(const char *text, size_t length)
{
    mutex_lock(&views.lock);
    struct guest_console *c = views.shown ? views.shown->vm->console : NULL;
    mutex_unlock(&views.lock);
    if (c)
        guest_console_type(c, text, length);
}

/* Doubled where the screen has room for that. In the middle, whole pixels of two. */
void screen_views_init(struct screen *s)
{
    const struct font *f = &console_font;
    bool twice = s->width >= 2 * COLUMNS * f->width && s->height >= 2 * (ROWS + 1) * f->height;

    mutex_init(&views.lock, &views_class);
    views.screen = s;
    views.plane.scale = twice ? 2 : 1;
    views.plane.shown = heap_zalloc_array(ROWS * COLUMNS, sizeof(*views.plane.shown));
    unsigned left = (s->width - columns() * f->width * views.plane.scale) / 2,
             top = (s->height - (rows() + 1) * f->height * views.plane.scale) / 2;
    views.plane.pixels = s->plane.pixels + top * s->pitch + (left & ~1u) * SCREEN_PIXEL_SIZE;
    if (!views.plane.shown)
        views.screen = NULL;
    s->console.feed = feed;
    s->console.front = front;
}

/* ---- screen ---- */

struct by_name {
    const char *name;
    unsigned count, found;
};

static void compare(struct vm *vm, void *arg)
{
    struct by_name *b = arg;

    b->count++;
    if (strcmp(vm->name, b->name) == 0)
        b->found = b->count;
}

static void run_screen(struct out *out, int argc, char **argv)
{
    struct by_name b = {.name = argc ? argv[0] : ""};

    if (!views.screen) {
        out_printf(out, "This machine has no screen: `host` says why.\n");
        return;
    }
    vm_for_each(compare, &b);
    if (argc && !b.found)
        out_printf(out, "There is no guest '%s'; 'vm list' lists them.\n", argv[0]);
    else
        views_show(b.found);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_screen) = {
    .name = "screen",
    .usage = "[NAME]",
    .summary = "Shows a guest's console on the screen, or the monitor",
    .help =
        "The screen and its keyboard can have the console of a guest while the serial line goes "
        "on with the monitor. On the keyboard Alt-F1 is the monitor, Alt-F2 the first guest, and "
        "so on; Alt-Left and Alt-Right go through them. Without NAME: back to the monitor.",
    .run = run_screen,
};
