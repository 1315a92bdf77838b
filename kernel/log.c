/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The log ring: slots of fixed size, reserved by one atomic addition and published by a stamp, so
 * that any context may write and nobody waits. A long line takes several slots in a row. Whoever
 * writes shows on the consoles what nobody is showing yet; if another CPU is at it, that one takes
 * the new line along.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/timer.h"

#define SLOT_SIZE  128
#define SLOT_COUNT 512
#define SLOT_TEXT  (SLOT_SIZE - 20)
#define LINE_SLOTS 4
#define LINE_SIZE  (LINE_SLOTS * SLOT_TEXT)
#define STAMP_SIZE 24 /* "[12345.123456] " */

struct log_slot {
    uint64_t stamp; /* its number in the sequence plus one, once complete */
    uint64_t ns;
    uint8_t level;
    uint8_t length; /* of text */
    uint8_t part;   /* 0 for the first slot of a line */
    uint8_t parts;  /* of the line */
    char text[SLOT_TEXT];
};
_Static_assert(sizeof(struct log_slot) == SLOT_SIZE, "slots are packed");

static CACHE_ALIGNED struct log_slot ring[SLOT_COUNT];
static uint64_t next_slot; /* atomic: the next number to hand out */
static uint64_t
    shown; /* slots before this one are on the consoles; owned by the holder of `showing` */
static uint32_t showing; /* atomic: somebody writes to the consoles */

static void slot_fill(uint64_t number, const char *text, size_t length, enum log_level level,
                      uint64_t ns, unsigned part, unsigned parts)
{
    struct log_slot *s = &ring[number % SLOT_COUNT];
    __atomic_store_n(&s->stamp, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    s->ns = ns;
    s->level = (uint8_t)level;
    s->length = (uint8_t)length;
    s->part = (uint8_t)part;
    s->parts = (uint8_t)parts;
    memcpy(s->text, text, length);
    __atomic_store_n(&s->stamp, number + 1, __ATOMIC_RELEASE);
}

/* Copies slot `number`; false when it is not complete yet or has been overwritten. */
static bool slot_read(uint64_t number, struct log_slot *copy)
{
    const struct log_slot *s = &ring[number % SLOT_COUNT];
    if (__atomic_load_n(&s->stamp, __ATOMIC_ACQUIRE) != number + 1)
        return false;
    memcpy(copy, s, sizeof(*copy));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&s->stamp, __ATOMIC_RELAXED) == number + 1 && copy->length <= SLOT_TEXT;
}

/* One slot as text: the time before a line's first part, a new line after its last. */
static size_t slot_format(const struct log_slot *s, char *text, size_t size)
{
    static const char *const marks[] = {"error: ", "warning: ", "", "debug: "};
    int n = 0;
    if (s->part == 0)
        n = snprintf(text, size, "[%5llu.%06llu] %s", (unsigned long long)(s->ns / NS_PER_SEC),
                     (unsigned long long)(s->ns % NS_PER_SEC / NS_PER_US), marks[s->level & 3]);
    memcpy(text + n, s->text, s->length);
    size_t length = (size_t)n + s->length;
    if (s->part + 1 == s->parts)
        text[length++] = '\n';
    return length;
}

/* Shows the line that begins with slot `number`, all of whose parts are complete; skips rests of
 * lines. Returns its number of slots. */
static unsigned show_line(uint64_t number)
{
    struct log_slot copy;
    char text[LINE_SIZE + STAMP_SIZE + 16];
    if (!slot_read(number, &copy) || copy.part != 0 || copy.parts > LINE_SLOTS)
        return 1;
    unsigned parts = copy.parts;
    size_t length = slot_format(&copy, text, sizeof(text));
    enum log_level level = (enum log_level)copy.level;
    for (unsigned i = 1; i < parts && slot_read(number + i, &copy) && copy.part == i; i++)
        length += slot_format(&copy, text + length, sizeof(text) - length);
    console_write_log(level, text, length);
    return parts;
}

static bool complete(uint64_t number)
{
    return __atomic_load_n(&ring[number % SLOT_COUNT].stamp, __ATOMIC_ACQUIRE) >= number + 1;
}

