/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Cages (kernel/cage.h): generated code in ring 3, with page tables of its own, whose lower half is
 * the cage. Everything that stops it comes through the interrupt table, its gate included
 * (docs/translator.md, "Cages").
 *
 * The upper half: where CPUs keep translations of several tables, or might let code without rights
 * guess at what it may not read, only the pages that the CPU needs when an interrupt comes (the
 * cage is apart), and each way in or out changes tables. Elsewhere that would cost all
 * translations: the kernel is there, for itself only, and runs the thread on these tables, too.
 */
#include "kernel/cage.h"

#include <string.h>
#include "arch/x86_64/emit/gate.h"
#include "arch/x86_64/host/cage_world.h"
#include "arch/x86_64/host/cpu.h"
#include "arch/x86_64/host/descriptors.h"
#include "arch/x86_64/host/engine.h"
#include "arch/x86_64/host/fpu.h"
#include "arch/x86_64/host/msr.h"
#include "kernel/panic.h"
#include "kernel/thread.h"
#include "kernel/window.h"
#include "kernel/timer.h"
#include "mm/heap.h"
#include "mm/kernel_map.h"
#include "mm/page.h"
#include "mm/page_table.h"

#define PCID_CAGE       1        /* of all cages: one at a time on each CPU */
#define CR3_KEEP        BIT(63)  /* nothing is dropped (SDM 3, 4.10.4.1) */
#define PERIOD_NS       50000000 /* how often it is looked whether caged code stops when it should */
#define PERIODS_MAX     40       /* in which it may go on */
#define XSAVE_ALIGNMENT 64
#define MXCSR_AT        24 /* in the XSAVE area */
#define MXCSR_INIT      0x1f80u
#define CODE_BLOCK      MIB(2)
#define CODE_REACH      GIB(2) /* of displacements from code to data */
#define ROOT_ENTRIES    512
#define SINGLE_FLUSHES  16 /* pages; for more all goes */
#define LEAVES          16 /* tables of windows' pages that are found at once */

_Static_assert(VECTOR_GATE == X86_GATE_VECTOR, "the emitter's gate");

/* A range that stays in the cage whatever the guest's memory does. */
struct piece {
    struct piece *next;
    const void *at;
    size_t size, locked;
    unsigned attrs;
    bool own;   /* allocated for it */
    bool grows; /* by blocks, while cages run: those that are missing are mapped at a fault */
};

/* The table with the pages of 2 MiB of a window; NULL: none. */
struct leaves {
    uint64_t *entries, at;
};

struct cage {
    struct page_table space;
    struct x86_cage_world *world;
    struct piece *pieces;
    struct host_fpu fpu;
    uint64_t stamp; /* of the translations that CPUs may have: changes with the tables */
    bool apart;     /* the kernel is not in its tables */
    bool lost;      /* its tables could not be made again: no memory */
    bool lent;      /* the guest's memory is in it */
    struct leaves leaves[LEAVES];
    bool one_leaf; /* of what is flushed there is but one, of any size: */
    uint64_t leaf_at;
    struct timer watch;
    struct cpu *watched; /* where `watch` was set */
    unsigned periods;    /* in which the code went on although it was to stop */
    const struct vm *vm;
};

extern const char x86_trap_stubs[], x86_trap_stubs_end[];
void x86_trap(struct host_trap_frame *frame);

static struct pt_format format;
static uint64_t next_stamp; /* atomic */

/* ---- Tables ---- */

static void renew_stamp(struct cage *c)
{
    c->stamp = __atomic_add_fetch(&next_stamp, 1, __ATOMIC_RELAXED);
}

/* Only the cage's own thread runs in it, and it looks at the stamp before the next entry. With the
 * kernel in its tables no CPU but that on which they are loaded knows anything of them. */
static void drop_translations(struct cage *c, uint64_t va, uint64_t size)
{
    uint64_t flags;

    if (c->one_leaf) { /* tables that went with it are forgotten, too (SDM 3, 4.10.4.1) */
        va = c->leaf_at;
        size = PAGE_SIZE;
    }
    if (c->apart || size > SINGLE_FLUSHES * PAGE_SIZE) {
        renew_stamp(c);
        return;
    }
    flags = host_irq_save();
    for (uint64_t at = va; at < va + size && cr3_read() == c->space.root.v; at += PAGE_SIZE)
        __asm__ volatile("invlpg (%0)" ::"r"(at) : "memory");
    host_irq_restore(flags);
}

