/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The monitor: keys typed, what the terminal shows, commands found and run. Stands alone: includes
 * what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Both have functions of these names. */
#define line_feed terminal_line_feed
#define control   terminal_control
#include "drivers/display/terminal.c"
#include "drivers/display/terminal_rendition.c"
#undef line_feed
#undef control
#undef ESC
#include "kernel/monitor.c"
#include "kernel/monitor_line.c"
#include "kernel/nearest.c"
#include "kernel/out.c"

#define ENTER "\r"

/* ---- What the monitor stands on ---- */

static struct terminal screen; /* the terminal that the session is shown on */
static char output[16384];
static struct out_buffer printed;

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

/* A whole session: keys, and a line of the log that comes right behind one of its writes. */
static struct {
    const char *keys; /* NULL: there is none */
    unsigned writes, log_behind, log_lines;
    char edit[LINE_SHOWN];
    size_t edit_length;
    jmp_buf end;
} session;

static void log_line_comes(void)
{
    static const char text[] = CONSOLE_ERASE_LINE "a line of the log\n";

    session.log_lines++;
    terminal_write(&screen, text, sizeof(text) - 1);
    terminal_write(&screen, session.edit, session.edit_length);
}

static void session_write(struct out *out, const char *text, size_t length)
{
    (void)out;
    terminal_write(&screen, text, length);
    if (session.writes++ == session.log_behind)
        log_line_comes();
}

struct out *console_out(void)
{
    static struct out shown = {session_write};

    return session.keys ? &shown : &printed.out;
}

bool console_set_edit_line(const char *text, size_t length, unsigned since)
{
    assert_true(length <= sizeof(session.edit));
    memcpy(session.edit, text, length);
    session.edit_length = length;
    return since == session.log_lines;
}

unsigned console_log_lines(void)
{
    return session.log_lines;
}

int console_read(uint64_t deadline)
{
    (void)deadline;
    if (!*session.keys)
        longjmp(session.end, 1);
    return (uint8_t)*session.keys++;
}

void console_refresh_start(void)
{
}

void config_print(struct out *out)
{
    out_printf(out, "the configuration\n");
}

void config_json(struct json *j)
{
    (void)j;
}

/* ---- Commands of this test ---- */

static char ran[256];

static void note(const char *name, int argc, char **argv)
{
    snprintf(ran, sizeof(ran), "%s", name);
    for (int i = 0; i < argc; i++)
        snprintf(ran + strlen(ran), sizeof(ran) - strlen(ran), "|%s", argv[i]);
}

static void run_vm_list(struct out *out, int argc, char **argv)
{
    (void)out;
    note("vm list", argc, argv);
}

static void json_vm_list(struct json *j, struct out *out, int argc, char **argv)
{
    note("vm list", argc, argv);
    json_begin(j, "test");
    json_number(j, "n", 1);
    json_end(j);
    out_printf(out, "said \"so\"\n");
}

static void run_vm_start(struct out *out, int argc, char **argv)
{
    (void)out;
    note("vm start", argc, argv);
}

static void complete_vm(int index, void (*found)(const char *word, void *arg), void *arg)
{
    if (index != 0)
        return;
    found("web", arg);
    found("webcam", arg);
    found("database", arg);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_vm_list) = {.name = "vm list",
                                                                          .usage = "",
                                                                          .summary = "lists guests",
                                                                          .run = run_vm_list,
                                                                          .json = json_vm_list};
TABLE_ENTRY(monitor_commands, struct monitor_command,
            command_vm_start) = {.name = "vm start",
                                 .usage = "NAME",
                                 .summary = "starts a guest",
                                 .run = run_vm_start,
                                 .complete = complete_vm};

/* ---- Typing ---- */

static struct line_editor e;

static int setup(void **state)
{
    (void)state;
    out_buffer_init(&printed, output, sizeof(output));
    ran[0] = 0;
    line_init(&e, MONITOR_PROMPT, monitor_complete);
    line_begin(&e, &printed.out);
    return terminal_init(&screen, 80, 24);
}

static int teardown(void **state)
{
    (void)state;
    terminal_destroy(&screen);
    return 0;
}

/* Types `keys`; the event of the last one. */
static enum line_event type_keys(const char *keys)
{
    enum line_event event = LINE_EDITING;
    for (; *keys; keys++) {
        event = line_feed(&e, (uint8_t)*keys, &printed.out);
        assert_true(e.cursor <= e.length && e.length < LINE_SIZE && e.text[e.length] == 0);
    }
    return event;
}

