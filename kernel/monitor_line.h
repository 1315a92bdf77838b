/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The monitor's line editor: bytes in, a finished line out. It knows no terminal width: it shows a
 * window of LINE_COLUMNS characters after the prompt and needs only CR, "erase to end of line" and
 * "cursor right" of the terminal (ECMA-48). Text is UTF-8, each code point one column.
 */
#ifndef KERNEL_MONITOR_LINE_H
#define KERNEL_MONITOR_LINE_H

#include "kernel/log.h"

#define LINE_SIZE    256 /* bytes, NUL included */
#define LINE_COLUMNS 70  /* shown after the prompt: a line of 79 with the monitor's */
#define LINE_HISTORY 32
#define LINE_SHOWN   (LINE_COLUMNS * 4 + 48)

/* For completion: calls found() with each word that may stand after the first `line_length` bytes
 * of `line`; those that do not begin with what is typed are left out by the editor. */
typedef void line_complete_fn(const char *line, size_t line_length,
                              void (*found)(const char *word, void *arg), void *arg);

struct line_editor {
    const char *prompt;
    line_complete_fn *complete; /* or NULL */
    char text[LINE_SIZE];
    size_t length, cursor; /* bytes */
    size_t view;           /* offset of the first character shown */
    char killed[LINE_SIZE];
    char history[LINE_HISTORY][LINE_SIZE];
    unsigned history_count; /* lines ever added */
    unsigned history_at;    /* of the line that is shown; history_count: the one being typed */
    char typed[LINE_SIZE];  /* that line, while an older one is shown */
    uint8_t escape[8];      /* bytes of an escape sequence so far */
    unsigned escape_length;
    bool after_cr, after_tab;
    char shown[LINE_SHOWN]; /* what draws the line again, from CR to the cursor's place */
    size_t shown_length;
};

enum line_event {
    LINE_EDITING,
    LINE_FINISHED,  /* the line is in `text`; begin the next one with line_begin() */
    LINE_CANCELLED, /* Ctrl-C: the same, but empty */
};

void line_init(struct line_editor *e, const char *prompt, line_complete_fn *complete);
/* Shows the prompt of an empty line. */
void line_begin(struct line_editor *e, struct out *out);
/* One byte typed; what it changes on the terminal goes to `out`. */
enum line_event line_feed(struct line_editor *e, uint8_t byte, struct out *out);

#endif
