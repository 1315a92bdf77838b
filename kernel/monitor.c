/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The monitor: finds and runs commands, and serves the one session of all consoles. See
 * kernel/monitor.h. */
#include "kernel/monitor.h"

#include <string.h>

#include "kernel/config.h"
#include "kernel/console.h"
#include "kernel/monitor_line.h"
#include "kernel/nearest.h"

#define COMMANDS_MAX 96 /* shown by `help` */
#define NAME_COLUMN  30
#define HELP_WIDTH   76
#define JSON_WORD    "-j" /* asks for the form for programs */

/* ---- Finding commands ---- */

/* True when `name` ("help", "vm list") is made of the first words of argv; their number goes to
 * *words. */
static bool name_matches(const char *name, int argc, char **argv, int *words)
{
    int n = 0;
    for (;;) {
        size_t length = strcspn(name, " ");
        if (n >= argc || strlen(argv[n]) != length || memcmp(argv[n], name, length) != 0)
            return false;
        n++;
        if (!name[length]) {
            *words = n;
            return true;
        }
        name += length + 1;
    }
}

static const struct monitor_command *find_command(int argc, char **argv, int *words)
{
    const struct monitor_command *best = NULL;
    int n;
    *words = 0;
    TABLE_FOR_EACH(monitor_commands, struct monitor_command, c)
    {
        if (name_matches(c->name, argc, argv, &n) && n > *words) {
            best = c;
            *words = n;
        }
    }
    return best;
}

static bool in_group(const struct monitor_command *c, const char *group)
{
    size_t length = strlen(group);
    return strncmp(c->name, group, length) == 0 && c->name[length] == ' ';
}

/* All commands (of `group`, when not NULL) by name; returns their number. */
static unsigned sorted_commands(const struct monitor_command **list, const char *group)
{
    unsigned count = 0;
    TABLE_FOR_EACH(monitor_commands, struct monitor_command, c)
    {
        if (count == COMMANDS_MAX || (group && !in_group(c, group)))
            continue;
        unsigned at = count++;
        for (; at && strcmp(list[at - 1]->name, c->name) > 0; at--)
            list[at] = list[at - 1];
        list[at] = c;
    }
    return count;
}

static void list_commands(struct out *out, const char *group)
{
    const struct monitor_command *list[COMMANDS_MAX];
    unsigned count = sorted_commands(list, group);
    for (unsigned i = 0; i < count; i++) {
        int used = (int)(strlen(list[i]->name) + strlen(list[i]->usage) + 1);
        int pad = MAX(NAME_COLUMN - used, 1);
        out_printf(out, "  %s %s%*s%s\n", list[i]->name, list[i]->usage, pad, "", list[i]->summary);
    }
}

static void unknown_command(struct out *out, int argc, char **argv)
{
    struct nearest n;
    const struct monitor_command *list[COMMANDS_MAX];
    if (sorted_commands(list, argv[0])) {
        if (argc > 1)
            out_printf(out, "%s has no command '%s'; it has:\n", argv[0], argv[1]);
        else
            out_printf(out, "%s needs one more word:\n", argv[0]);
        list_commands(out, argv[0]);
        return;
    }
    nearest_begin(&n, argv[0]);
    TABLE_FOR_EACH(monitor_commands, struct monitor_command, c)
    {
        if (!strchr(c->name, ' '))
            nearest_offer(&n, c->name);
    }
    out_printf(out, "There is no command '%s'. ", argv[0]);
    if (n.best)
        out_printf(out, "The nearest is '%s'; 'help' lists all.\n", n.best);
    else
        out_printf(out, "'help' lists what there is.\n");
}

/* ---- Running them ---- */

enum split { SPLIT_OK, SPLIT_QUOTE, SPLIT_MANY };

/* Takes one word off *text: quotes ' and " hold blanks together and vanish. False when a quote is
 * not closed. */