/* True while there is a complete line that no console has. */
static bool pending(void)
{
    uint64_t next = __atomic_load_n(&next_slot, __ATOMIC_SEQ_CST);
    uint64_t first = __atomic_load_n(&shown, __ATOMIC_RELAXED);
    if (first >= next || !complete(first))
        return false;
    unsigned parts = ring[first % SLOT_COUNT].parts;
    return parts <= 1 || parts > LINE_SLOTS || complete(first + parts - 1);
}

static void show(void)
{
    while (pending() && !__atomic_exchange_n(&showing, 1, __ATOMIC_SEQ_CST)) {
        while (pending()) {
            uint64_t next = __atomic_load_n(&next_slot, __ATOMIC_RELAXED);
            uint64_t first = next - shown > SLOT_COUNT ? next - SLOT_COUNT : shown;
            __atomic_store_n(&shown, first + show_line(first), __ATOMIC_RELAXED);
        }
        /* Lines that came meanwhile are seen by the loop above, or by their writers. */
        __atomic_store_n(&showing, 0, __ATOMIC_SEQ_CST);
    }
}

static void clean(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = text[i] == '\n' || text[i] == '\t' ? ' ' : '?';
}

static void log_line(enum log_level level, char *text, size_t length)
{
    while (length > 0 && text[length - 1] == '\n')
        length--;
    clean(text, length);
    uint64_t ns = clock_ns();
    unsigned parts = MAX((unsigned)DIV_ROUND_UP(length, SLOT_TEXT), 1u);
    uint64_t number = __atomic_fetch_add(&next_slot, parts, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < parts; i++) {
        size_t at = (size_t)i * SLOT_TEXT;
        slot_fill(number + i, text + at, MIN(length - at, (size_t)SLOT_TEXT), level, ns, i, parts);
    }
    show();
}

void log_vprint(enum log_level level, const char *prefix, const char *fmt, va_list args)
{
    char text[LINE_SIZE + 1];
    int n = prefix ? snprintf(text, sizeof(text), "%s: ", prefix) : 0;
    int m = vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, args);
    size_t length = (size_t)n + (m > 0 ? (size_t)m : 0);
    log_line(level, text, MIN(length, sizeof(text) - 1));
}

void log_print(enum log_level level, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    log_vprint(level, NULL, fmt, args);
    va_end(args);
}

/* The number of the slot where the last `lines` lines begin. */
static uint64_t dump_start(uint64_t next, unsigned lines, enum log_level level)
{
    uint64_t oldest = next > SLOT_COUNT ? next - SLOT_COUNT : 0;
    if (lines == 0)
        return oldest;
    uint64_t at = next;
    while (at > oldest && lines > 0) {
        const struct log_slot *s = &ring[--at % SLOT_COUNT];
        if (s->part == 0 && s->level <= (uint8_t)level)
            lines--;
    }
    return at;
}

void log_dump(struct out *out, unsigned lines, enum log_level level)
{
    uint64_t next = __atomic_load_n(&next_slot, __ATOMIC_SEQ_CST);
    bool whole = false; /* the rest of a line whose first part is gone is left out */
    for (uint64_t at = dump_start(next, lines, level); at < next; at++) {
        struct log_slot copy;
        char text[SLOT_TEXT + STAMP_SIZE + 16];
        if (!slot_read(at, &copy)) {
            whole = false;
            continue;
        }
        whole = whole || copy.part == 0;
        if (whole && copy.level <= (uint8_t)level)
            out_write(out, text, slot_format(&copy, text, sizeof(text)));
    }
}

static void out_log_write(struct out *out, const char *text, size_t length)
{
    struct out_log *l = container_of(out, struct out_log, out);
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '\n') {
            if (l->used < sizeof(l->line))
                l->line[l->used++] = text[i];
            continue;
        }
        log_info("%.*s", (int)l->used, l->line);
        l->used = 0;
    }
}

void out_log_init(struct out_log *l)
{
    l->out.write = out_log_write;
    l->used = 0;
}
