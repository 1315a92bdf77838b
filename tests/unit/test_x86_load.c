/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* What x86_64 guests find when they start: state and structures of PVH and Multiboot 1 by their
 * specifications, and ACPI tables that iasl, an independent reader, takes without a complaint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "arch/x86_64/guest/load.h"
#include "hosted.h"
#include "kernel/timer.h"
#include "x86_guest.h"

#define LOAD_AT 0x100000u

static struct vm *vm;

static void start(unsigned cpus)
{
    static bool once;

    if (!once) {
        hosted_start_size(MIB(256));
        clock_init(hosted_counter, NS_PER_SEC);
        if (!cpu_boot()->timers)
            timer_cpu_init(cpu_boot());
    }
    once = true;
    vm = x86_guest_create(cpus, MIB(32));
}

static void stop(void)
{
    x86_guest_destroy(vm);
}

static void peek(uint64_t gpa, void *to, size_t size)
{
    assert_int_equal(guest_copy_from(vm->memory, GPA(gpa), to, size), ERR_OK);
}

static uint64_t peek_word(uint64_t gpa, unsigned size)
{
    uint64_t value = 0;

    peek(gpa, &value, size);
    return value;
}

static void put(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* An ELF file of 64 bits: one segment of 16 bytes that is 64 in memory, and a PVH note. */
static size_t make_elf(uint8_t *file)
{
    memset(file, 0, 512);
    memcpy(file, "\177ELF\2\1\1", 7);
    put(file + 16, 2, 2);
    put(file + 18, 62, 2);
    put(file + 24, 0xffffffff80000004, 8); /* entry, virtual */
    put(file + 32, 64, 8);
    put(file + 54, 56, 2);
    put(file + 56, 2, 2);
    put(file + 64, 1, 4); /* PT_LOAD */
    put(file + 64 + 8, 256, 8);
    put(file + 64 + 16, 0xffffffff80000000, 8);
    put(file + 64 + 24, LOAD_AT, 8);
    put(file + 64 + 32, 16, 8);
    put(file + 64 + 40, 64, 8);
    put(file + 120, 4, 4); /* PT_NOTE */
    put(file + 120 + 8, 300, 8);
    put(file + 120 + 32, 40, 8);
    put(file + 120 + 48, 4, 8);
    memcpy(file + 256, "the guest's code", 16);
    put(file + 300, 4, 4); /* a note of somebody else */
    put(file + 304, 4, 4);
    put(file + 308, 1, 4);
    memcpy(file + 312, "GNU", 4);
    put(file + 320, 4, 4); /* XEN_ELFNOTE_PHYS32_ENTRY */
    put(file + 324, 4, 4);
    put(file + 328, 18, 4);
    memcpy(file + 332, "Xen", 4);
    put(file + 336, LOAD_AT + 8, 4);
    return 512;
}

static void check_protected_mode(uint64_t entry)
{
    const struct x86_state *s = x86_state(vm->vcpus[0]);

    assert_int_equal(s->rip, entry);
    assert_int_equal(s->cr0 & 0x80000001, 1); /* PE, no paging */
    assert_int_equal(s->cr4, 0);
    assert_int_equal(s->efer, 0);
    assert_int_equal(s->rflags & 0x20300, 0); /* VM, IF, TF */
    for (unsigned i = X86_ES; i <= X86_GS; i++) {
        assert_int_equal(s->segments[i].base, 0);
        assert_int_equal(s->segments[i].limit, UINT32_MAX);
    }
    assert_int_equal(s->segments[X86_TR].limit, 0x67);
}

static void test_pvh_start_information(void **state)
{
    uint8_t file[512], code[64];
    struct load_kernel kernel = {file, make_elf(file)};
    uint64_t info, map, entries, ram = 0;

    (void)state;
    start(1);
    assert_false(load_is_linux(&kernel));
    assert_false(load_is_multiboot(&kernel));
    assert_int_equal(load_pvh(vm, &kernel), ERR_OK);
    check_protected_mode(LOAD_AT + 8);
    peek(LOAD_AT, code, sizeof(code));
    assert_memory_equal(code, "the guest's code", 16);
    for (unsigned i = 16; i < 64; i++)
        assert_int_equal(code[i], 0);
    info = x86_state(vm->vcpus[0])->gpr[X86_RBX];
    assert_int_equal(peek_word(info, 4), 0x336ec578);
    assert_int_equal(peek_word(info + 4, 4), 1);                /* version */
    assert_int_equal(peek_word(info + 12, 4), 0);               /* modules */
    assert_int_equal(peek_word(peek_word(info + 24, 8), 1), 0); /* empty command line */
    assert_int_equal(peek_word(peek_word(info + 32, 8), 8), 0x2052545020445352); /* "RSD PTR " */
    map = peek_word(info + 40, 8);
    entries = peek_word(info + 48, 4);
    for (uint64_t i = 0; i < entries; i++)
        if (peek_word(map + 24 * i + 16, 4) == 1)
            ram += peek_word(map + 24 * i + 8, 8);
    assert_in_range(ram, MIB(32) - KIB(400), MIB(32));
    stop();
}

static void test_bad_elf_files_are_refused(void **state)
{
    static const struct {
        unsigned at, size;
        uint64_t value;
    } damage[] = {
        {4, 1, 3},                        /* class */
        {5, 1, 2},                        /* big endian */
        {16, 2, 3},                       /* relocatable */
        {18, 2, 183},                     /* aarch64 */
        {32, 8, 500},                     /* program headers beyond the file */
        {54, 2, 32},                      /* of another size */
        {56, 2, 0xffff},                  /* too many */
        {64 + 8, 8, 510},                 /* segment beyond the file */
        {64 + 24, 8, 0xfffffffffffffff0}, /* wraps */
        {64 + 24, 8, MIB(32) - 32},       /* beyond memory */
        {64 + 24, 8, 0x1000},             /* over the boot information */
        {64 + 24, 8, 0xe0100},            /* over the ACPI tables */
        {64 + 32, 8, 100},                /* larger in the file than in memory */
        {120 + 8, 8, 490},                /* notes beyond the file */
        {320, 4, 0xfffffff0},             /* note longer than the notes */
        {328, 4, 19},                     /* no PVH note */
    };
    uint8_t file[512];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(damage); i++) {
        struct load_kernel kernel = {file, make_elf(file)};

        start(1);
        put(file + damage[i].at, damage[i].value, damage[i].size);
        if (load_pvh(vm, &kernel) == ERR_OK)
            fail_msg("damage %u was not found", i);
        assert_int_not_equal(vm->reason[0], 0);
        stop();
    }
}

