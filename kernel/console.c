/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Consoles: see kernel/console.h. One lock for all of them, taken for a line at a time: what two
 * CPUs write mixes by lines only, and a slow serial port masks interrupts for no longer than a
 * line. The list only grows, so readers need no lock.
 *
 * Lock order: both locks here are leaves (RANK_CONSOLE); callbacks into other modules run without
 * them.
 */
#include "kernel/console.h"

#include <string.h>

#include "kernel/config.h"
#include "kernel/thread.h"

#define PIECE_MAX  256  /* bytes written without a break */
#define INPUT_SIZE 1024 /* typed ahead; a power of two */
#define EDIT_SIZE  256

#define REFRESH_BUSY_NS (40 * NS_PER_MS)
#define REFRESH_IDLE_NS (200 * NS_PER_MS)

LOCK_CLASS(console_class, "consoles", RANK_CONSOLE);
LOCK_CLASS(input_class, "console input", RANK_CONSOLE);

static struct {
    struct spinlock lock;
    struct console *first;
    bool hold_log;
    char edit[EDIT_SIZE];
    size_t edit_length;
    unsigned log_lines; /* shown */
} consoles = {.lock = SPINLOCK_INIT(&console_class)};

static struct {
    struct spinlock lock;
    char ring[INPUT_SIZE];
    uint32_t head, tail; /* free running */
    struct thread *reader;
    void (*capture)(const char *text, size_t length, void *arg);
    void *capture_arg;
} typed = {.lock = SPINLOCK_INIT(&input_class)};

/* ---- Output ---- */

struct replay {
    struct out out;
    struct console *console;
};

static void replay_write(struct out *out, const char *text, size_t length)
{
    struct console *c = container_of(out, struct replay, out)->console;
    c->write(c, text, length);
}

void console_add(struct console *c)
{
    struct replay r = {.out = {replay_write}, .console = c};
    struct console **link = &consoles.first;
    log_dump(&r.out, 0, (enum log_level)config_get()->log);
    if (c->refresh)
        c->refresh(c);
    uint64_t flags = spin_lock_irq(&consoles.lock);
    while (*link)
        link = &(*link)->next;
    c->next = NULL;
    __atomic_store_n(link, c, __ATOMIC_RELEASE);
    spin_unlock_irq(&consoles.lock, flags);
}

static struct console *first(void)
{
    return __atomic_load_n(&consoles.first, __ATOMIC_ACQUIRE);
}

static void write_all(const char *text, size_t length)
{
    for (struct console *c = first(); c; c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE))
        c->write(c, text, length);
}

/* How much of `text` goes out without a break: up to the end of the first line. */
static size_t piece_length(const char *text, size_t length)
{
    size_t n = MIN(length, (size_t)PIECE_MAX);
    const char *end = memchr(text, '\n', n);
    return end ? (size_t)(end - text) + 1 : n;
}

void console_write(const char *text, size_t length)
{
    while (length) {
        size_t n = piece_length(text, length);
        uint64_t flags = spin_lock_irq(&consoles.lock);
        write_all(text, n);
        spin_unlock_irq(&consoles.lock, flags);
        text += n;
        length -= n;
    }
}

static void out_to_consoles(struct out *out, const char *text, size_t length)
{
    (void)out;
    console_write(text, length);
}

struct out *console_out(void)
{
    static struct out out = {out_to_consoles};
    return &out;
}

static const char *level_colour(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "\033[1;31m";
    case LOG_WARN:
        return "\033[1;33m";
    case LOG_DEBUG:
        return "\033[36m";
    default:
        return NULL;
    }
}

static void write_log(struct console *c, const char *colour, const char *text, size_t length)
{
    if (consoles.edit_length)
        c->write(c, CONSOLE_ERASE_LINE, sizeof(CONSOLE_ERASE_LINE) - 1);
    if (c->is_screen && colour)
        c->write(c, colour, strlen(colour));
    c->write(c, text, length);
    if (c->is_screen && colour)
        c->write(c, "\033[m", 3);
    if (consoles.edit_length)
        c->write(c, consoles.edit, consoles.edit_length);
}

void console_write_log(enum log_level level, const char *text, size_t length)
{
    if (level > config_get()->log || !first())
        return;
    const char *colour = level_colour(level);
    uint64_t flags = spin_lock_irq(&consoles.lock);
    if (!consoles.hold_log) {
        for (struct console *c = first(); c; c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE))
            write_log(c, colour, text, length);
        WRITE_ONCE(consoles.log_lines, consoles.log_lines + 1);
    }
    spin_unlock_irq(&consoles.lock, flags);
}

