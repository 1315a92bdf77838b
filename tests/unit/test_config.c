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
#include "kernel/config_link.c"
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
    set_defaults(CONFIG_host, &by_table);
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
              "[host]\n"
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

static void a_hyphen_stands_for_an_underline(void **state)
{
    (void)state;
    const struct config *c =
        parse("[vm a]\nkernel = k\non-crash = restart\nmemory-at_start = yes\n");
    assert_string_equal(logged, "");
    assert_int_equal(c->vms[0].on_crash, CONFIG_CRASH_RESTART);
    assert_true(c->vms[0].memory_at_start);
    parse("[vm a]\non-cras = restart\n");
    assert_non_null(strstr(logged, "the nearest is on_crash"));
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
    expect_log("[host]\nlog = loud\n",
               PATH ", line 2: log = loud: expected one of error, warn, info, debug\n");
    expect_log("[host]\nconfig = 2\n", PATH ", line 2: config = 2: expected 1\n");
    expect_log("[vm a]\nkernel = k\nautostart = maybe\n",
               PATH ", line 3: autostart = maybe: expected yes or no\n");
    expect_log("[vm a]\nkernel = ../k\n", PATH ", line 2: kernel = ../k: expected the path of a "
                                               "file on the boot volume, such as guests/kernel\n");
    expect_log("[host]\npannic = halt\n",
               PATH ", line 2: pannic: no such key here, the nearest is panic\n");
    expect_log("[host]\nzzzzzz = halt\n",
               PATH ", line 2: zzzzzz: no such key in [host]: docs/configuration.md lists them\n");
    expect_log("[vms]\n",
               PATH ", line 1: [vms]: expected [host], [vm NAME], [disk NAME] or [network NAME]; "
                    "this section is ignored\n");
    expect_log("log = info\n",
               PATH ", line 1: log: expected a section, [host], [vm NAME], [disk NAME] or "
                    "[network NAME], before it\n");
    expect_log("[host]\nlog\n",
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
    expect_log("[host]\nlog = warn\nlog = debug\n",
               PATH ", line 3: log: set on line 2 already: remove one of them\n");
    assert_int_equal(config_get()->log, LOG_WARN);
    expect_log("[vm a]\nkernel = k\n[vm a]\nkernel = other\n", PATH
               ", line 3: [vm a]: there is one on line 1 already: give this one another name\n");
    assert_int_equal(config_get()->vm_count, 1);
    assert_string_equal(config_get()->vms[0].kernel, "k");
}

static void a_mistake_disables_its_own_section_only(void **state)
{
    (void)state;
    const struct config *c =
        parse("[vm bad]\nkernel = k\ncpus = none\n[vm good]\nkernel = k\n[host]\nlog = warn\n");
    assert_int_equal(c->vm_count, 2);
    assert_int_equal(c->error_count, 1);
    assert_true(c->vms[0].disabled);
    assert_string_equal(c->vms[0].reason,
                        "line 3: cpus = none: expected a number between 1 and 64, such as 1");
    assert_false(c->vms[1].disabled);
    assert_int_equal(c->log, LOG_WARN);
}

static void disks_and_networks_are_linked(void **state)
{
    (void)state;
    const struct config *c = parse("[vm a]\nkernel = k\ndisk = root\ndisk = data\nnet = lan\n"
                                   "net = lan 02:00:00:00:0a:Ff\nweight = 2048\naffinity = 0-2,64\n"
                                   "[disk root]\nfile = root.img\nmode = copy-on-write\n"
                                   "[disk data]\nsize = 1G\n"
                                   "[vm b]\nkernel = k\ndisk = root\n"
                                   "[network lan]\nmtu = 9000\n");
    assert_string_equal(logged, "");
    const struct config_vm *a = &c->vms[0];
    assert_int_equal(a->disk_count, 2);
    assert_ptr_equal(a->disks[0], &c->disks[0]);
    assert_ptr_equal(a->disks[1], &c->disks[1]);
    assert_string_equal(a->disks[0]->file, "root.img");
    assert_int_equal(a->disks[0]->mode, CONFIG_DISK_COPY_ON_WRITE);
    assert_int_equal(a->disks[1]->mode, CONFIG_DISK_READ_WRITE);
    assert_null(a->disks[1]->file);
    assert_int_equal(a->disks[1]->size, GIB(1));
    assert_int_equal(a->net_count, 2);
    assert_ptr_equal(a->nets[0].network, &c->networks[0]);
    assert_false(a->nets[0].has_mac);
    assert_true(a->nets[1].has_mac);
    assert_memory_equal(a->nets[1].mac, ((uint8_t[]){2, 0, 0, 0, 0x0a, 0xff}), 6);
    assert_int_equal(a->nets[1].network->mtu, 9000);
    assert_int_equal(a->weight, 2048);
    assert_int_equal(a->affinity.bits[0], 7);
    assert_int_equal(a->affinity.bits[1], 1);
    assert_int_equal(c->vms[1].disk_count, 1);
    assert_int_equal(c->vms[1].weight, 1024);
}

static void what_guests_name_must_exist_and_fit(void **state)
{
    (void)state;
    expect_log("[vm a]\nkernel = k\ndisk = rot\n[disk root]\nsize = 1M\n",
               PATH ", line 3: there is no [disk rot], the nearest is root\n");
    expect_log("[vm a]\nkernel = k\nnet = lan\n",
               PATH ", line 3: there is no [network lan]: add such a section\n");
    expect_log("[disk d]\n",
               PATH ", line 1: [disk d] has no file and no size: add a line such as file = "
                    "guests/root.img, or size = 1G for a blank disk\n");
    expect_log("[disk d]\nsize = 65537\n",
               PATH ", line 1: [disk d]: its size is no multiple of 512 bytes\n");
    expect_log("[disk d]\nsize = 1M\nmod = read-only\n[vm a]\nkernel = k\ndisk = d\n", PATH
               ", line 3: mod: no such key here, the nearest is mode\n" PATH
               ", line 6: disk = d: its section has a mistake: line 3: mod: no such key here, the "
               "nearest is mode\n");
    assert_true(config_get()->vms[0].disabled);
    expect_log("[disk d]\nsize = 1M\n[vm a]\nkernel = k\ndisk = d\ndisk = d\n",
               PATH ", line 6: disk = d: this guest has it already\n");
    expect_log("[disk d]\nsize = 1M\n[vm a]\nkernel = k\ndisk = d\n[vm b]\nkernel = k\ndisk = d\n",
               PATH ", line 8: disk = d: the guest on line 3 has it, to write to: make its mode "
                    "copy-on-write or read-only\n");
    assert_false(config_get()->vms[0].disabled);
    assert_true(config_get()->vms[1].disabled);
    expect_log("[disk d]\nfile = x\n[disk e]\nfile = ./x\nmode = read-only\n",
               PATH ", line 1: [disk d]: another section names x too: make its mode copy-on-write "
                    "or read-only\n");
    expect_log("[vm a]\nkernel = k\nnet = lan 01:00:00:00:00:00\n[network lan]\n",
               PATH ", line 3: net = lan 01:00:00:00:00:00: expected the MAC address of one card, "
                    "such as 02:00:00:00:00:01\n");
    expect_log("[vm a]\nkernel = k\nnet = lan 02:00:00:00:00\n[network lan]\n",
               PATH ", line 3: net = lan 02:00:00:00:00: expected the MAC address of one card, "
                    "such as 02:00:00:00:00:01\n");
    expect_log("[vm a]\nkernel = k\naffinity = 3-1\n",
               PATH ", line 3: affinity = 3-1: expected CPUs between 0 and 255, such as 0-3,8\n");
    expect_log("[vm a]\nkernel = k\naffinity = 0,256\n",
               PATH ", line 3: affinity = 0,256: expected CPUs between 0 and 255, such as 0-3,8\n");
    expect_log("[vm a]\nkernel = k\ndisk =\n",
               PATH ", line 3: disk = : expected the name of a [disk NAME] section\n");
    expect_log("[disk d]\nsize = 1K\n",
               PATH ", line 2: size = 1K: expected a size between 64K and 1T\n");
}

static void too_many_disks(void **state)
{
    (void)state;
    char text[1024] = "[vm a]\nkernel = k\n";
    for (unsigned i = 0; i <= CONFIG_LIST_MAX; i++)
        strcat(text, "disk = d\n");
    strcat(text, "[disk d]\nsize = 1M\n");
    parse(text);
    assert_non_null(strstr(logged, "line 15: disk: there can be only 12 of them\n"));
}

static void x86_64_guests_take_no_mmio(void **state)
{
    (void)state;
    const struct config *c = parse("[vm a]\narch = x86_64\nvirtio = mmio\nkernel = k\n"
                                   "[vm b]\narch = riscv64\nvirtio = mmio\nkernel = k\n");
    assert_non_null(strstr(logged, "line 1: [vm a] is an x86_64 guest and has virtio = mmio"));
    assert_true(c->vms[0].disabled);
    assert_false(c->vms[1].disabled);
    assert_int_equal(c->vms[1].virtio, CONFIG_VIRTIO_MMIO);
}

static void guests_of_other_architectures_are_listed_with_the_reason(void **state)
{
    (void)state;
    const struct config *c =
        parse("[vm a]\narch = x86_64\nkernel = k\ndisk = d\n[vm b]\nkernel = k\ndisk = d\n"
              "[disk d]\nsize = 1M\n");
    assert_string_equal(logged, "");
    assert_true(c->vms[0].foreign);
    assert_false(c->vms[0].disabled);
    assert_string_equal(c->vms[0].reason,
                        "it is a guest for x86_64 and this host is hosted: only hosts of that "
                        "architecture run it");
    assert_false(c->vms[1].foreign);
    assert_false(c->vms[1].disabled); /* the disk has one user on this host */
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
    static const char nul[] = "[host]\nlog\0 = warn\n";
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
    parse("[host]\npanic = reboot\n[vm a]\nmemory = 1536M\nkernel = k\ncmdline = a=b\ndisk = d\n"
          "disk = e\nnet = lan 02:00:00:00:00:01\naffinity = 1,3-5,255\n[vm b]\nkernel = k\n"
          "arch = aarch64\n[disk d]\nfile = f\n[disk e]\nsize = 64K\nmode = copy-on-write\n"
          "[network lan]\n");
    out_buffer_init(&b, first, sizeof(first));
    config_print(&b.out);
    parse(first);
    assert_string_equal(logged, "");
    out_buffer_init(&b, second, sizeof(second));
    config_print(&b.out);
    assert_string_equal(first, second);
    assert_non_null(strstr(first, "memory = 1536M\n"));
    assert_non_null(strstr(first, "disk = d\ndisk = e\n"));
    assert_non_null(strstr(first, "affinity = 1,3-5,255\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(defaults_hold_without_a_file, forget),
        cmocka_unit_test_teardown(defaults_before_parsing_are_those_of_the_table, forget),
        cmocka_unit_test_teardown(reads_every_key, forget),
        cmocka_unit_test_teardown(a_hyphen_stands_for_an_underline, forget),
        cmocka_unit_test_teardown(a_guest_gets_defaults, forget),
        cmocka_unit_test_teardown(says_what_is_wrong_and_what_is_expected, forget),
        cmocka_unit_test_teardown(duplicates_are_mistakes, forget),
        cmocka_unit_test_teardown(a_mistake_disables_its_own_section_only, forget),
        cmocka_unit_test_teardown(disks_and_networks_are_linked, forget),
        cmocka_unit_test_teardown(what_guests_name_must_exist_and_fit, forget),
        cmocka_unit_test_teardown(too_many_disks, forget),
        cmocka_unit_test_teardown(x86_64_guests_take_no_mmio, forget),
        cmocka_unit_test_teardown(guests_of_other_architectures_are_listed_with_the_reason, forget),
        cmocka_unit_test_teardown(long_lines, forget),
        cmocka_unit_test_teardown(bytes_that_are_no_text, forget),
        cmocka_unit_test_teardown(printed_configuration_reads_back, forget),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
