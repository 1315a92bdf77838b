/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The kernel's address space. The direct map and the image are mapped once, at the start, by pieces
 * that need no splitting later; only the vmap area changes. Its tables are never freed, so that
 * lookups need no lock.
 */
#include "boot/boot_info.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "mm/kernel_map.h"
#include "mm/page.h"

/* From the linker script. */
extern char __kernel_start[], __text_start[], __text_end[], __rodata_start[], __rodata_end[],
    __bss_end[];

#define KERNEL_TEXT (PT_READ | PT_EXEC | PT_GLOBAL)
#define KERNEL_RO   (PT_READ | PT_GLOBAL)
#define KERNEL_RW   (PT_READ | PT_WRITE | PT_GLOBAL)

#define STACK_SLOT_SIZE  (2 * THREAD_STACK_SIZE)
#define STACK_PAGE_ORDER (THREAD_STACK_SHIFT - PAGE_SHIFT)
/* One entry of a four-level root table: more would not be seen by tables that copied the root. */
#define VMAP_SIZE_MAX GIB(512)

LOCK_CLASS(kernel_map_class, "kernel map", RANK_KERNEL_MAP);
LOCK_CLASS(stack_cache_class, "stack cache", RANK_PAGE_CACHE);

/* A range of the vmap area in use, in a list by address. */
struct area {
    uint64_t base, size;
    struct area *next;
};

/* Taken with interrupts as they are: a holder waits for other CPUs to flush their TLBs. */
static struct spinlock lock = SPINLOCK_INIT(&kernel_map_class);
static struct page_table kernel_pt;
static struct area *areas, *spare_areas;
static uint64_t vmap_base, vmap_end;

static struct spinlock stack_lock = SPINLOCK_INIT(&stack_cache_class);
static void **free_stacks; /* each one's first word links to the next */

/* ---- The start ---- */

static void map_or_panic(uint64_t va, hpa_t pa, uint64_t size, unsigned attrs, const char *what)
{
    enum err e = size ? page_table_map(&kernel_pt, va, pa, size, attrs) : ERR_OK;

    if (e)
        panic("cannot map %s at %#lx: %s", what, (unsigned long)va, err_text(e));
}

/* A segment of the image. `alias` maps the same memory in the direct map, never more than readable
 * for code and constants. */
static void map_segment(const struct boot_info *info, const char *start, const char *end,
                        unsigned attrs, const char *what)
{
    uint64_t offset = (uint64_t)(start - __kernel_start);
    uint64_t size = ALIGN_UP((uint64_t)(end - start), PAGE_SIZE);
    hpa_t pa = HPA(info->kernel_phys + offset);

    map_or_panic(info->kernel_virt + offset, pa, size, attrs, what);
    map_or_panic(info->direct_map_base + pa.v, pa, size, attrs & ~(unsigned)PT_EXEC, what);
}

static void map_image(const struct boot_info *info)
{
    if ((uintptr_t)__kernel_start != info->kernel_virt)
        panic("the loader says %#lx, the kernel runs at %#lx", (unsigned long)info->kernel_virt,
              (unsigned long)(uintptr_t)__kernel_start);
    map_segment(info, __text_start, __text_end, KERNEL_TEXT, "the kernel's code");
    map_segment(info, __rodata_start, __rodata_end, KERNEL_RO, "the kernel's constants");
    map_segment(info, __rodata_end, __bss_end, KERNEL_RW, "the kernel's data");
}

/* What the kernel reads and writes through the direct map. The image is mapped by map_image(); code
 * of the firmware, reserved memory and devices are not mapped: speculation must not reach them. */
static bool in_direct_map(uint32_t type)
{
    return type == BOOT_MEM_USABLE || type == BOOT_MEM_LOADER || type == BOOT_MEM_FILE ||
           type == BOOT_MEM_ACPI_RECLAIM || type == BOOT_MEM_ACPI_NVS ||
           type == BOOT_MEM_RUNTIME_DATA;
}

/* Where the firmware's map overlaps, what is not mapped yet is mapped page by page. */
static void map_overlapping(uint64_t base, hpa_t pa, uint64_t size)
{
    for (uint64_t offset = 0; offset < size; offset += PAGE_SIZE) {
        enum err e =
            page_table_map(&kernel_pt, base + offset, HPA(pa.v + offset), PAGE_SIZE, KERNEL_RW);
        if (e && e != ERR_EXISTS)
            panic("cannot map memory at %#lx: %s", (unsigned long)(pa.v + offset), err_text(e));
    }
}

