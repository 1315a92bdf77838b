/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The kernel's address space: what is mapped how, devices, stacks with guards. The vmap area is
 * really mapped in the test's process. */
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "hosted.h"
#include "kernel/thread.h"
#include "mm/kernel_map.h"
#include "mm/page.h"

extern char __kernel_start[], __rodata_end[];

#define IMAGE_PHYS MIB(4)
#define IMAGE_SIZE (3 * PAGE_SIZE)

static struct boot_info *start(void)
{
    struct boot_info *info = hosted_boot_info();

    info->kernel_phys = IMAGE_PHYS;
    info->kernel_virt = (uintptr_t)__kernel_start;
    info->kernel_size = IMAGE_SIZE;
    hosted_boot_mem(info, PAGE_SIZE, MIB(4) - PAGE_SIZE, BOOT_MEM_USABLE);
    hosted_boot_mem(info, IMAGE_PHYS, IMAGE_SIZE, BOOT_MEM_KERNEL);
    hosted_boot_mem(info, MIB(6), MIB(50), BOOT_MEM_USABLE);
    hosted_boot_mem(info, MIB(56), MIB(1), BOOT_MEM_ACPI_RECLAIM);
    hosted_boot_mem(info, MIB(57), MIB(1), BOOT_MEM_RUNTIME_CODE);
    hosted_boot_mem(info, MIB(58), MIB(1), BOOT_MEM_RESERVED);
    hosted_boot_mem(info, MIB(59), MIB(1), BOOT_MEM_MMIO);
    hosted_boot_mem(info, GIB(1), GIB(4), BOOT_MEM_USABLE);
    hosted_start(info);
    kernel_map_init(info);
    return info;
}

/* A view of the kernel's tables, as hardware has it. */
static bool look(uint64_t va, struct pt_entry *e)
{
    struct page_table pt = {.format = host_pt_format(), .root = kernel_map_root()};

    return page_table_lookup(&pt, va, e);
}

static unsigned direct_attrs(const struct boot_info *info, uint64_t pa)
{
    struct pt_entry e;

    if (!look(info->direct_map_base + pa, &e))
        return 0;
    assert_int_equal(e.pa.v, pa);
    return e.attrs & (PT_READ | PT_WRITE | PT_EXEC);
}

static void layout(void)
{
    const struct boot_info *info = start();
    struct pt_entry e;

    assert_true(look(info->kernel_virt, &e));
    assert_int_equal(e.attrs & (PT_READ | PT_WRITE | PT_EXEC), PT_READ | PT_EXEC);
    assert_int_equal(e.pa.v, IMAGE_PHYS);
    assert_true(look(info->kernel_virt + PAGE_SIZE, &e));
    assert_int_equal(e.attrs & (PT_READ | PT_WRITE | PT_EXEC), PT_READ);
    assert_true(look((uintptr_t)__rodata_end, &e));
    assert_int_equal(e.attrs & (PT_READ | PT_WRITE | PT_EXEC), PT_READ | PT_WRITE);
    /* The image's other name, in the direct map, gives nobody more. */
    assert_int_equal(direct_attrs(info, IMAGE_PHYS), PT_READ);
    assert_int_equal(direct_attrs(info, IMAGE_PHYS + PAGE_SIZE), PT_READ);
    assert_int_equal(direct_attrs(info, IMAGE_PHYS + 2 * PAGE_SIZE), PT_READ | PT_WRITE);
    assert_int_equal(direct_attrs(info, 0), 0);
    assert_int_equal(direct_attrs(info, PAGE_SIZE), PT_READ | PT_WRITE);
    assert_int_equal(direct_attrs(info, MIB(56)), PT_READ | PT_WRITE);
    assert_int_equal(direct_attrs(info, MIB(57)), 0);
    assert_int_equal(direct_attrs(info, MIB(58)), 0);
    assert_int_equal(direct_attrs(info, MIB(59)), 0);
    assert_true(look(info->direct_map_base + GIB(3), &e));
    assert_int_equal(e.size, GIB(1));
    assert_int_equal(hosted_pt_violations(), 0);
}

static void test_layout(void **state)
{
    (void)state;
    hosted_child_test(layout());
}

/* Every leaf of the kernel's tables, page by page where the image and memory are. */
static void write_xor_execute(void)
{
    const struct boot_info *info = start();
    struct pt_entry e;

    for (uint64_t pa = 0; pa < MIB(64); pa += PAGE_SIZE)
        if (look(info->direct_map_base + pa, &e))
            assert_false(e.attrs & PT_EXEC);
    for (uint64_t offset = 0; offset < IMAGE_SIZE; offset += PAGE_SIZE) {
        assert_true(look(info->kernel_virt + offset, &e));
        assert_int_not_equal(e.attrs & (PT_WRITE | PT_EXEC), PT_WRITE | PT_EXEC);
    }
    assert_null(kernel_map_device(HPA(MIB(59)), PAGE_SIZE, PT_READ | PT_WRITE | PT_EXEC));
}

