/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Writes JSON Lines. See kernel/json.h. */
#include "kernel/json.h"

#include <stdio.h>
#include <string.h>

#define STRING_MAX  256 /* of json_printf() */
#define REPLACEMENT "\\ufffd"

static void flush(struct json *j)
{
    out_write(j->out, j->text, j->used);
    j->used = 0;
}

static void put(struct json *j, const char *text, size_t length)
{
    while (length) {
        size_t n = MIN(length, sizeof(j->text) - j->used);

        memcpy(j->text + j->used, text, n);
        j->used += n;
        text += n;
        length -= n;
        if (j->used == sizeof(j->text))
            flush(j);
    }
}

static void put_text(struct json *j, const char *text)
{
    put(j, text, strlen(text));
}

/* ---- Strings ---- */

/* Bytes of the character at `text` (Unicode 15, table 3-7), 0: it is none. */
static size_t utf8_length(const uint8_t *text, size_t size)
{
    static const struct {
        uint8_t first, last, low, high; /* of the first byte, of the second */
        uint8_t length;
    } forms[] = {
        {0x20, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        size_t n = forms[i].length;

        if (*text < forms[i].first || *text > forms[i].last)
            continue;
        if (n > size || (n > 1 && (text[1] < forms[i].low || text[1] > forms[i].high)))
            return 0;
        for (size_t k = 2; k < n; k++)
            if ((text[k] & 0xc0) != 0x80)
                return 0;
        return n;
    }
    return 0;
}

static void put_control(struct json *j, uint8_t c)
{
    char text[8];
    int n = snprintf(text, sizeof(text), "\\u%04x", c);

    put(j, text, (size_t)n);
}

static void put_string(struct json *j, const char *text, size_t length)
{
    put(j, "\"", 1);
    while (length) {
        uint8_t c = (uint8_t)*text;
        size_t n = utf8_length((const uint8_t *)text, length);

        if (c == '"' || c == '\\')
            put(j, "\\", 1);
        if (n)
            put(j, text, n);
        else if (c == '\n')
            put(j, "\\n", 2);
        else if (c < ' ')
            put_control(j, c);
        else
            put_text(j, REPLACEMENT);
        n = MAX(n, (size_t)1);
        text += n;
        length -= n;
    }
    put(j, "\"", 1);
}

/* ---- Members ---- */

static void begin_value(struct json *j, const char *name)
{
    if (j->comma)
        put(j, ",", 1);
    j->comma = true;
    if (!name)
        return;
    put_string(j, name, strlen(name));
    put(j, ":", 1);
}

void json_text(struct json *j, const char *name, const char *text, size_t length)
{
    begin_value(j, name);
    put_string(j, text, length);
}

void json_string(struct json *j, const char *name, const char *text)
{
    if (text)
        json_text(j, name, text, strlen(text));
    else
        json_null(j, name);
}

void json_printf(struct json *j, const char *name, const char *fmt, ...)
{
    char text[STRING_MAX];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    json_text(j, name, text, n > 0 ? MIN((size_t)n, sizeof(text) - 1) : 0);
}

static void put_number(struct json *j, const char *name, const char *fmt, uint64_t a, uint64_t b)
{
    char text[32];
    int n = snprintf(text, sizeof(text), fmt, (unsigned long long)a, (unsigned long long)b);

    begin_value(j, name);
    put(j, text, (size_t)n);
}

void json_number(struct json *j, const char *name, uint64_t value)
{
    put_number(j, name, "%llu", value, 0);
}

void json_tenths(struct json *j, const char *name, uint64_t tenths)
{
    put_number(j, name, "%llu.%llu", tenths / 10, tenths % 10);
}

void json_hex(struct json *j, const char *name, uint64_t value)
{
    put_number(j, name, "\"0x%llx\"", value, 0);
}

void json_bool(struct json *j, const char *name, bool value)
{
    begin_value(j, name);
    put_text(j, value ? "true" : "false");
}

void json_null(struct json *j, const char *name)
{
    begin_value(j, name);
    put_text(j, "null");
}

/* ---- Levels ---- */

static void open_level(struct json *j, const char *name, char opening, char closing)
{
    begin_value(j, name);
    put(j, &opening, 1);
    if (j->depth < JSON_DEPTH_MAX)
        j->closing[j->depth] = closing;
    j->depth++;
    j->comma = false;
}

void json_object(struct json *j, const char *name)
{
    open_level(j, name, '{', '}');
}

void json_array(struct json *j, const char *name)
{
    open_level(j, name, '[', ']');
}

void json_close(struct json *j)
{
    if (!j->depth)
        return;
    j->depth--;
    if (j->depth < JSON_DEPTH_MAX)
        put(j, &j->closing[j->depth], 1);
    j->comma = true;
}

void json_init(struct json *j, struct out *out)
{
    j->out = out;
    j->used = 0;
    j->depth = 0;
    j->comma = false;
}

void json_begin(struct json *j, const char *record)
{
    j->comma = false;
    json_object(j, NULL);
    json_string(j, "record", record);
}

void json_end(struct json *j)
{
    while (j->depth)
        json_close(j);
    put(j, "\n", 1);
    flush(j);
}

/* ---- Lines of text ---- */

static void lines_flush(struct json_lines *l)
{
    json_begin(l->json, l->record);
    if (l->key)
        json_string(l->json, l->key, l->value);
    json_text(l->json, "text", l->line, l->used);
    json_end(l->json);
    l->used = 0;
}

static void lines_write(struct out *out, const char *text, size_t length)
{
    struct json_lines *l = container_of(out, struct json_lines, out);

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n' || l->used == sizeof(l->line))
            lines_flush(l);
        if (text[i] != '\n')
            l->line[l->used++] = text[i];
    }
}

void json_lines_init(struct json_lines *l, struct json *j, const char *record, const char *key,
                     const char *value)
{
    l->out.write = lines_write;
    l->json = j;
    l->record = record;
    l->key = key;
    l->value = value;
    l->used = 0;
}

void json_lines_finish(struct json_lines *l)
{
    if (l->used)
        lines_flush(l);
}