static void map_direct(const struct boot_info *info, uint64_t base, uint64_t end)
{
    base = ALIGN_UP(base, PAGE_SIZE);
    end = ALIGN_DOWN(MIN(end, info->direct_map_size), PAGE_SIZE);
    if (base >= end)
        return;
    enum err e =
        page_table_map(&kernel_pt, info->direct_map_base + base, HPA(base), end - base, KERNEL_RW);
    if (e == ERR_EXISTS)
        map_overlapping(info->direct_map_base + base, HPA(base), end - base);
    else if (e)
        panic("cannot map memory at %#lx: %s", (unsigned long)base, err_text(e));
}

/* Neighbours are mapped together, with the largest leaves. */
static void map_memory(const struct boot_info *info)
{
    const struct boot_mem *mem = phys_to_virt(HPA(info->mem));
    uint64_t base = 0, end = 0;

    for (uint32_t i = 0; i < info->mem_count; i++) {
        uint64_t last =
            mem[i].size > UINT64_MAX - mem[i].base ? UINT64_MAX : mem[i].base + mem[i].size;

        if (!in_direct_map(mem[i].type))
            continue;
        if (mem[i].base != end) {
            map_direct(info, base, end);
            base = mem[i].base;
        }
        end = last;
    }
    map_direct(info, base, end);
}

/* ---- The vmap area ---- */

static struct area *area_new(void)
{
    if (!spare_areas) {
        hpa_t page = page_alloc(0, PAGE_ZERO);
        struct area *a = phys_to_virt(page);
        for (unsigned i = 0; page.v && i < PAGE_SIZE / sizeof(*a); i++) {
            a[i].next = spare_areas;
            spare_areas = &a[i];
        }
    }
    struct area *a = spare_areas;
    if (a)
        spare_areas = a->next;
    return a;
}

/* The first gap that holds `size` bytes aligned to `align`; 0 when there is none. */
static uint64_t area_take(uint64_t size, uint64_t align)
{
    struct area **link = &areas, *a = area_new();
    uint64_t base = ALIGN_UP(vmap_base, align);

    if (!a)
        return 0;
    for (; *link && base + size > (*link)->base; link = &(*link)->next)
        base = MAX(base, ALIGN_UP((*link)->base + (*link)->size, align));
    if (base + size > vmap_end) {
        a->next = spare_areas;
        spare_areas = a;
        return 0;
    }
    *a = (struct area){.base = base, .size = size, .next = *link};
    *link = a;
    return base;
}

static void area_return(uint64_t base)
{
    struct area **link = &areas;

    while (*link && (*link)->base != base)
        link = &(*link)->next;
    ASSERT(*link);
    struct area *a = *link;
    *link = a->next;
    a->next = spare_areas;
    spare_areas = a;
}

/* Takes an area of `size` bytes and maps `length` bytes of `pa` at `offset` in it. Returns where, 0
 * on failure. */
static uint64_t area_map(uint64_t size, uint64_t align, uint64_t offset, hpa_t pa, uint64_t length,
                         unsigned attrs)
{
    spin_lock(&lock);
    uint64_t base = area_take(size, align);
    if (base && page_table_map(&kernel_pt, base + offset, pa, length, attrs | PT_GLOBAL)) {
        area_return(base);
        base = 0;
    }
    spin_unlock(&lock);
    return base ? base + offset : 0;
}

void *kernel_map_device(hpa_t pa, uint64_t size, unsigned attrs)
{
    uint64_t offset = pa.v & PAGE_MASK;

    if (!size || size > vmap_end - vmap_base || pa.v > UINT64_MAX - size - 2 * PAGE_SIZE)
        return NULL;
    if ((attrs & (PT_WRITE | PT_EXEC)) == (PT_WRITE | PT_EXEC))
        return NULL;
    uint64_t length = ALIGN_UP(offset + size, PAGE_SIZE);
    /* Large devices (frame buffers) lie so that large leaves fit; the page after each area stays
     * unmapped. */
    uint64_t align = length >= MIB(2) ? MIB(2) : PAGE_SIZE, shift = (pa.v - offset) & (align - 1);
    uint64_t va =
        area_map(shift + length + PAGE_SIZE, align, shift, HPA(pa.v - offset), length, attrs);
    return va ? (void *)(uintptr_t)(va + offset) : NULL;
}

