/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Which files the loader reads: those of guests that this host can run. Stands alone: includes what
 * it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "boot/config.c"

/* Neither the host's architecture nor one that is translated. */
#define FOREIGN CONFIG_HARDWARE_ISA

static char found[1024];

static void note(const char *section, const char *key, const char *value)
{
    size_t used = strlen(found);
    snprintf(found + used, sizeof(found) - used, "%s/%s=%s ", section, key, value);
}

static const char *files_of(const char *text)
{
    found[0] = '\0';
    config_find_files(text, strlen(text), "riscv64", note);
    return found;
}

static void files_of_guests_and_disks(void **state)
{
    (void)state;
    assert_string_equal(
        files_of("[host]\nconsole = kernel\n[vm a]\nkernel = k\ninitrd = i\ndisk = d\n"
                 "cmdline = kernel=no\n[disk d]\nfile = f\n"),
        "vm a/kernel=k vm a/initrd=i disk d/file=f ");
    assert_string_equal(files_of(""), "");
    assert_string_equal(files_of("kernel = k\n[vms a]\nkernel = k\n"), "");
}

static void other_architectures_stay_on_the_disk(void **state)
{
    (void)state;
    assert_string_equal(files_of("[vm a]\narch = " FOREIGN "\nkernel = k\ndisk = d\n"
                                 "[vm b]\nkernel = l\narch = host\ndisk = e\n"
                                 "[vm c]\nkernel = m\narch = riscv64\n"
                                 "[vm y]\nkernel = n\ndisk = t\narch = aarch64\n"
                                 "[vm z]\nkernel = o\ndisk = e\narch = " FOREIGN "\n"
                                 "[disk d]\nfile = f\n[disk e]\nfile = g\n[disk t]\nfile = i\n"
                                 "[disk unused]\nfile = h\n"),
                        "vm b/kernel=l vm c/kernel=m vm y/kernel=n disk e/file=g disk t/file=i "
                        "disk unused/file=h ");
}

static void a_disk_of_two_guests_is_read_when_one_of_them_runs_here(void **state)
{
    (void)state;
    assert_string_equal(files_of("[disk d]\nfile = f\n[vm a]\ndisk = d\narch = " FOREIGN "\n"
                                 "[vm b]\ndisk = d\n"),
                        "disk d/file=f ");
    assert_string_equal(files_of("[disk d]\nfile = f\n[vm a]\ndisk = d\n"
                                 "[vm b]\ndisk = d\narch = " FOREIGN),
                        "disk d/file=f ");
    assert_string_equal(files_of("[disk d]\nfile = f\n[vm a]\ndisk = d\narch = " FOREIGN), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_guests_and_disks),
        cmocka_unit_test(other_architectures_stay_on_the_disk),
        cmocka_unit_test(a_disk_of_two_guests_is_read_when_one_of_them_runs_here),
    };
    return cmocka_run_group_tests_name("boot configuration", tests, NULL, NULL);
}