static void flush(struct page_table *pt, uint64_t va, uint64_t size)
{
    struct cage *c = pt->owner;

    memset(c->leaves, 0, sizeof(c->leaves)); /* they may be gone */
    drop_translations(c, va, size);
}

/* What the kernel has at `at`, `down` below; it may be anywhere in memory. */
static enum err map(struct cage *c, const void *at, size_t size, uint64_t down, unsigned attrs)
{
    enum err e = ERR_OK;

    for (size_t done = 0, step; done < size && e == ERR_OK; done += step) {
        const char *va = (const char *)at + done;
        struct pt_entry entry;

        if (!kernel_map_lookup(va, &entry))
            return ERR_RANGE;
        step = MIN(size - done, entry.size - ((uintptr_t)va & (entry.size - 1)));
        e = page_table_map(&c->space, (uintptr_t)va - down, entry.pa, step, attrs);
    }
    return e;
}

/* All of the block is there when its last page is. */
static bool block_is_there(const char *at)
{
    struct pt_entry entry;

    return kernel_map_lookup(at + CODE_BLOCK - PAGE_SIZE, &entry);
}

static enum err map_blocks(struct cage *c, const struct piece *p)
{
    const char *at = p->at, *end = at + p->size;
    enum err e = ERR_OK;

    for (; at < end && e == ERR_OK; at += CODE_BLOCK)
        if (block_is_there(at))
            e = map(c, at, CODE_BLOCK, HOST_CAGE_OFFSET, p->attrs);
    return e;
}

static enum err map_piece(struct cage *c, const struct piece *p)
{
    enum err e = ERR_OK;

    if (p->grows)
        return map_blocks(c, p);
    if (p->locked)
        e = map(c, p->at, p->locked, HOST_CAGE_OFFSET, p->attrs & ~(unsigned)PT_WRITE);
    if (e == ERR_OK && p->locked < p->size)
        e = map(c, (const char *)p->at + p->locked, p->size - p->locked, HOST_CAGE_OFFSET,
                p->attrs);
    return e;
}

struct mapping {
    struct cage *c;
    enum err e;
};

static void map_gate_page(void *arg, const void *at, size_t size)
{
    struct mapping *m = arg;

    if (m->e == ERR_OK)
        m->e = map(m->c, at, size, 0, PT_READ | PT_WRITE);
}

/* What the CPU needs when an interrupt comes, none of it for the caged code. */
static enum err map_gates(struct cage *c)
{
    struct mapping m = {.c = c};

    m.e =
        map(c, x86_trap_stubs, (size_t)(x86_trap_stubs_end - x86_trap_stubs), 0, PT_READ | PT_EXEC);
    if (m.e == ERR_OK)
        m.e = map(c, (const void *)(uintptr_t)descriptors_idt(), PAGE_SIZE, 0, PT_READ);
    map_gate_page(&m, (const void *)ALIGN_DOWN((uintptr_t)c->world, PAGE_SIZE), PAGE_SIZE);
    for (unsigned i = 0; i < cpu_count(); i++)
        if (cpu_get(i))
            descriptors_pages(cpu_get(i), map_gate_page, &m);
    return m.e;
}

/* The kernel's own tables serve the upper half: all that changes there is below the root. */
static void share_kernel(struct cage *c)
{
    const uint64_t *kernel = phys_to_virt(kernel_map_root());
    uint64_t *root = phys_to_virt(c->space.root);

    memcpy(root + ROOT_ENTRIES / 2, kernel + ROOT_ENTRIES / 2, ROOT_ENTRIES / 2 * sizeof(*root));
}

static enum err tables_make(struct cage *c)
{
    enum err e = page_table_init(&c->space, &format, c);