/* The terminal shows the line `text` with the cursor at byte `cursor`. */
static void expect_shown(const char *text, size_t cursor)
{
    char shown[81];
    const struct cell *cells = terminal_row(&screen, screen.row);
    for (int i = 0; i < 80; i++)
        shown[i] = (char)cells[i].code;
    size_t prompt = strlen(MONITOR_PROMPT), length = strlen(text);
    assert_memory_equal(shown, MONITOR_PROMPT, prompt);
    assert_memory_equal(shown + prompt, text, length);
    for (size_t i = prompt + length; i < 80; i++)
        assert_int_equal(shown[i], ' ');
    assert_int_equal(screen.column, prompt + cursor);
}

/* The line is `text` with the cursor at byte `cursor`, and the terminal shows the same. */
static void expect_line(const char *text, size_t cursor)
{
    assert_string_equal(e.text, text);
    assert_int_equal(e.cursor, cursor);
    terminal_write(&screen, output, printed.used);
    out_buffer_init(&printed, output, sizeof(output));
    expect_shown(text, cursor);
}

static void typing_and_erasing(void **state)
{
    (void)state;
    type_keys("hello");
    expect_line("hello", 5);
    type_keys("\x7f\x08");
    expect_line("hel", 3);
    type_keys("\x01x\x05y");
    expect_line("xhely", 5);
    type_keys("\033[D\033[D\033[3~");
    expect_line("xhey", 3);
    type_keys("\033[H\033[Ca\033OF\033[1~b\033[4~c");
    expect_line("bxaheyc", 7);
}

static void words_and_killing(void **state)
{
    (void)state;
    type_keys("one two three");
    type_keys("\x17");
    expect_line("one two ", 8);
    type_keys("\033b\033b");
    expect_line("one two ", 0);
    type_keys("\033d");
    expect_line(" two ", 0);
    type_keys("\x05\x19");
    expect_line(" two one", 8);
    type_keys("\033[1;5D\x0b");
    expect_line(" two ", 5);
    type_keys("\x15");
    expect_line("", 0);
}

static void utf8_is_one_character(void **state)
{
    (void)state;
    type_keys("a\xc3\xa4"
              "b\033[D\033[D");
    assert_int_equal(e.cursor, 1);
    type_keys("\033[3~");
    expect_line("ab", 1);
}

static void lines_longer_than_the_window(void **state)
{
    char text[LINE_SIZE + 20];
    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = 0;
    type_keys(text);
    assert_int_equal(e.length, LINE_SIZE - 1); /* more is not taken */
    terminal_write(&screen, output, printed.used);
    assert_int_equal(screen.row, 0); /* never wraps */
    type_keys("\x01");
    assert_int_equal(e.view, 0);
    assert_int_equal(type_keys(ENTER), LINE_FINISHED);
    assert_int_equal(strlen(e.text), LINE_SIZE - 1);
}

static void history(void **state)
{
    (void)state;
    static const char *const lines[] = {"first", "second", "second", ""};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        type_keys(lines[i]);
        assert_int_equal(type_keys(ENTER), LINE_FINISHED);
        line_begin(&e, &printed.out);
    }
    type_keys("new\033[A");
    expect_line("second", 6);
    type_keys("\x10");
    expect_line("first", 5);
    type_keys("\033[A\033[B\033[B");
    expect_line("new", 3);
    type_keys("\033[B");
    expect_line("new", 3);
}

static void ends_of_lines(void **state)
{
    (void)state;
    assert_int_equal(type_keys("a\r"), LINE_FINISHED);
    line_begin(&e, &printed.out);
    assert_int_equal(type_keys("\n"), LINE_EDITING); /* the LF of CR LF */
    assert_int_equal(type_keys("\n"), LINE_FINISHED);
    line_begin(&e, &printed.out);
    assert_int_equal(type_keys("junk\x03"), LINE_CANCELLED);
    assert_string_equal(e.text, "");
}

static void completion(void **state)
{
    (void)state;
    type_keys("v\t");
    expect_line("vm ", 3);
    type_keys("s\t");
    expect_line("vm start ", 9);
    type_keys("w\t");
    expect_line("vm start web", 12);
    type_keys("\t\t");
    assert_non_null(strstr(output, "web  webcam"));
    expect_line("vm start web", 12);
    type_keys("c\t");
    expect_line("vm start webcam ", 16);
    type_keys("\x15"
              "help vm l\t");
    expect_line("help vm list ", 13);
    type_keys("\x15zz\t");
    expect_line("zz", 2);
}

