/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Loading the kernel's ELF file: a good one built by hand, then each way to be wrong. Stands alone:
 * includes what it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/kernel_elf.c"

#define VIRT     0xffffffff80000000ULL
#define MACHINE  62
#define RELATIVE 8

static const struct elf_target target = {.machine = MACHINE, .relative = RELATIVE};

/* Text at 0, data (dynamic section, relocations, words) at 0x1000 with bss behind. */
static struct image {
    struct elf_header header;
    struct elf_program_header ph[3];
    unsigned char text[32];
    struct elf_dynamic dynamic[8];
    struct elf_rela rela[3];
    uint64_t relr[2];
    uint64_t words[8];
} file;

#define DATA_ADDRESS 0x1000
#define AT(field)    (DATA_ADDRESS + offsetof(struct image, field) - offsetof(struct image, dynamic))
#define DATA_SIZE    (sizeof(struct image) - offsetof(struct image, dynamic))
#define BSS_SIZE     0x1800
#define IMAGE_SIZE   0x3000

static struct kernel_elf elf;

static int make_good(void **state)
{
    (void)state;
    file = (struct image){
        .header = {.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
                   .type = 3,
                   .machine = MACHINE,
                   .entry = 4,
                   .phoff = offsetof(struct image, ph),
                   .phentsize = sizeof(struct elf_program_header),
                   .phnum = 3},
        .ph = {{.type = PT_LOAD,
                .flags = 4 | PF_EXECUTE,
                .offset = offsetof(struct image, text),
                .filesz = 32,
                .memsz = 32},
               {.type = PT_LOAD,
                .flags = 4 | PF_WRITE,
                .offset = offsetof(struct image, dynamic),
                .vaddr = DATA_ADDRESS,
                .filesz = DATA_SIZE,
                .memsz = DATA_SIZE + BSS_SIZE},
               {.type = PT_DYNAMIC,
                .flags = 4,
                .vaddr = AT(dynamic),
                .filesz = sizeof(file.dynamic),
                .memsz = sizeof(file.dynamic)}},
        .dynamic = {{DT_RELA, AT(rela)},
                    {DT_RELASZ, sizeof(file.rela)},
                    {DT_RELAENT, sizeof(struct elf_rela)},
                    {DT_RELR, AT(relr)},
                    {DT_RELRSZ, sizeof(file.relr)},
                    {DT_RELRENT, 8},
                    {DT_NULL, 0}},
        .rela = {{AT(words[0]), RELATIVE, 0x10}, {AT(words[1]), RELATIVE, 0x1008}, {0, 0, 0}},
        .relr = {AT(words[2]), 1 | 1 << 1 | 1 << 3 /* words 3 and 5 */},
        .words = {0, 0, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70},
    };
    memset(file.text, 0xcc, sizeof(file.text));
    return 0;
}

static const char *load(unsigned char **image)
{
    const char *wrong = kernel_elf_parse(&file, sizeof(file), &target, &elf);

    *image = NULL;
    if (wrong)
        return wrong;
    *image = malloc(elf.size);
    memset(*image, 0xaa, elf.size);
    return kernel_elf_load(&elf, &file, &target, *image, VIRT);
}

static void expect_refused(void)
{
    unsigned char *image;

    assert_non_null(load(&image));
    free(image);
}

static void loads_relocates_and_clears(void **state)
{
    unsigned char *image;
    uint64_t words[8];

    (void)state;
    assert_null(load(&image));
    assert_int_equal(elf.entry, 4);
    assert_int_equal(elf.segment_count, 2);
    assert_int_equal(elf.segments[0].right, PAGE_EXECUTE);
    assert_int_equal(elf.segments[1].right, PAGE_WRITE);
    assert_int_equal(elf.size, IMAGE_SIZE);
    assert_memory_equal(image, file.text, sizeof(file.text));
    memcpy(words, image + AT(words), sizeof(words));
    const uint64_t wanted[] = {VIRT + 0x10, VIRT + 0x1008, VIRT + 0x20, VIRT + 0x30,
                               0x40,        VIRT + 0x50,   0x60,        0x70};
    assert_memory_equal(words, wanted, sizeof(wanted));
    for (size_t i = 32; i < DATA_ADDRESS; i++)
        assert_int_equal(image[i], 0);
    for (size_t i = DATA_ADDRESS + DATA_SIZE; i < elf.size; i++)
        assert_int_equal(image[i], 0);
    free(image);
}

