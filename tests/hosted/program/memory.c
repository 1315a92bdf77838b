/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Physical memory. RAM is anonymous memory with huge pages where Linux has them; files are mapped
 * behind it, so that a shared one's changes go to the disk by themselves. The vmap area has memory
 * of its own: nobody reads a stack through the direct map.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "hosted.h"
#include "mm/kernel_map.h"
#include "program.h"

#define VMAP_SIZE    GIB(1)
#define COUNTED_WALL 1767225600 /* with --icount all runs are in the first second of 2026 */
#define RAM_BASE     MIB(4)     /* the image, 2 MiB; then what is free */

extern char __kernel_start[];

static struct host_layout layout;
static struct boot_mem mem[64];
static struct boot_file files[32];
static uint64_t end, limit; /* of what is used; of the direct map */
static uint64_t ram_size;
bool program_memory_shared;
int program_memory_file = -1;

static void *reserve(uint64_t size)
{
    char *room =
        mmap(NULL, size + GIB(1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (room == MAP_FAILED)
        program_fail("there is no room for %llu MiB of memory", (unsigned long long)(size >> 20));
    return (void *)ALIGN_UP((uintptr_t)room, GIB(1));
}

static void *at(uint64_t pa)
{
    return (char *)(uintptr_t)layout.direct_map_base + pa;
}

static void add(struct boot_info *info, uint64_t base, uint64_t size, enum boot_mem_type type)
{
    mem[info->mem_count++] = (struct boot_mem){.base = base, .size = size, .type = type};
    end = base + size;
}

/* The arrays of the hand-over are in RAM, where the core looks for them. */
static uint64_t place(struct boot_info *info, size_t size)
{
    uint64_t pa = end;

    size = ALIGN_UP(size, PAGE_SIZE);
    add(info, pa, size, BOOT_MEM_LOADER);
    return pa;
}

/* A file costs huge pages: Linux has these for anonymous memory. */
static void ram_create(uint64_t size)
{
    int flags = program_memory_shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;

    ram_size = size;
    if (program_memory_shared) {
        program_memory_file = memfd_create("guest", MFD_CLOEXEC);
        if (program_memory_file < 0 || ftruncate(program_memory_file, (off_t)size))
            program_fail("no memory: %s", strerror(errno));
    }
    if (mmap(at(RAM_BASE), size, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE | MAP_FIXED,
             program_memory_file, 0) == MAP_FAILED)
        program_fail("no memory: %s", strerror(errno));
    madvise(at(RAM_BASE), size, MADV_HUGEPAGE);
}

int64_t program_memory_place(const void *place)
{
    uint64_t offset = (uint64_t)((const char *)place - (const char *)at(RAM_BASE));

    return offset < ram_size ? (int64_t)offset : -1;
}

void program_memory_create(struct boot_info *info, uint64_t bytes, uint64_t file_bytes)
{
    bytes = ALIGN_UP(bytes, MIB(2));
    limit = RAM_BASE + MIB(4) + bytes + ALIGN_UP(file_bytes, MIB(2));
    layout.direct_map_base = (uintptr_t)reserve(limit);
    layout.direct_map_size = limit;
    layout.vmap_base = (uintptr_t)reserve(VMAP_SIZE);
    layout.vmap_size = VMAP_SIZE;
    ram_create(bytes + MIB(4));
    *info = (struct boot_info){
        .magic = BOOT_INFO_MAGIC,
        .version = BOOT_INFO_VERSION,
        .size = sizeof(*info),
        .kernel_phys = RAM_BASE,
        .kernel_virt = (uintptr_t)__kernel_start,
        .kernel_size = MIB(2),
        .direct_map_base = layout.direct_map_base,
        .direct_map_size = limit,
        .entry_counter = host_counter(),
        .exit_counter = host_counter(),
        .wall_seconds = program_count.on ? COUNTED_WALL : (uint64_t)time(NULL),
        .firmware_vendor = "Linux",
    };
    add(info, RAM_BASE, MIB(2), BOOT_MEM_KERNEL);
    info->mem = place(info, sizeof(mem));
    info->files = place(info, sizeof(files));
    add(info, end, RAM_BASE + MIB(4) + bytes - end, BOOT_MEM_USABLE);
    memcpy(at(info->mem), mem, sizeof(mem));
}

static struct boot_file *new_file(struct boot_info *info, const char *name, uint64_t size)
{
    struct boot_file *f = &files[info->file_count];
    uint64_t room = ALIGN_UP(size ? size : 1, PAGE_SIZE);

    if (info->file_count == ARRAY_SIZE(files) || room > limit - end)
        program_fail("there is no room for the file %s", name);
    info->file_count++;
    snprintf(f->path, sizeof(f->path), "%s", name);
    f->base = end;
    f->size = size;
    add(info, end, room, BOOT_MEM_FILE);
    memcpy(at(info->mem), mem, sizeof(mem));
    memcpy(at(info->files), files, sizeof(files));
    return f;
}

void program_file_add(struct boot_info *info, const char *name, const char *path, bool shared)
{
    int fd = open(path, (shared ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    struct stat s;

    if (fd < 0 || fstat(fd, &s))
        program_fail("%s: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        program_fail("%s is no file: give the path of an image", path);
    const struct boot_file *f = new_file(info, name, (uint64_t)s.st_size);
    if (f->size && mmap(at(f->base), f->size, PROT_READ | PROT_WRITE,
                        MAP_FIXED | (shared ? MAP_SHARED : MAP_PRIVATE), fd, 0) == MAP_FAILED)
        program_fail("%s: %s", path, strerror(errno));
    close(fd);
}

void program_text_add(struct boot_info *info, const char *name, const char *text)
{
    const struct boot_file *f = new_file(info, name, strlen(text));

    if (mmap(at(f->base), f->size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
             -1, 0) == MAP_FAILED)
        program_fail("no memory: %s", strerror(errno));
    memcpy(at(f->base), text, f->size);
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

void host_kernel_tables_load(hpa_t root)
{
    (void)root;
}

void hosted_mirror(const struct page_table *pt, uint64_t va, uint64_t size)
{
    if (va < layout.vmap_base || va - layout.vmap_base >= layout.vmap_size)
        return;
    for (uint64_t last = va + size; va < last; va += PAGE_SIZE) {
        struct pt_entry e;
        bool mapped = page_table_lookup(pt, va, &e);

        if (mprotect((void *)(uintptr_t)va, PAGE_SIZE, mapped ? PROT_READ | PROT_WRITE : PROT_NONE))
            program_fail("no memory for a stack: %s", strerror(errno));
    }
}

void host_tlb_flush_kernel(uint64_t va, uint64_t size)
{
    (void)va, (void)size;
}