static void rubbish_stays_inside(void **state)
{
    uint64_t random = 7;
    (void)state;
    for (int i = 0; i < 100000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (line_feed(&e, (uint8_t)(random >> 8), &printed.out) != LINE_EDITING)
            line_begin(&e, &printed.out);
        assert_true(e.cursor <= e.length && e.length < LINE_SIZE && e.view <= e.length);
        out_buffer_init(&printed, output, sizeof(output));
    }
}

/* ---- Commands ---- */

static void execute(const char *text)
{
    char line[LINE_SIZE];
    snprintf(line, sizeof(line), "%s", text);
    ran[0] = 0;
    out_buffer_init(&printed, output, sizeof(output));
    monitor_execute(&printed.out, line);
}

static void commands_get_their_arguments(void **state)
{
    (void)state;
    execute("  vm   start  web ");
    assert_string_equal(ran, "vm start|web");
    execute("vm list");
    assert_string_equal(ran, "vm list");
    execute("vm start \"two words\" 'it''s' a\"b c\"d ''");
    assert_string_equal(ran, "vm start|two words|its|ab cd|");
    execute("");
    assert_string_equal(output, "");
}

static void mistakes_say_what_to_do(void **state)
{
    (void)state;
    execute("hlep");
    assert_string_equal(output,
                        "There is no command 'hlep'. The nearest is 'help'; 'help' lists all.\n");
    execute("frobnicate");
    assert_string_equal(output, "There is no command 'frobnicate'. 'help' lists what there is.\n");
    execute("vm");
    assert_non_null(strstr(output, "vm needs one more word:\n  vm list"));
    execute("vm lsit");
    assert_non_null(strstr(output, "vm has no command 'lsit'; it has:\n  vm list"));
    execute("vm start \"web");
    assert_string_equal(output, "A quote is not closed: end the word with the same quote.\n");
    assert_string_equal(ran, "");
    execute("a a a a a a a a a a a a a a a a a");
    assert_string_equal(output, "More than 16 words: put words that belong together in quotes.\n");
}

static void json_of_commands_with_and_without_a_form_of_their_own(void **state)
{
    (void)state;
    execute("-j vm start 'web 2'");
    assert_string_equal(ran, "vm start|web 2");
    execute("vm -j list more");
    assert_string_equal(ran, "vm list|more");
    assert_string_equal(output, "{\"record\":\"test\",\"n\":1}\n"
                                "{\"record\":\"message\",\"text\":\"said \\\"so\\\"\"}\n");
    execute("help vm -j list");
    assert_string_equal(output, "{\"record\":\"command\",\"name\":\"vm list\",\"usage\":\"\","
                                "\"summary\":\"lists guests\",\"help\":null}\n");
    execute("hlep -j");
    assert_string_equal(output, "{\"record\":\"message\",\"text\":\"There is no command 'hlep'. "
                                "The nearest is 'help'; 'help' lists all.\"}\n");
    execute("-j");
    assert_string_equal(output, "");
}

static void help_lists_commands_by_name(void **state)
{
    (void)state;
    execute("help");
    const char *clear = strstr(output, "  clear "), *help = strstr(output, "  help [COMMAND] "),
               *list = strstr(output, "  vm list "), *start = strstr(output, "  vm start NAME ");
    assert_true(clear && clear < help && help < list && list < start);
    execute("help vm start");
    assert_string_equal(output, "vm start NAME\n  starts a guest\n");
    execute("help config");
    for (const char *line = output; line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        assert_true(strcspn(line, "\n") < 80);
}

static void lines_of_the_log_leave_what_is_typed(void **state)
{
    volatile unsigned behind = 0; /* over longjmp() */

    do {
        assert_int_equal(teardown(state) | setup(state), 0);
        memset(&session, 0, sizeof(session));
        session.keys = "vm start web" ENTER "vm lsi\b\bis";
        session.log_behind = behind;
        if (!setjmp(session.end))
            monitor_main(NULL);
        assert_string_equal(ran, "vm start|web");
        assert_string_equal(editor.text, "vm lis");
        expect_shown("vm lis", 6);
    } while (session.writes > behind++);
    assert_true(behind > 20);
    session.keys = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(typing_and_erasing),
        TEST(words_and_killing),
        TEST(utf8_is_one_character),
        TEST(lines_longer_than_the_window),
        TEST(history),
        TEST(ends_of_lines),
        TEST(completion),
        TEST(rubbish_stays_inside),
        TEST(lines_of_the_log_leave_what_is_typed),
        TEST(commands_get_their_arguments),
        TEST(mistakes_say_what_to_do),
        TEST(json_of_commands_with_and_without_a_form_of_their_own),
        TEST(help_lists_commands_by_name),
    };
    return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