    renew_stamp(c);
    if (e == ERR_OK && c->apart)
        e = map_gates(c);
    else if (e == ERR_OK)
        share_kernel(c);
    for (const struct piece *p = c->pieces; p && e == ERR_OK; p = p->next)
        e = map_piece(c, p);
    return e;
}

/* The CPU goes back to the kernel's tables if it is on those of a cage. */
static void leave_tables(void)
{
    uint64_t flags = host_irq_save();
    struct cpu *cpu = this_cpu();

    if (cr3_read() != kernel_map_root().v) {
        cr3_write(kernel_map_root().v);
        cpu->host.cage = 0;
    }
    host_irq_restore(flags);
}

static void tables_destroy(struct cage *c)
{
    if (!c->space.root.v)
        return;
    leave_tables();
    memset(c->leaves, 0, sizeof(c->leaves));
    if (!c->apart)
        memset((uint64_t *)phys_to_virt(c->space.root) + ROOT_ENTRIES / 2, 0,
               ROOT_ENTRIES / 2 * sizeof(uint64_t));
    page_table_destroy(&c->space);
}

/* ---- Pieces ---- */

static enum err piece_add(struct cage *c, struct piece piece)
{
    struct piece *p = heap_alloc(sizeof(*p));
    enum err e;

    if (!p)
        return ERR_NO_MEMORY;
    *p = piece;
    e = map_piece(c, p);
    if (e != ERR_OK) {
        heap_free(p);
        return e;
    }
    p->next = c->pieces;
    c->pieces = p;
    return ERR_OK;
}

static unsigned order_of(size_t size)
{
    unsigned order = 0;

    while (PAGE_SIZE << order < size)
        order++;
    return order;
}

static void *cage_alloc(struct cage *c, size_t size, size_t locked)
{
    hpa_t page = page_alloc(order_of(size), PAGE_ZERO);
    const struct piece p = {.at = phys_to_virt(page),
                            .size = ALIGN_UP(size, PAGE_SIZE),
                            .locked = ALIGN_UP(locked, PAGE_SIZE),
                            .attrs = PT_READ | PT_WRITE | PT_USER,
                            .own = true};

    if (!page.v || piece_add(c, p) == ERR_OK)
        return page.v ? phys_to_virt(page) : NULL;
    page_free(page, order_of(size));
    return NULL;
}

static void cage_free(struct cage *c, void *at, size_t size)
{
    struct piece **link = &c->pieces, *p;

    while (*link && (*link)->at != at)
        link = &(*link)->next;
    p = *link;
    ASSERT(p && p->size == ALIGN_UP(size, PAGE_SIZE));
    if (page_table_unmap(&c->space, (uintptr_t)cage_address(at), p->size) != ERR_OK)
        c->lost = true;
    *link = p->next;
    page_free(virt_to_phys(at), order_of(size));
    heap_free(p);
}

static enum err cage_share_code(struct cage *c, const struct host_code_memory *m)
{
    struct piece code = {
        .at = m->write, .size = m->size, .attrs = PT_READ | PT_EXEC | PT_USER, .grows = true};
    struct piece data = {
        .at = m->data, .size = m->data_size, .attrs = PT_READ | PT_USER, .grows = true};
    enum err e = piece_add(c, code);

    return e == ERR_OK ? piece_add(c, data) : e;
}

/* Another vCPU's thread made code in a block that is new since this cage's tables were made. */
static bool map_new_block(struct cage *c, uint64_t va)
{
    const char *at = cage_kernel_address(ALIGN_DOWN(va, CODE_BLOCK));

    for (const struct piece *p = c->pieces; p; p = p->next)
        if (p->grows && at >= (const char *)p->at && at < (const char *)p->at + p->size)
            return block_is_there(at) &&
                   map(c, at, CODE_BLOCK, HOST_CAGE_OFFSET, p->attrs) == ERR_OK;
    return false;
}

/* Where some of the pages are there already: the others. */
static enum err lend_pages(struct cage *c, const char *at, size_t size)
{
    enum err e = ERR_OK;

    for (const char *end = at + size; at < end && (e == ERR_OK || e == ERR_EXISTS); at += PAGE_SIZE)
        e = page_table_map(&c->space, (uintptr_t)cage_address(at), virt_to_phys(at), PAGE_SIZE,
                           PT_READ | PT_WRITE | PT_USER);
    return e == ERR_EXISTS ? ERR_OK : e;
}