static bool take_word(char **text)
{
    char *from = *text, *to = *text, quote = 0;
    for (; *from && (quote || *from != ' '); from++) {
        if (quote ? *from == quote : *from == '"' || *from == '\'')
            quote = quote ? 0 : *from;
        else
            *to++ = *from;
    }
    *text = *from ? from + 1 : from;
    *to = 0;
    return !quote;
}

static enum split split(char *line, int *argc, char **argv)
{
    *argc = 0;
    for (;;) {
        line += strspn(line, " ");
        if (!*line)
            return SPLIT_OK;
        if (*argc == MONITOR_ARGS_MAX)
            return SPLIT_MANY;
        argv[(*argc)++] = line;
        if (!take_word(&line))
            return SPLIT_QUOTE;
    }
}

/* Takes JSON_WORD out of the words; true: it was among them. */
static bool take_json_word(int *argc, char **argv)
{
    int kept = 0;
    for (int i = 0; i < *argc; i++)
        if (strcmp(argv[i], JSON_WORD) != 0)
            argv[kept++] = argv[i];
    bool found = kept < *argc;
    *argc = kept;
    argv[kept] = NULL;
    return found;
}

static void run_words(struct out *out, struct json *j, int argc, char **argv)
{
    int words;
    const struct monitor_command *c = find_command(argc, argv, &words);
    if (!c)
        unknown_command(out, argc, argv);
    else if (j && c->json)
        c->json(j, out, argc - words, argv + words);
    else
        c->run(out, argc - words, argv + words);
}

static void execute_json(struct out *out, int argc, char **argv)
{
    struct json j;
    struct json_lines lines;
    json_init(&j, out);
    json_lines_init(&lines, &j, "message", NULL, NULL);
    run_words(&lines.out, &j, argc, argv);
    json_lines_finish(&lines);
}

void monitor_execute(struct out *out, char *line)
{
    char *argv[MONITOR_ARGS_MAX + 1] = {NULL};
    int argc;
    switch (split(line, &argc, argv)) {
    case SPLIT_QUOTE:
        out_printf(out, "A quote is not closed: end the word with the same quote.\n");
        return;
    case SPLIT_MANY:
        out_printf(out, "More than %d words: put words that belong together in quotes.\n",
                   MONITOR_ARGS_MAX);
        return;
    case SPLIT_OK:
        break;
    }
    bool json = take_json_word(&argc, argv);
    if (!argc)
        return;
    if (json)
        execute_json(out, argc, argv);
    else
        run_words(out, NULL, argc, argv);
}

/* ---- help ---- */

/* Breaks a paragraph at blanks so that its lines fit. */
static void print_paragraph(struct out *out, const char *text)
{
    size_t length;
    while ((length = strlen(text)) > HELP_WIDTH) {
        size_t n = HELP_WIDTH;
        while (n && text[n] != ' ')
            n--;
        if (!n)
            n = HELP_WIDTH;
        out_printf(out, "  %.*s\n", (int)n, text);
        text += n + (text[n] == ' ');
    }
    out_printf(out, "  %s\n", text);
}

static void run_help(struct out *out, int argc, char **argv)
{
    int words;
    if (!argc) {
        list_commands(out, NULL);
        out_printf(out, "'help COMMAND' tells more. Tab completes; Up and Down recall lines. With "
                        "-j a command\nprints JSON, for programs.\n");
        return;
    }
    const struct monitor_command *c = find_command(argc, argv, &words);
    if (!c) {
        unknown_command(out, argc, argv);
        return;
    }
    out_printf(out, "%s%s%s\n", c->name, c->usage[0] ? " " : "", c->usage);
    print_paragraph(out, c->help ? c->help : c->summary);
}

static void json_command(struct json *j, const struct monitor_command *c)
{
    json_begin(j, "command");
    json_string(j, "name", c->name);
    json_string(j, "usage", c->usage);
    json_string(j, "summary", c->summary);
    json_string(j, "help", c->help);
    json_end(j);
}

