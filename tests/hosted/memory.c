/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Physical memory as a sparse file, so that what the kernel maps in its vmap area can be mapped
 * here too: stacks really have unmapped guards. And the image's segments, which are only addresses
 * here.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hosted.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"
#include "mm/page.h"

#define VMAP_SIZE GIB(1)

static int memory_fd = -1;
static char *memory;
static uint64_t memory_size = HOSTED_MEMORY_MAX;
static struct host_layout layout;
static struct boot_mem mem[HOSTED_MEM_MAX];

/* At a gigabyte boundary, as loaders place the direct map, so that the largest leaves fit. NULL
 * when there is no room. */
static char *map_memory(void)
{
    char *room = mmap(NULL, memory_size + GIB(1), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (room == MAP_FAILED)
        return NULL;
    room = (char *)ALIGN_UP((uintptr_t)room, GIB(1));
    room = mmap(room, memory_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED,
                memory_fd, 0);
    return room == MAP_FAILED ? NULL : room;
}

char *hosted_memory_reset(void)
{
    if (memory_fd < 0) {
        memory_fd = memfd_create("memory", MFD_CLOEXEC);
        if (memory_fd < 0 || ftruncate(memory_fd, (off_t)memory_size))
            abort();
        memory = map_memory();
        if (!memory) { /* valgrind has less room */
            memory_size = GIB(16);
            memory = map_memory();
        }
        char *vmap =
            mmap(NULL, VMAP_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (!memory || vmap == MAP_FAILED)
            abort();
        layout = (struct host_layout){(uintptr_t)memory, memory_size, (uintptr_t)vmap, VMAP_SIZE};
    }
    if (fallocate(memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)HOSTED_MEMORY_MAX))
        abort();
    return memory;
}

struct boot_info *hosted_boot_info(void)
{
    static struct boot_info info;
    char *base = hosted_memory_reset();

    info = (struct boot_info){
        .magic = BOOT_INFO_MAGIC,
        .version = BOOT_INFO_VERSION,
        .size = sizeof(info),
        .mem = (uintptr_t)mem - (uintptr_t)base,
        .direct_map_base = (uintptr_t)base,
        .direct_map_size = memory_size,
    };
    return &info;
}

void hosted_boot_mem(struct boot_info *info, uint64_t base, uint64_t size, enum boot_mem_type type)
{
    mem[info->mem_count++] = (struct boot_mem){.base = base, .size = size, .type = type};
}

void hosted_start(const struct boot_info *info)
{
    host_early_init(info, cpu_boot());
    page_init(info);
    heap_init();
}

void hosted_start_size(uint64_t size)
{
    struct boot_info *info = hosted_boot_info();
    uint64_t low = MIN(size, GIB(3));

    hosted_boot_mem(info, 0, KIB(640), BOOT_MEM_USABLE);
    hosted_boot_mem(info, MIB(1), low - MIB(1), BOOT_MEM_USABLE);
    if (size > low)
        hosted_boot_mem(info, GIB(4), size - low, BOOT_MEM_USABLE);
    hosted_start(info);
}

extern char __percpu_start[], __percpu_end[];

struct cpu *hosted_cpu_add(void)
{
    static unsigned id;
    size_t size = (size_t)(__percpu_end - __percpu_start);
    struct cpu *cpu = calloc(1, sizeof(*cpu));
    char *area = aligned_alloc(64, ALIGN_UP(size, 64UL));

    if (!cpu || !area)
        abort();
    memset(area, 0, size);
    cpu->self = cpu;
    cpu->id = ++id;
    cpu->online = true;
    cpu->percpu_offset = (uintptr_t)area - (uintptr_t)__percpu_start;
    return cpu;
}

/* ---- The kernel's page tables ---- */

const struct pt_format *host_pt_format(void)
{
    return &hosted_format_x86;
}

const struct host_layout *host_layout(void)
{
    return &layout;
}

static hpa_t kernel_root;

void host_kernel_tables_load(hpa_t root)
{
    kernel_root = root;
}

/* Makes the process's mappings of the vmap area those of the kernel's tables. */
static void mirror_page(const struct page_table *pt, uint64_t va)
{
    struct pt_entry e;
    void *at = (void *)(uintptr_t)va, *got;

    if (page_table_lookup(pt, va, &e) && e.pa.v < HOSTED_MEMORY_MAX)
        got = mmap(at, PAGE_SIZE, PROT_READ | (e.attrs & PT_WRITE ? PROT_WRITE : 0),
                   MAP_SHARED | MAP_FIXED, memory_fd, (off_t)e.pa.v);
    else
        got = mmap(at, PAGE_SIZE, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (got != at)
        abort();
}

void hosted_mirror(const struct page_table *pt, uint64_t va, uint64_t size)
{
    if (va < layout.vmap_base || va - layout.vmap_base >= layout.vmap_size)
        return;
    for (uint64_t end = va + size; va != end; va += PAGE_SIZE)
        mirror_page(pt, va);
}

void host_tlb_flush_kernel(uint64_t va, uint64_t size)
{
    (void)va, (void)size;
}