void kernel_unmap_device(void *va, uint64_t size)
{
    uint64_t start = ALIGN_DOWN((uint64_t)(uintptr_t)va, PAGE_SIZE);
    uint64_t length = ALIGN_UP((uint64_t)(uintptr_t)va + size, PAGE_SIZE) - start;

    if (!va)
        return;
    spin_lock(&lock);
    enum err e = page_table_unmap(&kernel_pt, start, length);
    if (e)
        panic("cannot unmap %#lx: %s", (unsigned long)start, err_text(e));
    area_return(length >= MIB(2) ? ALIGN_DOWN(start, MIB(2)) : start);
    spin_unlock(&lock);
}

void *kernel_map_reserve(uint64_t size)
{
    spin_lock(&lock);
    uint64_t base = area_take(size + PAGE_SIZE, MIB(2));
    if (base && page_table_prepare(&kernel_pt, base, size)) {
        area_return(base);
        base = 0;
    }
    spin_unlock(&lock);
    return (void *)(uintptr_t)base;
}

/* Nobody else changes what is below the tables that are there, and no TLB knows of nothing. */
enum err kernel_map_fill(void *va, hpa_t block)
{
    return page_table_map(&kernel_pt, (uintptr_t)va, block, MIB(2), KERNEL_RW);
}

/* ---- Stacks ---- */

static void *stack_from_cache(void)
{
    uint64_t irq = spin_lock_irq(&stack_lock);
    void **stack = free_stacks;

    if (stack)
        free_stacks = *stack;
    spin_unlock_irq(&stack_lock, irq);
    return stack;
}

void *kernel_stack_alloc(void)
{
    void *stack = stack_from_cache();

    if (stack)
        return stack;
    hpa_t pages = page_alloc(STACK_PAGE_ORDER, PAGE_ZERO);
    if (!pages.v)
        return NULL;
    uint64_t va = area_map(STACK_SLOT_SIZE, STACK_SLOT_SIZE, THREAD_STACK_SIZE, pages,
                           THREAD_STACK_SIZE, PT_READ | PT_WRITE);
    if (!va)
        page_free(pages, STACK_PAGE_ORDER);
    return (void *)(uintptr_t)va;
}

/* A stack stays mapped for the next thread: unmapping would interrupt every CPU. */
void kernel_stack_free(void *stack)
{
    void **link = stack;
    uint64_t irq = spin_lock_irq(&stack_lock);

    *link = free_stacks;
    free_stacks = link;
    spin_unlock_irq(&stack_lock, irq);
}

/* ---- The interface ---- */

static void vmap_init(void)
{
    const struct host_layout *layout = host_layout();

    vmap_base = ALIGN_UP(layout->vmap_base, MIB(2));
    vmap_end = layout->vmap_base + MIN(layout->vmap_size, VMAP_SIZE_MAX);
    /* The tables down to the first page are made now, so that copies of the root see all that
     * comes. */
    map_or_panic(vmap_base, HPA(kernel_pt.root.v), PAGE_SIZE, KERNEL_RO, "the vmap area");
    if (page_table_unmap(&kernel_pt, vmap_base, PAGE_SIZE))
        panic("cannot prepare the vmap area");
}

void kernel_map_init(const struct boot_info *info)
{
    if (page_table_init(&kernel_pt, host_pt_format(), NULL))
        panic("no memory for the kernel's page tables");
    kernel_pt.keep_tables = true;
    map_image(info);
    map_memory(info);
    vmap_init();
    host_kernel_tables_load(kernel_pt.root);
}

void kernel_map_cpu_init(void)
{
    host_kernel_tables_load(kernel_pt.root);
}

hpa_t kernel_map_root(void)
{
    return kernel_pt.root;
}

bool kernel_map_lookup(const void *va, struct pt_entry *entry)
{
    return page_table_lookup(&kernel_pt, (uintptr_t)va, entry);
}

bool kernel_map_readable(uint64_t va, uint64_t size)
{
    uint64_t last = va + size - 1;
    struct pt_entry e;

    if (!kernel_pt.root.v || !size || last < va)
        return false;
    for (va = ALIGN_DOWN(va, PAGE_SIZE);; va += PAGE_SIZE) {
        if (!page_table_lookup(&kernel_pt, va, &e) || !(e.attrs & PT_READ) || e.attrs & PT_DEVICE)
            return false;
        if (last - va < PAGE_SIZE)
            return true;
    }
}
