/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* ennead.ini: what is read, what is said of mistakes, and what they disable. Stands alone: includes
 * what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/path.c"
#include "kernel/config.c"
#include "kernel/config_keys.c"
#include "kernel/nearest.c"
#include "kernel/out.c"

#define PATH "ennead/ennead.ini"

static char logged[8192]; /* all lines, each ended by LF */

void log_print(enum log_level level, const char *fmt, ...)
{
    size_t used = strlen(logged);
    va_list args;
    assert_int_equal(level, LOG_WARN); /* a configuration file never causes an error line */
    va_start(args, fmt);
    vsnprintf(logged + used, sizeof(logged) - used - 1, fmt, args);
    va_end(args);
    strcat(logged, "\n");
}

void *heap_alloc(size_t size)
{
    return malloc(size);
}

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

static const struct config *parse(const char *text)
{
    logged[0] = 0;
    (void)config_parse(PATH, text, strlen(text));
    return config_get();
}

static void expect_log(const char *text, const char *message)
{
    parse(text);
    assert_string_equal(logged, message);
}

static int forget(void **state)
{
    (void)state;
    config_reset();
    return 0;
}

static void defaults_hold_without_a_file(void **state)
{
    (void)state;
    assert_int_equal(config_get()->log, LOG_INFO);
    assert_true(config_get()->runtime_services);
    assert_int_equal(config_get()->vm_count, 0);
}

static void defaults_before_parsing_are_those_of_the_table(void **state)
{
    struct config by_table = {0};
    (void)state;
    set_defaults(CONFIG_ennead, &by_table);
    assert_int_equal(by_table.config, config_get()->config);
    assert_int_equal(by_table.log, config_get()->log);
    assert_int_equal(by_table.panic, config_get()->panic);
    assert_int_equal(by_table.runtime_services, config_get()->runtime_services);
    assert_string_equal(by_table.console, config_get()->console);
}

static void reads_every_key(void **state)
{
    (void)state;
    const struct config *c =
        parse("; a comment\n"
              "[ennead]\n"
              "config = 1\nlog = debug\npanic = reboot\nruntime_services = no\nconsole = web-1.x\n"
              "\n"
              "[vm web-1.x]\r\n"
              "memory = 1G\r\n"
              "cpus=4\n"
              "kernel = guests\\vmlinuz\n"
              "initrd = guests/./initrd.img\n"
              "cmdline = console=ttyS0 init=/bin/sh ; echo # all of it\n"
              "autostart = no\n");
    assert_string_equal(logged, "");
    assert_int_equal(c->log, LOG_DEBUG);
    assert_true(c->panic_reboot);
    assert_string_equal(c->console, "web-1.x");
    assert_false(c->runtime_services);
    assert_int_equal(c->vm_count, 1);
    assert_string_equal(c->vms[0].name, "web-1.x");
    assert_false(c->vms[0].disabled);
    assert_int_equal(c->vms[0].memory, GIB(1));
    assert_int_equal(c->vms[0].cpus, 4);
    assert_string_equal(c->vms[0].kernel, "guests/vmlinuz");
    assert_string_equal(c->vms[0].initrd, "guests/initrd.img");
    assert_string_equal(c->vms[0].cmdline, "console=ttyS0 init=/bin/sh ; echo # all of it");
    assert_false(c->vms[0].autostart);
}

static void a_guest_gets_defaults(void **state)
{
    (void)state;
    const struct config *c = parse("[vm a]\nkernel = k\n");
    assert_string_equal(logged, "");
    assert_int_equal(c->vms[0].memory, MIB(256));
    assert_int_equal(c->vms[0].cpus, 1);
    assert_string_equal(c->vms[0].cmdline, "");
    assert_null(c->vms[0].initrd);
    assert_true(c->vms[0].autostart);
}

static void says_what_is_wrong_and_what_is_expected(void **state)
{
    (void)state;
    expect_log("[vm a]\nkernel = k\nmemory = 12Q\n",
               PATH ", line 3: memory = 12Q: expected a size between 16M and 1T, such as 256M\n");
    expect_log("[vm a]\nkernel = k\nmemory = 15M\n",
               PATH ", line 3: memory = 15M: expected a size between 16M and 1T, such as 256M\n");
    expect_log("[vm a]\nkernel = k\ncpus = 65\n",
               PATH ", line 3: cpus = 65: expected a number between 1 and 64, such as 1\n");
    expect_log("[vm a]\nkernel = k\nmemory = 18446744073709551616\n",
               PATH ", line 3: memory = 18446744073709551616: expected a size between 16M and 1T, "
                    "such as 256M\n");
    expect_log("[ennead]\nlog = loud\n",
               PATH ", line 2: log = loud: expected one of error, warn, info, debug\n");
    expect_log("[ennead]\nconfig = 2\n", PATH ", line 2: config = 2: expected 1\n");
    expect_log("[vm a]\nkernel = k\nautostart = maybe\n",
               PATH ", line 3: autostart = maybe: expected yes or no\n");
    expect_log("[vm a]\nkernel = ../k\n", PATH ", line 2: kernel = ../k: expected the path of a "
                                               "file on the boot volume, such as guests/kernel\n");
    expect_log("[ennead]\npannic = halt\n",
               PATH ", line 2: pannic: no such key here, the nearest is panic\n");
    expect_log("[ennead]\nzzzzzz = halt\n", PATH ", line 2: zzzzzz: no such key in [ennead]\n");
    expect_log("[vms]\n",
               PATH ", line 1: [vms]: expected [ennead] or [vm NAME]; this section is ignored\n");
    expect_log("log = info\n",
               PATH ", line 1: log: expected a section, [ennead] or [vm NAME], before it\n");
    expect_log("[ennead]\nlog\n",
               PATH ", line 2: expected NAME = VALUE, [SECTION], or ; before a comment\n");
    expect_log("[ennead\n", PATH ", line 1: expected ] at the end of the section's name\n");
    expect_log("[vm a]\n",
               PATH ", line 1: [vm a] has no kernel: add a line such as kernel = guests/vmlinuz\n");
    expect_log("[vm a b]\nkernel = k\n", PATH
               ", line 1: [vm a b]: expected a name of 1 to 31 letters, digits, '-', '_' or '.'\n");
}