static void test_write_xor_execute(void **state)
{
    (void)state;
    hosted_child_test(write_xor_execute());
}

static void devices(void)
{
    struct pt_entry e;
    void *registers[50];

    start();
    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++) {
        uint64_t pa = MIB(59) + i * 0x1010;
        registers[i] = kernel_map_device(HPA(pa), 0x1800, PT_READ | PT_WRITE | PT_DEVICE);
        assert_non_null(registers[i]);
        assert_true(look((uintptr_t)registers[i], &e));
        assert_int_equal(e.pa.v, pa);
        assert_true(e.attrs & PT_DEVICE);
        assert_false(
            kernel_map_readable((uintptr_t)registers[i], 4)); /* reading may have effects */
    }
    for (unsigned i = 0; i < ARRAY_SIZE(registers); i += 2)
        kernel_unmap_device(registers[i], 0x1800);
    for (unsigned i = 0; i < ARRAY_SIZE(registers); i++)
        assert_int_equal(look((uintptr_t)registers[i], &e), i % 2);
    void *screen =
        kernel_map_device(HPA(GIB(3) + MIB(1) + 16), MIB(8), PT_READ | PT_WRITE | PT_WRITE_COMBINE);
    assert_true(look((uintptr_t)screen + MIB(4), &e));
    assert_int_equal(e.pa.v, GIB(3) + MIB(5) + 16);
    assert_int_equal(e.size, MIB(2));
    kernel_unmap_device(screen, MIB(8));
    assert_null(kernel_map_device(HPA(UINT64_MAX - 4), 100, PT_READ));
    assert_null(kernel_map_device(HPA(0), 0, PT_READ));
    assert_int_equal(hosted_pt_violations(), 0);
}

static void test_devices(void **state)
{
    (void)state;
    hosted_child_test(devices());
}

static uint64_t free_bytes(void)
{
    struct page_stats s;

    page_stats_get(&s);
    return s.free;
}

/* What is filled piece by piece needs memory for tables when it is reserved, and none afterwards.
 */
static void blocks(void)
{
    hpa_t block;
    struct pt_entry e;
    uint64_t before;
    char *at;

    start();
    at = kernel_map_reserve(MIB(8));
    assert_non_null(at);
    assert_int_equal((uintptr_t)at % MIB(2), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_false(look((uintptr_t)at + i * MIB(2), &e));
    block = page_alloc(PAGE_ORDER_2M, PAGE_ZERO);
    before = free_bytes();
    assert_int_equal(kernel_map_fill(at + MIB(4), block), ERR_OK);
    assert_int_equal(kernel_map_fill(at + MIB(4), block), ERR_EXISTS);
    assert_int_equal(free_bytes(), before);
    assert_true(look((uintptr_t)at + MIB(5), &e));
    assert_int_equal(e.pa.v, block.v + MIB(1));
    assert_int_equal(e.size, MIB(2));
    assert_int_equal(e.attrs & (PT_READ | PT_WRITE | PT_EXEC), PT_READ | PT_WRITE);
    assert_false(look((uintptr_t)at + MIB(2), &e));
    assert_false(look((uintptr_t)at + MIB(6), &e));
    kernel_unmap_device(at, MIB(8));
    assert_false(look((uintptr_t)at + MIB(4), &e));
    assert_ptr_equal(kernel_map_reserve(MIB(8)), at);
    assert_null(kernel_map_reserve(TIB(1)));
    assert_int_equal(hosted_pt_violations(), 0);
}

static void test_blocks(void **state)
{
    (void)state;
    hosted_child_test(blocks());
}

static void stacks(void)
{
    char *stack[40];

    start();
    for (unsigned i = 0; i < ARRAY_SIZE(stack); i++) {
        stack[i] = kernel_stack_alloc();
        assert_non_null(stack[i]);
        assert_int_equal((uintptr_t)stack[i] % (2 * THREAD_STACK_SIZE), THREAD_STACK_SIZE);
        memset(stack[i], (int)i, THREAD_STACK_SIZE);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(stack); i++) {
        assert_int_equal(stack[i][0], i);
        assert_int_equal(stack[i][THREAD_STACK_SIZE - 1], i);
        assert_true(kernel_map_readable((uintptr_t)stack[i], THREAD_STACK_SIZE));
        assert_false(kernel_map_readable((uintptr_t)stack[i] - 1, 2));
    }
    kernel_stack_free(stack[3]);
    assert_ptr_equal(kernel_stack_alloc(), stack[3]);
}

static void overflow_stack(void)
{
    start();
    volatile char *stack = kernel_stack_alloc();
    stack[-1] = 1;
}

static void test_stacks(void **state)
{
    (void)state;
    hosted_child_test(stacks());
    assert_false(hosted_panics(overflow_stack()));
    assert_int_not_equal(hosted_child_status, 0); /* it faults */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),  cmocka_unit_test(test_write_xor_execute),
        cmocka_unit_test(test_devices), cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_stacks),
    };
    return cmocka_run_group_tests_name("kernel map", tests, NULL, NULL);
}
