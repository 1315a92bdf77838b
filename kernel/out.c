/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Formatted text into sinks. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "kernel/log.h"

#define OUT_CHUNK 256 /* longest result of one out_printf() */

void out_write(struct out *out, const char *text, size_t length)
{
    out->write(out, text, length);
}

void out_printf(struct out *out, const char *fmt, ...)
{
    char text[OUT_CHUNK];
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (length > 0)
        out->write(out, text, MIN((size_t)length, sizeof(text) - 1));
}

static void buffer_write(struct out *out, const char *text, size_t length)
{
    struct out_buffer *b = container_of(out, struct out_buffer, out);
    if (b->size == 0)
        return;
    size_t n = MIN(length, b->size - 1 - b->used);
    memcpy(b->text + b->used, text, n);
    b->used += n;
    b->text[b->used] = '\0';
}

void out_buffer_init(struct out_buffer *b, char *text, size_t size)
{
    *b = (struct out_buffer){.out = {.write = buffer_write}, .text = text, .size = size};
    if (size > 0)
        text[0] = '\0';
}