static bool cage_lend(struct cage *c, const void *at, size_t size)
{
    struct pt_entry entry;
    enum err e;

    if (page_table_lookup(&c->space, (uintptr_t)cage_address(at), &entry) && entry.size >= size)
        return true;
    e = page_table_map(&c->space, (uintptr_t)cage_address(at), virt_to_phys(at), size,
                       PT_READ | PT_WRITE | PT_USER);
    c->lent = true;
    return e == ERR_OK || (e == ERR_EXISTS && lend_pages(c, at, size) == ERR_OK);
}

/* The guest's memory is anywhere in the direct map: the tables are made again without it. */
static void cage_take_back(struct cage *c)
{
    if (!c->lent)
        return;
    tables_destroy(c);
    c->lent = false;
    c->lost = tables_make(c) != ERR_OK;
}

/* ---- Life ---- */

static void watch_fires(struct timer *t)
{
    (void)t; /* that it interrupts is all */
}

static bool fpu_create(struct cage *c)
{
    uint32_t mxcsr = MXCSR_INIT;
    char *area = heap_zalloc(MAX(cpu_features()->xsave_size, 4U * XSAVE_ALIGNMENT));

    if (!area)
        return false;
    memcpy(area + MXCSR_AT, &mxcsr, sizeof(mxcsr));
    c->fpu = (struct host_fpu){.area = area, .xcr0 = cpu_features()->xcr0};
    return true;
}

static uint64_t entry_flags(void)
{
    const struct cpu_features *f = cpu_features();
    uint64_t caps = f->arch_capabilities ? f->arch_capabilities_value : 0;

    return (f->md_clear && !(caps & ARCH_CAP_MDS_NO) ? CAGE_CLEAR_BUFFERS : 0) |
           (f->smap ? CAGE_CLEAR_AC : 0);
}

static bool world_create(struct cage *c)
{
    hpa_t page = page_alloc(0, PAGE_ZERO);

    if (!page.v)
        return false;
    c->world = (void *)((char *)phys_to_virt(page) + PAGE_SIZE - sizeof(*c->world));
    c->world->flags = entry_flags();
    c->world->selector = SELECTOR_DATA;
    if (c->apart)
        c->world->tables = kernel_map_root().v | (cpu_features()->pcid ? CR3_KEEP : 0);
    return true;
}

static void cage_destroy(struct cage *c)
{
    uint64_t flags = host_irq_save();

    if (c->fpu.live && this_cpu()->host.guest_fpu == &c->fpu)
        fpu_save();
    host_irq_restore(flags);
    timer_cancel(&c->watch);
    while (c->pieces) {
        struct piece *p = c->pieces;

        c->pieces = p->next;
        if (p->own)
            page_free(virt_to_phys(p->at), order_of(p->size));
        heap_free(p);
    }
    tables_destroy(c);
    if (c->world)
        page_free(virt_to_phys((const void *)ALIGN_DOWN((uintptr_t)c->world, PAGE_SIZE)), 0);
    heap_free(c->fpu.area);
    heap_free(c);
}

/* Tables of their own cost little where PCID is, and elsewhere all translations at each way in or
 * out. CPUs that read ahead of the check of rights have no choice (RDCL_NO says that they do not).
 */
static bool must_be_apart(void)
{
    const struct cpu_features *f = cpu_features();
    bool checks = f->arch_capabilities && f->arch_capabilities_value & ARCH_CAP_RDCL_NO;

    return f->pcid || (!f->amd && !checks);
}

static const char *cage_kind(void)
{
    return must_be_apart() ? "level 3, in page tables without the hypervisor"
                           : "level 3, in page tables with the hypervisor, out of reach";
}

static enum err cage_create(struct cage **out, const struct vm *vm)
{
    struct cage *c = heap_zalloc(sizeof(*c));
    enum err e = ERR_NO_MEMORY;