static void json_help(struct json *j, struct out *out, int argc, char **argv)
{
    const struct monitor_command *list[COMMANDS_MAX], *c;
    unsigned count = argc ? 0 : sorted_commands(list, NULL);
    int words;
    for (unsigned i = 0; i < count; i++)
        json_command(j, list[i]);
    if (!argc)
        return;
    c = find_command(argc, argv, &words);
    if (c)
        json_command(j, c);
    else
        unknown_command(out, argc, argv);
}

/* ---- Completion ---- */

/* Word number `index` of `name`, copied to `word`; false when there is none or it does not fit. */
static bool word_of(const char *name, int index, char *word, size_t size)
{
    while (index--) {
        name += strcspn(name, " ");
        if (!*name++)
            return false;
    }
    size_t n = strcspn(name, " ");
    if (!n || n >= size)
        return false;
    memcpy(word, name, n);
    word[n] = 0;
    return true;
}

/* True when the first `count` words of the name are argv's. */
static bool begins_with(const char *name, int count, char **argv)
{
    char word[LINE_SIZE];
    for (int i = 0; i < count; i++)
        if (!word_of(name, i, word, sizeof(word)) || strcmp(word, argv[i]) != 0)
            return false;
    return true;
}

/* Offers word `count` of all commands that begin with argv, each once: neighbours in the sorted
 * list are the same. */
static void complete_name(int count, char **argv, void (*found)(const char *word, void *arg),
                          void *arg)
{
    const struct monitor_command *list[COMMANDS_MAX];
    char word[LINE_SIZE], last[LINE_SIZE] = "";
    unsigned n = sorted_commands(list, NULL);
    for (unsigned i = 0; i < n; i++) {
        if (!begins_with(list[i]->name, count, argv) ||
            !word_of(list[i]->name, count, word, sizeof(word)) || strcmp(word, last) == 0)
            continue;
        found(word, arg);
        memcpy(last, word, sizeof(last));
    }
}

static void monitor_complete(const char *line, size_t length,
                             void (*found)(const char *word, void *arg), void *arg)
{
    char copy[LINE_SIZE], *words[MONITOR_ARGS_MAX + 1] = {NULL};
    char **argv = words;
    int argc, used;
    memcpy(copy, line, length);
    copy[length] = 0;
    if (split(copy, &argc, argv) != SPLIT_OK)
        return;
    (void)take_json_word(&argc, argv);
    if (argc && strcmp(argv[0], "help") == 0) {
        complete_name(argc - 1, argv + 1, found, arg);
        return;
    }
    const struct monitor_command *c = find_command(argc, argv, &used);
    if (c && c->complete)
        c->complete(argc - used, found, arg);
    if (!c || argc == used)
        complete_name(argc, argv, found, arg);
}

/* ---- The session ---- */

static struct line_editor editor;

void monitor_main(void *unused)
{
    struct out *out = console_out();
    (void)unused;
    console_refresh_start();
    line_init(&editor, MONITOR_PROMPT, monitor_complete);
    for (;;) {
        enum line_event event = LINE_EDITING;
        unsigned lines = console_log_lines();
        line_begin(&editor, out);
        while (event == LINE_EDITING) {
            if (!console_set_edit_line(editor.shown, editor.shown_length, lines))
                out_write(out, editor.shown, editor.shown_length);
            int byte = console_read(UINT64_MAX);
            lines = console_log_lines();
            if (byte >= 0)
                event = line_feed(&editor, (uint8_t)byte, out);
        }
        if (!console_set_edit_line("", 0, lines))
            out_write(out, CONSOLE_ERASE_LINE, sizeof(CONSOLE_ERASE_LINE) - 1);
        if (event == LINE_FINISHED)
            monitor_execute(out, editor.text);
    }
}

static void run_clear(struct out *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    out_printf(out, "\033[H\033[2J");
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_help) = {
    .name = "help",
    .usage = "[COMMAND]",
    .summary = "Lists the commands, or tells about one",
    .run = run_help,
    .json = json_help,
};
TABLE_ENTRY(monitor_commands, struct monitor_command, command_clear) = {
    .name = "clear",
    .usage = "",
    .summary = "Clears the screen",
    .run = run_clear,
};
