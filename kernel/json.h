/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * JSON Lines (RFC 8259), for programs that read the monitor: one object per line, which reaches the
 * sink in one piece where it fits JSON_LINE_SIZE bytes, so that log lines do not come in between.
 *
 *     json_begin(&j, "vm");                 {"record":"vm","name":"web","cpus":2}
 *     json_string(&j, "name", vm->name);
 *     json_number(&j, "cpus", 2);
 *     json_end(&j);
 *
 * Names of members and records are stable: new ones may come, none changes its meaning. In arrays
 * `name` is NULL. Numbers above 2^53 (addresses, registers) are strings, "0x...": json_hex().
 */
#ifndef KERNEL_JSON_H
#define KERNEL_JSON_H

#include "kernel/log.h"

#define JSON_LINE_SIZE 1024
#define JSON_DEPTH_MAX 8

struct json {
    struct out *out;
    size_t used;
    unsigned depth;
    bool comma;                   /* something stands before it on its level */
    char closing[JSON_DEPTH_MAX]; /* of each level */
    char text[JSON_LINE_SIZE];
};
void json_init(struct json *j, struct out *out);

/* A line: an object with "record" as its first member. */
void json_begin(struct json *j, const char *record);
void json_end(struct json *j);

/* Any bytes: what is no UTF-8 becomes U+FFFD. NULL: null. */
void json_string(struct json *j, const char *name, const char *text);
void json_text(struct json *j, const char *name, const char *text, size_t length);
void json_printf(struct json *j, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void json_number(struct json *j, const char *name, uint64_t value);
/* A number with one decimal. */
void json_tenths(struct json *j, const char *name, uint64_t tenths);
void json_hex(struct json *j, const char *name, uint64_t value);
void json_bool(struct json *j, const char *name, bool value);
void json_null(struct json *j, const char *name);

/* An object or an array inside, up to JSON_DEPTH_MAX levels; json_close() ends the innermost. */
void json_object(struct json *j, const char *name);
void json_array(struct json *j, const char *name);
void json_close(struct json *j);

/* A sink that makes each line of text {"record":RECORD,KEY:VALUE,"text":"..."}; `key` NULL: without
 * it. What is longer than a line of the sink becomes several. */
struct json_lines {
    struct out out;
    struct json *json;
    const char *record, *key, *value;
    size_t used;
    char line[240];
};
void json_lines_init(struct json_lines *l, struct json *j, const char *record, const char *key,
                     const char *value);
/* What came after the last line's end. */
void json_lines_finish(struct json_lines *l);

#endif