void console_hold_log(bool hold)
{
    uint64_t flags = spin_lock_irq(&consoles.lock);
    consoles.hold_log = hold;
    spin_unlock_irq(&consoles.lock, flags);
}

bool console_set_edit_line(const char *text, size_t length, unsigned since)
{
    uint64_t flags = spin_lock_irq(&consoles.lock);
    bool stands = consoles.log_lines == since;

    consoles.edit_length = MIN(length, sizeof(consoles.edit));
    memcpy(consoles.edit, text, consoles.edit_length);
    spin_unlock_irq(&consoles.lock, flags);
    return stands;
}

unsigned console_log_lines(void)
{
    return READ_ONCE(consoles.log_lines);
}

void console_panic_write(const char *text, size_t length)
{
    for (struct console *c = first(); c; c = c->next) {
        if (c->front)
            c->front(c);
        c->write(c, text, length);
        if (c->refresh)
            c->refresh(c);
    }
}

void console_for_each(void (*fn)(struct console *c, void *arg), void *arg)
{
    for (struct console *c = first(); c; c = __atomic_load_n(&c->next, __ATOMIC_ACQUIRE))
        fn(c, arg);
}

/* ---- Screens that lag ---- */

static void refresh_one(struct console *c, void *arg)
{
    bool *busy = arg;
    if (!c->refresh)
        return;
    if (c->feed)
        c->feed(c);
    uint64_t flags = spin_lock_irq(&consoles.lock);
    if (c->refresh(c))
        *busy = true;
    spin_unlock_irq(&consoles.lock, flags);
}

void console_exclusive(void (*fn)(void *arg), void *arg)
{
    uint64_t flags = spin_lock_irq(&consoles.lock);
    fn(arg);
    spin_unlock_irq(&consoles.lock, flags);
}

bool console_refresh(void)
{
    bool busy = false;
    console_for_each(refresh_one, &busy);
    return busy;
}

static void refresh_main(void *unused)
{
    (void)unused;
    for (;;)
        thread_sleep_ns(console_refresh() ? REFRESH_BUSY_NS : REFRESH_IDLE_NS);
}

static void note_screen(struct console *c, void *arg)
{
    if (c->refresh)
        *(bool *)arg = true;
}

void console_refresh_start(void)
{
    struct thread *t;
    bool wanted = false;
    console_for_each(note_screen, &wanted);
    if (wanted && thread_create(&t, "screen", refresh_main, NULL, THREAD_WEIGHT, -1))
        log_warn("no memory for the thread that refreshes the screen: it may lag behind");
}

/* ---- Input ---- */

static void keep(const char *text, size_t length)
{
    for (size_t i = 0; i < length && typed.head - typed.tail < INPUT_SIZE; i++)
        typed.ring[typed.head++ % INPUT_SIZE] = text[i];
}

void console_input(const char *text, size_t length)
{
    uint64_t flags = spin_lock_irq(&typed.lock);
    void (*capture)(const char *, size_t, void *) = typed.capture;
    void *arg = typed.capture_arg;
    struct thread *reader = typed.reader;
    if (!capture)
        keep(text, length);
    spin_unlock_irq(&typed.lock, flags);
    if (capture)
        capture(text, length, arg);
    else if (reader)
        thread_wake(reader);
}

static int take(void)
{
    uint64_t flags = spin_lock_irq(&typed.lock);
    int byte = typed.head != typed.tail ? (uint8_t)typed.ring[typed.tail++ % INPUT_SIZE] : -1;
    typed.reader = thread_current();
    spin_unlock_irq(&typed.lock, flags);
    return byte;
}

int console_read(uint64_t deadline)
{
    int byte;
    bool in_time = true;
    while ((byte = take()) < 0 && in_time) {
        console_refresh();
        /* That may have waited, and used up the wake of what was typed meanwhile. */
        if ((byte = take()) >= 0)
            break;
        in_time = thread_sleep_until(deadline);
    }
    return byte;
}

void console_capture(void (*input)(const char *text, size_t length, void *arg), void *arg)
{
    uint64_t flags = spin_lock_irq(&typed.lock);
    typed.capture = input;
    typed.capture_arg = arg;
    spin_unlock_irq(&typed.lock, flags);
}
