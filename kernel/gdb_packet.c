/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Framing of the GDB remote protocol (GDB manual, E.1), hexadecimal text, and links. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "kernel/gdb.h"
#include "kernel/thread.h"

#define CTRL_C     0x03
#define ESCAPE     '}'
#define ESCAPE_XOR 0x20

LOCK_CLASS(link_lock_class, "debugger's link", RANK_GDB_LINK);

/* ---- What comes ---- */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void begin(struct gdb_packet *p)
{
    p->state = GDB_INSIDE;
    p->length = 0;
    p->sum = 0;
    p->too_long = false;
}

static void append(struct gdb_packet *p, uint8_t byte)
{
    if (p->length == GDB_PACKET_MAX)
        p->too_long = true;
    else
        p->text[p->length++] = (char)byte;
}

static enum gdb_input feed_outside(struct gdb_packet *p, uint8_t byte)
{
    switch (byte) {
    case '$':
        begin(p);
        return GDB_MORE;
    case CTRL_C:
        return GDB_INTERRUPT;
    case '+':
        return GDB_ACK;
    case '-':
        return GDB_NAK;
    default:
        return GDB_MORE;
    }
}

static enum gdb_input feed_inside(struct gdb_packet *p, uint8_t byte)
{
    if (byte == '#') {
        p->state = GDB_SUM_HIGH;
        return GDB_MORE;
    }
    if (byte == '$') { /* the one before was cut off */
        begin(p);
        return GDB_MORE;
    }
    p->sum = (uint8_t)(p->sum + byte);
    if (p->state == GDB_ESCAPED)
        append(p, byte ^ ESCAPE_XOR);
    else if (byte != ESCAPE)
        append(p, byte);
    p->state = p->state == GDB_INSIDE && byte == ESCAPE ? GDB_ESCAPED : GDB_INSIDE;
    return GDB_MORE;
}

static enum gdb_input finish(struct gdb_packet *p, int low)
{
    bool right = low >= 0 && (p->sent_sum | low) == p->sum;

    p->state = GDB_OUTSIDE;
    p->text[p->length] = '\0';
    return right && !p->too_long ? GDB_PACKET : GDB_BROKEN;
}

enum gdb_input gdb_packet_feed(struct gdb_packet *p, uint8_t byte)
{
    int value;

    switch (p->state) {
    case GDB_OUTSIDE:
        return feed_outside(p, byte);
    case GDB_INSIDE:
    case GDB_ESCAPED:
        return feed_inside(p, byte);
    case GDB_SUM_HIGH:
        value = digit_value((char)byte);
        p->state = value < 0 ? GDB_OUTSIDE : GDB_SUM_LOW;
        if (value < 0)
            return GDB_BROKEN;
        p->sent_sum = (uint8_t)(value << 4);
        return GDB_MORE;
    default:
        return finish(p, digit_value((char)byte));
    }
}

bool gdb_hex(const char **text, uint64_t *value)
{
    const char *from = *text;
    int digit;

    *value = 0;
    while ((digit = digit_value(**text)) >= 0) {
        if (*value >> 60)
            return false;
        *value = *value << 4 | (unsigned)digit;
        ++*text;
    }
    return *text != from;
}

bool gdb_hex_bytes(const char **text, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++, *text += 2) {
        int high = digit_value((*text)[0]), low = high < 0 ? -1 : digit_value((*text)[1]);

        if (low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* ---- What goes ---- */

void gdb_reply_printf(struct gdb_reply *r, const char *fmt, ...)
{
    va_list args;
    int length;

    va_start(args, fmt);
    length = vsnprintf(r->text + r->length, sizeof(r->text) - r->length, fmt, args);
    va_end(args);
    if (length > 0)
        r->length = MIN(r->length + (size_t)length, sizeof(r->text) - 1);
}

void gdb_reply_text(struct gdb_reply *r, const char *text)
{
    size_t length = MIN(strlen(text), sizeof(r->text) - 1 - r->length);

    memcpy(r->text + r->length, text, length);
    r->length += length;
    r->text[r->length] = '\0';
}

void gdb_reply_hex(struct gdb_reply *r, const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;

    for (size_t i = 0; i < size && r->length + 2 < sizeof(r->text); i++) {
        r->text[r->length++] = digits[from[i] >> 4];
        r->text[r->length++] = digits[from[i] & 15];
    }
    r->text[r->length] = '\0';
}

void gdb_reply_binary(struct gdb_reply *r, const void *bytes, size_t size)
{
    static const char escaped[] = "$#}*\n\r"; /* links may change line ends */
    const char *from = bytes;

    for (size_t i = 0; i < size && r->length + 2 < sizeof(r->text); i++) {
        bool escape = from[i] && strchr(escaped, from[i]);

        if (escape)
            r->text[r->length++] = ESCAPE;
        r->text[r->length++] = (char)(escape ? from[i] ^ ESCAPE_XOR : from[i]);
    }
    r->text[r->length] = '\0';
}

/* ---- Links ---- */

void gdb_link_init(struct gdb_link *link, const char *name,
                   void (*write)(struct gdb_link *link, const char *text, size_t length))
{
    memset(link, 0, sizeof(*link));
    link->name = name;
    link->write = write;
    wait_queue_init(&link->changed);
    spin_init(&link->lock, &link_lock_class);
}

void gdb_link_wake(struct gdb_link *link)
{
    wake_all(&link->changed);
}

void gdb_link_input(struct gdb_link *link, const char *text, size_t length)
{
    uint64_t flags = spin_lock_irq(&link->lock);

    for (size_t i = 0; i < length && link->head - link->tail < GDB_RING_SIZE; i++)
        link->ring[link->head++ % GDB_RING_SIZE] = text[i];
    spin_unlock_irq(&link->lock, flags);
    gdb_link_wake(link);
}

void gdb_link_close(struct gdb_link *link)
{
    WRITE_ONCE(link->closed, true);
    gdb_link_wake(link);
}

bool gdb_link_has_input(struct gdb_link *link)
{
    return READ_ONCE(link->head) != READ_ONCE(link->tail);
}

int gdb_link_get(struct gdb_link *link)
{
    uint64_t flags = spin_lock_irq(&link->lock);
    int byte = link->head == link->tail ? -1 : (uint8_t)link->ring[link->tail++ % GDB_RING_SIZE];

    spin_unlock_irq(&link->lock, flags);
    return byte;
}