static void refuses_other_files(void **state)
{
    (void)state;
    file.header.ident[1] = 'F';
    expect_refused();
    make_good(state);
    file.header.machine = 183;
    expect_refused();
    make_good(state);
    file.header.type = 2; /* ET_EXEC */
    expect_refused();
    assert_non_null(kernel_elf_parse(&file, sizeof(struct elf_header) - 1, &target, &elf));
}

static void refuses_program_headers_outside(void **state)
{
    (void)state;
    file.header.phoff = UINT64_MAX - 8;
    expect_refused();
    make_good(state);
    file.header.phnum = 0xffff;
    expect_refused();
    make_good(state);
    file.header.phentsize = 32;
    expect_refused();
}

static void refuses_segments_outside_or_overlapping(void **state)
{
    (void)state;
    file.ph[1].offset = sizeof(file) - 8;
    expect_refused();
    make_good(state);
    file.ph[1].filesz = file.ph[1].memsz + 1;
    expect_refused();
    make_good(state);
    file.ph[1].vaddr = 0;
    expect_refused();
    make_good(state);
    file.ph[1].vaddr = 0x1800;
    expect_refused();
    make_good(state);
    file.ph[1].memsz = KERNEL_SIZE_MAX;
    expect_refused();
    make_good(state);
    file.ph[1].vaddr = UINT64_MAX & ~0xfffULL;
    expect_refused();
}

static void refuses_writable_code_and_interpreters(void **state)
{
    (void)state;
    file.ph[0].flags |= PF_WRITE;
    expect_refused();
    make_good(state);
    file.ph[2].type = PT_INTERP;
    expect_refused();
}

static void refuses_an_entry_that_is_not_code(void **state)
{
    (void)state;
    file.header.entry = DATA_ADDRESS;
    expect_refused();
    file.header.entry = 32;
    expect_refused();
    file.header.entry = UINT64_MAX;
    expect_refused();
}

static void refuses_relocations_outside(void **state)
{
    (void)state;
    file.rela[0].offset = IMAGE_SIZE - 7;
    expect_refused();
    make_good(state);
    file.rela[0].offset = UINT64_MAX - 3;
    expect_refused();
    make_good(state);
    file.dynamic[0].value = UINT64_MAX - 8;
    expect_refused();
    make_good(state);
    file.dynamic[1].value = UINT64_MAX;
    expect_refused();
    make_good(state);
    file.relr[0] = UINT64_MAX & ~1ULL;
    expect_refused();
    make_good(state);
    file.relr[1] = UINT64_MAX; /* 63 words more: beyond the image */
    file.relr[0] = IMAGE_SIZE - 16;
    expect_refused();
    make_good(state);
    file.ph[2].vaddr = UINT64_MAX - 8;
    expect_refused();
}

static void refuses_relocations_of_other_kinds(void **state)
{
    (void)state;
    file.rela[1].info = 1; /* R_X86_64_64 */
    expect_refused();
    make_good(state);
    file.dynamic[6] = (struct elf_dynamic){DT_PLTRELSZ, 24};
    expect_refused();
    make_good(state);
    file.dynamic[2].value = 16;
    expect_refused();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(loads_relocates_and_clears, make_good),
        cmocka_unit_test_setup(refuses_other_files, make_good),
        cmocka_unit_test_setup(refuses_program_headers_outside, make_good),
        cmocka_unit_test_setup(refuses_segments_outside_or_overlapping, make_good),
        cmocka_unit_test_setup(refuses_writable_code_and_interpreters, make_good),
        cmocka_unit_test_setup(refuses_an_entry_that_is_not_code, make_good),
        cmocka_unit_test_setup(refuses_relocations_outside, make_good),
        cmocka_unit_test_setup(refuses_relocations_of_other_kinds, make_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