    if (!c)
        return e;
    if (!format.flush) {
        format = *host_pt_format();
        format.flush = flush;
    }
    c->vm = vm;
    c->apart = must_be_apart();
    timer_setup(&c->watch, watch_fires);
    if (fpu_create(c) && world_create(c))
        e = tables_make(c);
    if (e == ERR_OK)
        *out = c;
    else
        cage_destroy(c);
    return e;
}

/* ---- Running ---- */

static const char *reason_of(const struct host_trap_frame *f)
{
    switch (f->vector) {
    case EXCEPTION_PF:
        return "translated code reached for memory that is not the guest's";
    case EXCEPTION_GP:
        return "translated code tried an instruction of the hypervisor";
    case EXCEPTION_UD:
        return "translated code is no instruction";
    default:
        return "translated code caused an exception";
    }
}

/* CR3 for the entry, 0: as it is. What this CPU has cached of the cage stays unless the tables have
 * changed. */
static uint64_t tables_for(const struct cage *c, struct cpu *cpu)
{
    uint64_t value = c->space.root.v;

    if (!c->apart && cpu->host.cage == c->stamp)
        return 0;
    if (!cpu_features()->pcid) {
        cpu->host.cage = c->stamp;
        return value;
    }
    value |= PCID_CAGE;
    if (cpu->host.cage == c->stamp)
        value |= CR3_KEEP;
    cpu->host.cage = c->stamp;
    return value;
}

/* Masked. So that an interrupt comes now and then. */
static void watch(struct cage *c, struct cpu *cpu)
{
    if (likely(c->watched == cpu && c->watch.deadline > clock_ns()))
        return;
    c->watched = cpu;
    timer_set(&c->watch, clock_ns() + PERIOD_NS);
}

/* An interrupt came. False: the code was to be at its gate long since. */
static bool stops(struct cage *c, const uint8_t *end)
{
    if (!__atomic_load_n(end, __ATOMIC_RELAXED))
        return true;
    return c->watch.deadline > clock_ns() || ++c->periods < PERIODS_MAX;
}

static void enter(struct cage *c)
{
    struct cpu *cpu = this_cpu();

    watch(c, cpu);
    x86_guest_barrier(cpu, c->vm);
    if (unlikely(cpu->host.guest_fpu != &c->fpu))
        fpu_load(&c->fpu);
    cpu->host.gates->tss.rsp[0] = (uint64_t)(uintptr_t)(&c->world->frame + 1);
    x86_cage_enter(c->world, tables_for(c, cpu));
}

static void registers_begin(struct host_trap_frame *f, const struct cage_call *call)
{
    *f = (struct host_trap_frame){.rip = (uint64_t)(uintptr_t)call->entry,
                                  .rdi = call->argument[0],
                                  .rsi = call->argument[1],
                                  .cs = SELECTOR_CAGE_CODE,
                                  .ss = SELECTOR_CAGE_DATA,
                                  .rflags = RFLAGS_IF};
}

static enum cage_exit broke(struct cage_call *call, const char *text)
{
    call->text = text;
    return CAGE_BROKE;
}

/* An access of code that was told to expect that. */
static bool is_access(const struct cage_call *call, const struct host_trap_frame *f)
{
    if (f->vector == EXCEPTION_PF)
        return call->takes_faults && !(f->error_code & PF_FETCH);
    return call->takes_faults && (f->vector == EXCEPTION_GP || f->vector == EXCEPTION_SS);
}

/* Masked until it is known what came: CR2 and `frame` are the last exception's. */
static enum cage_exit cage_run(struct cage *c, struct cage_call *call)
{
    struct host_trap_frame *f = &c->world->frame;
    bool absent;