static void duplicates_are_mistakes(void **state)
{
    (void)state;
    expect_log("[ennead]\nlog = warn\nlog = debug\n",
               PATH ", line 3: log: set on line 2 already\n");
    assert_int_equal(config_get()->log, LOG_WARN);
    expect_log("[vm a]\nkernel = k\n[vm a]\nkernel = other\n",
               PATH ", line 3: [vm a]: there is one on line 1 already; this one is ignored\n");
    assert_int_equal(config_get()->vm_count, 1);
    assert_string_equal(config_get()->vms[0].kernel, "k");
}

static void a_mistake_disables_its_own_section_only(void **state)
{
    (void)state;
    const struct config *c =
        parse("[vm bad]\nkernel = k\ncpus = none\n[vm good]\nkernel = k\n[ennead]\nlog = warn\n");
    assert_int_equal(c->vm_count, 2);
    assert_int_equal(c->error_count, 1);
    assert_true(c->vms[0].disabled);
    assert_string_equal(c->vms[0].reason,
                        "line 3: cpus = none: expected a number between 1 and 64, such as 1");
    assert_false(c->vms[1].disabled);
    assert_int_equal(c->log, LOG_WARN);
}

static void long_lines(void **state)
{
    static char text[16384];
    (void)state;
    /* The longest line that is allowed arrives whole. */
    strcpy(text, "[vm a]\nkernel = k\ncmdline = ");
    size_t start = strlen(text), room = LINE_MAX_LENGTH - strlen("cmdline = ");
    memset(text + start, 'x', room);
    strcpy(text + start + room, "\nmemory = 64M\n");
    const struct config *c = parse(text);
    assert_string_equal(logged, "");
    assert_int_equal(strlen(c->vms[0].cmdline), room);
    assert_int_equal(c->vms[0].memory, MIB(64));
    /* One byte more is a mistake, and what follows is read on with the right line number. */
    strcpy(text + start + room, "x\nmemory = 1\n");
    parse(text);
    assert_string_equal(logged, PATH
                        ", line 3: this line is longer than 4094 bytes\n" PATH
                        ", line 4: memory = 1: expected a size between 16M and 1T, such as 256M\n");
}

static void bytes_that_are_no_text(void **state)
{
    static const char nul[] = "[ennead]\nlog\0 = warn\n";
    (void)state;
    logged[0] = 0;
    assert_int_equal(config_parse(PATH, nul, sizeof(nul) - 1), ERR_INVALID);
    assert_string_equal(logged, PATH ", line 2: this line holds a NUL byte: expected text\n");
    assert_int_equal(config_parse(PATH, "", 0), ERR_OK);
    assert_int_equal(config_parse(PATH, "\xef\xbb\xbf[vm a]\nkernel=k", 18),
                     ERR_OK); /* byte-order mark, no last LF */
    assert_int_equal(config_get()->vm_count, 1);
}

static void printed_configuration_reads_back(void **state)
{
    char first[2048], second[2048];
    struct out_buffer b;
    (void)state;
    parse("[ennead]\npanic = reboot\n[vm a]\nmemory = 1536M\nkernel = k\ncmdline = a=b\n[vm "
          "b]\nkernel = k\n");
    out_buffer_init(&b, first, sizeof(first));
    config_print(&b.out);
    parse(first);
    assert_string_equal(logged, "");
    out_buffer_init(&b, second, sizeof(second));
    config_print(&b.out);
    assert_string_equal(first, second);
    assert_non_null(strstr(first, "memory = 1536M\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(defaults_hold_without_a_file, forget),
        cmocka_unit_test_teardown(defaults_before_parsing_are_those_of_the_table, forget),
        cmocka_unit_test_teardown(reads_every_key, forget),
        cmocka_unit_test_teardown(a_guest_gets_defaults, forget),
        cmocka_unit_test_teardown(says_what_is_wrong_and_what_is_expected, forget),
        cmocka_unit_test_teardown(duplicates_are_mistakes, forget),
        cmocka_unit_test_teardown(a_mistake_disables_its_own_section_only, forget),
        cmocka_unit_test_teardown(long_lines, forget),
        cmocka_unit_test_teardown(bytes_that_are_no_text, forget),
        cmocka_unit_test_teardown(printed_configuration_reads_back, forget),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
