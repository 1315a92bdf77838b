/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The log: levels, a ring buffer, consoles behind it.
 *
 * The contract of levels: ERROR, the hypervisor or its host is broken and somebody must act; a
 * guest, a configuration file or a disk can never cause one. WARN: something asked for is not there
 * or was refused, the system goes on (bad configuration, a guest stopped). INFO: what a person at
 * the console wants to know once. DEBUG: for developers, not printed on consoles by default. Lines
 * caused by a guest go through log_guest(), which limits their rate per VM.
 */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include <stdarg.h>
#include "kernel/types.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Appends one line (no newline needed; control characters are replaced). Any context, NMI excepted.
 */
void log_print(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same with an argument list; "PREFIX: " before the text when `prefix` is not NULL. */
void log_vprint(enum log_level level, const char *prefix, const char *fmt, va_list args)
    PRINTF_LIKE(3, 0);

#define log_error(...) log_print(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_print(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_print(LOG_DEBUG, __VA_ARGS__)

struct vm;
/* A line about `vm`, at most 10 a second for each VM; suppressed ones are counted and said. Never
 * above LOG_WARN. */
void log_guest(struct vm *vm, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A sink of formatted text: a console, a monitor session, a buffer. `write` gets UTF-8, LF line
 * ends. */
struct out {
    void (*write)(struct out *out, const char *text, size_t length);
};
void out_printf(struct out *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
void out_write(struct out *out, const char *text, size_t length);

/* A sink into a fixed buffer: keeps what fits, always NUL-terminated. */
struct out_buffer {
    struct out out;
    char *text;
    size_t size, used;
};
void out_buffer_init(struct out_buffer *b, char *text, size_t size);

/* A sink whose lines become lines of the log, at LOG_INFO; what is longer than a line of it is cut.
 */
struct out_log {
    struct out out;
    size_t used;
    char line[160];
};
void out_log_init(struct out_log *l);

/* Writes the last `lines` lines of the ring (0: all) with time stamps, level at most `level`. */
void log_dump(struct out *out, unsigned lines, enum log_level level);

#endif