    if (unlikely(c->lost))
        return broke(call, "the host has no memory left for page tables of translated code");
    if (call->entry)
        registers_begin(f, call);
    else if (call->faulted)
        f->rip = call->pc;
    else
        f->rax = call->answer;
    call->faulted = false;
    if (call->entry) /* what faults and asks all the time does not come to an end either */
        c->periods = 0;
    for (;;) {
        host_irq_disable();
        enter(c);
        if (likely(f->vector == VECTOR_GATE))
            break;
        if (f->vector < VECTOR_PIC) {
            call->pc = f->rip;
            call->address = f->vector == EXCEPTION_PF ? cr2_read() : 0;
            call->write = f->error_code & PF_WRITE;
            absent = call->address && !(f->error_code & PF_PRESENT);
            call->faulted = is_access(call, f);
            host_irq_enable();
            if (absent && map_new_block(c, call->address)) {
                call->faulted = false;
                continue;
            }
            call->text = reason_of(f);
            return call->faulted ? CAGE_FAULTED : CAGE_BROKE;
        }
        x86_trap(f);
        if (!stops(c, call->end)) {
            host_irq_enable();
            call->pc = f->rip;
            return broke(call, "translated code does not come to an end");
        }
    }
    host_irq_enable();
    call->asked = f->rax;
    call->argument[0] = f->rsi;
    return CAGE_ASKED;
}

/* What is in the registers may be wanted: the code may have been interrupted. */
static void cage_put(struct cage *c)
{
    if (this_cpu()->host.guest_fpu == &c->fpu)
        fpu_save();
    if (!c->apart)
        leave_tables();
}

TABLE_ENTRY(cage_hosts, struct cage_host, x86_cages) = {
    .create = cage_create,
    .destroy = cage_destroy,
    .kind = cage_kind,
    .alloc = cage_alloc,
    .free = cage_free,
    .share_code = cage_share_code,
    .lend = cage_lend,
    .take_back = cage_take_back,
    .run = cage_run,
    .put = cage_put,
};

/* ---- Windows (kernel/window.h): every second entry of the root that is for nothing else ---- */

#define WINDOW_RANGES 48
#define WINDOW_PAGES  16384 /* of each vCPU: with tables, 64 MiB at most */
#define PAGE_NS       1000

static bool is_apart_from(uint64_t at, uint64_t base, uint64_t size)
{
    base -= HOST_CAGE_OFFSET;
    return at + WINDOW_SIZE + WINDOW_GUARD <= base || at >= base + size + WINDOW_GUARD;
}

static bool is_window(uint64_t at)
{
    const struct host_layout *l = host_layout();

    return is_apart_from(at, l->direct_map_base, l->direct_map_size) &&
           is_apart_from(at, l->vmap_base, l->vmap_size);
}

static uint64_t window_range(struct cage *c, unsigned n, uintptr_t *room)
{
    (void)c, (void)room;
    for (uint64_t i = 2; i < ROOT_ENTRIES / 2 - 1; i += 2)
        if (is_window(i * WINDOW_SIZE) && n-- == 0)
            return i * WINDOW_SIZE;
    return 0;
}

static bool window_limits(unsigned vcpus, unsigned *ranges, unsigned *pages, const char **reason)
{
    (void)vcpus, (void)reason;
    *ranges = WINDOW_RANGES;
    *pages = WINDOW_PAGES;
    return true;
}

static void window_release(struct cage *c, uintptr_t room)
{
    (void)c, (void)room;
}

static struct leaves *leaves_at(struct cage *c, uint64_t at)
{
    return &c->leaves[(at >> (PAGE_SHIFT + PAGE_ORDER_2M)) % LEAVES];
}

/* The entry of the page that `at` lies in, if it is in one of the tables that were used last. */
static uint64_t *leaf_of(struct cage *c, uint64_t at)
{
    const struct leaves *l = leaves_at(c, at);

    return l->entries && l->at == at >> (PAGE_SHIFT + PAGE_ORDER_2M)
               ? &l->entries[at >> PAGE_SHIFT & (ROOT_ENTRIES - 1)]
               : NULL;
}

static void window_unmap(struct cage *c, uint64_t at, uint64_t size)
{
    uint64_t *entry = size == PAGE_SIZE ? leaf_of(c, at) : NULL;
    struct pt_entry leaf;

    if (entry) { /* the table stays */
        WRITE_ONCE(*entry, 0);
        drop_translations(c, at, size);
        return;
    }
    c->leaf_at = at;
    c->one_leaf = size == MIB(2) && page_table_lookup(&c->space, at, &leaf) && leaf.size == size;
    if (page_table_unmap(&c->space, at, size) != ERR_OK)
        c->lost = true;
    c->one_leaf = false;
}

