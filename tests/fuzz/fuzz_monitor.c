/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Fuzzes what is typed at the monitor: line editor, completion, splitting and finding of commands.
 */
#include <stdint.h>
#include <stdlib.h>

#include "kernel/monitor.c"
#include "kernel/monitor_line.c"
#include "kernel/nearest.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void swallow(struct out *out, const char *text, size_t length)
{
    static volatile char last __attribute__((unused)); /* keeps the reads */
    (void)out;
    for (size_t i = 0; i < length; i++)
        last = text[i];
}

static struct out nowhere = {swallow};

struct out *console_out(void)
{
    return &nowhere;
}

bool console_set_edit_line(const char *text, size_t length, unsigned since)
{
    swallow(NULL, text, length);
    return since == 0;
}

unsigned console_log_lines(void)
{
    return 0;
}

int console_read(uint64_t deadline)
{
    (void)deadline;
    return -1;
}

void console_refresh_start(void)
{
}

void config_print(struct out *out)
{
    (void)out;
}

void config_json(struct json *j)
{
    (void)j;
}

static void complete_name_of_guest(int index, void (*found)(const char *word, void *arg), void *arg)
{
    if (index == 0)
        found("a-guest", arg);
}

static void run_start(struct out *out, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        out_printf(out, "%s", argv[i]);
}

TABLE_ENTRY(monitor_commands, struct monitor_command,
            command_start) = {.name = "vm start",
                              .usage = "NAME",
                              .summary = "starts",
                              .run = run_start,
                              .complete = complete_name_of_guest};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    line_init(&editor, MONITOR_PROMPT, monitor_complete);
    line_begin(&editor, &nowhere);
    for (size_t i = 0; i < size; i++) {
        enum line_event event = line_feed(&editor, data[i], &nowhere);
        if (editor.cursor > editor.length || editor.length >= LINE_SIZE ||
            editor.text[editor.length])
            abort();
        if (event == LINE_FINISHED)
            monitor_execute(&nowhere, editor.text);
        if (event != LINE_EDITING)
            line_begin(&editor, &nowhere);
    }
    return 0;
}