static void test_multiboot_with_addresses(void **state)
{
    uint8_t file[256] = {0};
    struct load_kernel kernel = {file, sizeof(file)};
    uint64_t info, map, length, at = 0;

    (void)state;
    start(1);
    put(file + 64, 0x1badb002, 4);
    put(file + 68, 0x10003, 4);
    put(file + 72, -(0x1badb002u + 0x10003), 4);
    put(file + 76, LOAD_AT + 64, 4);
    put(file + 80, LOAD_AT, 4);
    put(file + 84, LOAD_AT + 128, 4);
    put(file + 88, LOAD_AT + 4096, 4);
    put(file + 92, LOAD_AT + 100, 4);
    file[100] = 0xf4;
    assert_true(load_is_multiboot(&kernel));
    assert_int_equal(load_multiboot(vm, &kernel), ERR_OK);
    check_protected_mode(LOAD_AT + 100);
    assert_int_equal(peek_word(LOAD_AT + 100, 1), 0xf4);
    assert_int_equal(x86_state(vm->vcpus[0])->gpr[X86_RAX], 0x2badb002);
    info = x86_state(vm->vcpus[0])->gpr[X86_RBX];
    assert_int_equal(peek_word(info, 4) & 0x45, 0x45); /* memory, command line, map */
    assert_int_equal(peek_word(info + 8, 4), (MIB(32) - MIB(1)) / 1024);
    length = peek_word(info + 44, 4);
    map = peek_word(info + 48, 4);
    while (at < length) { /* each entry says how long it is */
        assert_int_equal(peek_word(map + at, 4), 20);
        at += 4 + peek_word(map + at, 4);
    }
    assert_int_equal(at, length);
    file[72]++;
    assert_false(load_is_multiboot(&kernel)); /* the checksum */
    stop();
}

/* ---- ACPI ---- */

static uint8_t sum(uint64_t gpa, uint64_t size)
{
    uint8_t total = 0;

    for (uint64_t i = 0; i < size; i++)
        total += (uint8_t)peek_word(gpa + i, 1);
    return total;
}

/* Writes the table at `gpa` to a file for iasl, which must find nothing wrong with it. */
static void check_with_iasl(const char *folder, uint64_t gpa)
{
    uint64_t size = peek_word(gpa + 4, 4);
    char name[5] = "", path[128], command[400];
    uint8_t *bytes = malloc(size);
    FILE *file;

    peek(gpa, name, 4);
    assert_in_range(size, 36, 4096);
    assert_int_equal(sum(gpa, size), 0);
    peek(gpa, bytes, size);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    free(bytes);
    snprintf(command, sizeof(command),
             "cd %s && iasl -d %s >%s.log 2>&1 && ! grep -iE 'error|warning|invalid|unknown' "
             "%s.log %s.dsl",
             folder, name, name, name, name);
    if (system(command) != 0)
        fail_msg("iasl complains of %s", name);
}

static void test_acpi_tables_are_what_iasl_expects(void **state)
{
    char folder[] = "/tmp/ennead-acpi-XXXXXX", command[100];
    uint64_t xsdt, count;
    bool seen_fadt = false;
    gpa_t rsdp;

    (void)state;
    start(4);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(x86_acpi_write(vm, &rsdp), ERR_OK);
    assert_int_equal(sum(rsdp.v, 20), 0);
    assert_int_equal(sum(rsdp.v, 36), 0);
    xsdt = peek_word(rsdp.v + 24, 8);
    count = (peek_word(xsdt + 4, 4) - 36) / 8;
    assert_int_equal(sum(xsdt, peek_word(xsdt + 4, 4)), 0);
    assert_true(count >= 4);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t table = peek_word(xsdt + 36 + 8 * i, 8);

        check_with_iasl(folder, table);
        if (peek_word(table, 4) == 0x50434146) { /* "FACP" */
            seen_fadt = true;
            check_with_iasl(folder, peek_word(table + 140, 8)); /* X_DSDT */
        }
    }
    assert_true(seen_fadt);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pvh_start_information),
        cmocka_unit_test(test_bad_elf_files_are_refused),
        cmocka_unit_test(test_multiboot_with_addresses),
        cmocka_unit_test(test_acpi_tables_are_what_iasl_expects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