/* The table of pages that `at` lies in; all of them are there. */
static uint64_t *leaves_of(const struct cage *c, uint64_t at)
{
    uint64_t *entries = phys_to_virt(c->space.root);

    for (unsigned level = format.levels - 1; level > 0; level--) {
        uint64_t entry = entries[at >> (PAGE_SHIFT + 9 * level) & (ROOT_ENTRIES - 1)];

        entries = phys_to_virt(format.address(entry, level));
    }
    return entries;
}

static bool window_map(struct cage *c, uint64_t at, const void *host, uint64_t size, bool write)
{
    uint64_t *entry = size == PAGE_SIZE ? leaf_of(c, at) : NULL;
    unsigned attrs = PT_READ | PT_USER | (write ? PT_WRITE : 0);
    hpa_t page = HPA(ALIGN_DOWN(virt_to_phys(host).v, PAGE_SIZE));
    enum err e;

    if (entry && !*entry) {
        WRITE_ONCE(*entry, format.leaf(page, 0, attrs));
        return true;
    }
    if (size != PAGE_SIZE) /* a table that was left may be there */
        window_unmap(c, at, size);
    e = page_table_map(&c->space, at, page, size, attrs);
    if (e == ERR_EXISTS) {
        window_unmap(c, at, size);
        e = page_table_map(&c->space, at, page, size, attrs);
    }
    if (e != ERR_OK || size != PAGE_SIZE)
        return e == ERR_OK;
    *leaves_at(c, at) =
        (struct leaves){.entries = leaves_of(c, at), .at = at >> (PAGE_SHIFT + PAGE_ORDER_2M)};
    return true;
}

TABLE_ENTRY(window_hosts, struct window_host, x86_windows) = {.page_ns = PAGE_NS,
                                                              .limits = window_limits,
                                                              .range = window_range,
                                                              .release = window_release,
                                                              .map = window_map,
                                                              .unmap = window_unmap};

/* ---- Memory for code: the kernel writes it, cages execute it, at one address ---- */

static bool block_take(char *at)
{
    hpa_t block;

    if (block_is_there(at))
        return true;
    block = page_alloc(PAGE_ORDER_2M, PAGE_ZERO);
    if (block.v && kernel_map_fill(at, block) == ERR_OK)
        return true;
    if (block.v)
        page_free(block, PAGE_ORDER_2M);
    return false;
}

static bool code_memory_prepare(const struct host_code_memory *m, bool data, size_t offset,
                                size_t size)
{
    char *start = data ? m->data : m->write, *end = start + offset + size;

    for (char *at = start + ALIGN_DOWN(offset, CODE_BLOCK); at < end; at += CODE_BLOCK)
        if (!block_take(at))
            return false;
    return true;
}

enum err host_code_memory_create(struct host_code_memory *m, size_t size, size_t data_size)
{
    size_t code = ALIGN_UP(size, CODE_BLOCK), all = code + ALIGN_UP(data_size, CODE_BLOCK);
    char *at;

    *m = (struct host_code_memory){
        .size = code, .data_size = all - code, .prepare = code_memory_prepare};
    if (all >= CODE_REACH)
        return ERR_RANGE;
    at = kernel_map_reserve(all);
    if (!at)
        return ERR_NO_MEMORY;
    m->write = at;
    m->exec = cage_address(at);
    m->data = at + code;
    return ERR_OK;
}

void host_code_memory_destroy(struct host_code_memory *m)
{
    char *start = m->write, *end = start + m->size + m->data_size;
    struct pt_entry entry = {0};
    hpa_t blocks = {0}; /* each one's first word is the next one */

    if (!m->write)
        return;
    for (char *at = start; at < end; at += CODE_BLOCK) {
        if (!block_is_there(at) || !kernel_map_lookup(at, &entry))
            continue;
        *(hpa_t *)(void *)at = blocks;
        blocks = entry.pa;
    }
    kernel_unmap_device(m->write, m->size + m->data_size);
    while (blocks.v) {
        hpa_t block = blocks;

        blocks = *(const hpa_t *)phys_to_virt(block);
        page_free(block, PAGE_ORDER_2M);
    }
    m->write = NULL;
}
