/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The monitor: a command line on every console. Commands are TABLE_ENTRY(monitor_commands, ...)
 * beside what they show. */
#ifndef KERNEL_MONITOR_H
#define KERNEL_MONITOR_H

#include "kernel/json.h"
#include "kernel/log.h"
#include "kernel/table.h"

#define MONITOR_ARGS_MAX 16
#define MONITOR_PROMPT   "ennead> "

struct monitor_command {
    const char *name;    /* one word, or two for a group: "vm list" */
    const char *usage;   /* arguments: "NAME", "[LINES]" or "" */
    const char *summary; /* one line, for `help` */
    const char *help;    /* a paragraph for `help NAME`, or NULL */
    /* argv[0] is the first word after the name. Errors are said in `out`, with what to do next. */
    void (*run)(struct out *out, int argc, char **argv);
    /* The same for programs, when -j stands among the words (it is not in argv then): objects to
     * `j`. What is said in `out` becomes {"record":"message","text":...}. NULL: each line that
     * run() prints does. */
    void (*json)(struct json *j, struct out *out, int argc, char **argv);
    /* Completion of argument `index`: calls found() with each candidate; NULL for none. */
    void (*complete)(int index, void (*found)(const char *word, void *arg), void *arg);
};
TABLE_DECLARE(monitor_commands, struct monitor_command);

/* Splits and runs one line (modified in place). */
void monitor_execute(struct out *out, char *line);
/* The monitor's thread: reads the console for ever. */
void monitor_main(void *unused);

#endif
