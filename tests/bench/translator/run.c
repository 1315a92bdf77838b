/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Runs a static riscv64 program of kernels.c in emitted code of this host: memory behind the
 * software TLB, system calls write and exit.
 *
 *   run PROGRAM [LEVEL]        LEVEL: 0 (x86-64-v2), 1 (v3)
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/riscv64/guest/lift.h"
#include "dbt/pass.h"
#include "mm/heap.h"
#include "tests/hosted/code_memory.h"

#define BASE        0x80000000ULL
#define SIZE        MIB(64)
#define TEXT        MIB(1) /* code lies below */
#define TLB_ENTRIES 1024
#define SYS_WRITE   64
#define MODE        (RV_FS_DIRTY << RV_MODE_FS_SHIFT | DBT_MODE_ONE_VCPU)

static uint8_t *memory;
static struct dbt_tlb_entry tlb[TLB_ENTRIES];
static struct dbt_code blocks[TEXT / 2];
static struct dbt_frame *frame;
static struct dbt_cache cache;
static struct ir_unit unit;
static unsigned long units, insns, exits;

void *heap_zalloc(size_t size)
{
    return calloc(1, size);
}

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static uint8_t *reach(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access)
{
    uint64_t page = va & ~(uint64_t)(IR_PAGE_SIZE - 1);

    if (va - BASE >= SIZE - size) {
        f->fault = (struct dbt_fault){.address = va, .access = access};
        return NULL;
    }
    tlb[page / IR_PAGE_SIZE % TLB_ENTRIES] =
        (struct dbt_tlb_entry){{page, page, page}, (uintptr_t)memory - BASE};
    return memory + (va - BASE);
}

bool dbt_memory_read(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t *value)
{
    uint8_t *p = reach(f, va, size, DBT_READ);

    *value = 0;
    if (p)
        memcpy(value, p, size);
    return p;
}

bool dbt_memory_write(struct dbt_frame *f, uint64_t va, unsigned size, uint64_t value)
{
    uint8_t *p = reach(f, va, size, DBT_WRITE);

    if (p)
        memcpy(p, &value, size);
    return p;
}

bool dbt_memory_user(struct dbt_frame *f, uint64_t va, unsigned size, bool write, uint64_t *value)
{
    return write ? dbt_memory_write(f, va, size, *value) : dbt_memory_read(f, va, size, value);
}

void *dbt_memory_atomic(struct dbt_frame *f, uint64_t va, unsigned size, bool *mmio)
{
    *mmio = false;
    return reach(f, va, size, DBT_WRITE);
}

bool dbt_memory_probe(struct dbt_frame *f, uint64_t va, unsigned size, enum dbt_access access)
{
    return reach(f, va, size, access);
}

static uint64_t load_program(const char *name)
{
    FILE *f = fopen(name, "rb");
    static uint8_t file[MIB(4)];
    const Elf64_Ehdr *header = (const void *)file;
    const Elf64_Phdr *segment;

    if (!f || fread(file, 1, sizeof(file), f) < sizeof(*header))
        fail("the program cannot be read");
    fclose(f);
    segment = (const void *)(file + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++, segment++)
        if (segment->p_type == PT_LOAD)
            memcpy(memory + (segment->p_vaddr - BASE), file + segment->p_offset, segment->p_filesz);
    return header->e_entry;
}

static void emit_block(const struct dbt_emitter *emitter, struct emitter *e,
                       struct pass_scratch *passes, struct dbt_code *block)
{
    uint64_t offset = frame->pc - BASE;
    struct dbt_source source = {.page = memory + (offset & ~(uint64_t)(IR_PAGE_SIZE - 1)),
                                .offset = (unsigned)(offset % IR_PAGE_SIZE),
                                .features = RV_EXT_ALL,
                                .max_insns = 64};
    struct dbt_emitted emitted;

    source.next = source.page + IR_PAGE_SIZE;
    ir_unit_reset(&unit, rv_frontend.dialect, MODE);
    insns += rv_frontend.translate(&unit, &source);
    pass_simplify(passes, &unit);
    pass_dead(passes, &unit);
    if (emitter->emit(e, &unit, dbt_cache_room(&cache), &emitted) != ERR_OK)
        fail("a unit cannot be emitted");
    dbt_cache_commit(&cache, block, emitted.size, emitted.link_count);
    units++;
}

/* False: the program ended. */
static bool system_call(void)
{
    struct rv_frame *g = (struct rv_frame *)frame->cells;

    if (g->x[17] != SYS_WRITE)
        return false;
    fwrite(memory + (g->x[11] - BASE), 1, g->x[12], stdout);
    frame->pc += 4;
    return true;
}

int main(int argc, char **argv)
{
    static const struct interp_guest guest = {.fp = DBT_FP_RISCV};
    struct pass_scratch *passes = pass_scratch_create();
    const struct dbt_emitter *emitter = NULL;
    enum dbt_exit how = DBT_EXIT_LEAVE;
    struct dbt_stubs stubs;
    struct emitter *e;

    TABLE_FOR_EACH(dbt_emitters, struct dbt_emitter, it)
    emitter = it;
    if (argc < 2 || !emitter)
        fail("usage: run PROGRAM [LEVEL], on a host with an emitter");
    memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    frame = aligned_alloc(PAGE_SIZE, ALIGN_UP(interp_frame_size(rv_frontend.dialect), PAGE_SIZE));
    memset(frame, 0, interp_frame_size(rv_frontend.dialect));
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        tlb[i] = (struct dbt_tlb_entry){{DBT_TLB_NONE, DBT_TLB_NONE, DBT_TLB_NONE}, 0};
    frame->tlb = tlb;
    frame->tlb_mask = sizeof(tlb) - sizeof(tlb[0]);
    frame->jumps = calloc(DBT_JUMPS, sizeof(*frame->jumps));
    dbt_returns_empty(frame, return_stack_create());
    e = emitter->create(rv_frontend.dialect, &guest,
                        argc > 2 ? (enum dbt_level)atoi(argv[2]) : emitter->host_level());
    if (!passes || !e || ir_unit_create(&unit, IR_OPS_MAX) != ERR_OK ||
        !code_memory_create(&cache, MIB(16), 262144) ||
        emitter->stubs(e, dbt_cache_room(&cache), false, &stubs) != ERR_OK)
        fail("no memory");
    dbt_cache_reserve(&cache, stubs.size);
    frame->pc = load_program(argv[1]);
    for (;;) {
        struct dbt_link *last = how == DBT_EXIT_LINK ? (void *)(uintptr_t)frame->detail : NULL;
        uint64_t base = frame->pc_base;
        struct dbt_code *block = &blocks[(frame->pc - BASE) / 2 % ARRAY_SIZE(blocks)];

        if (!block->entry)
            emit_block(emitter, e, passes, block);
        if (last)
            dbt_link_to(last, block, base ^ frame->context[DBT_CONTEXT_SPACE]);
        else if (how == DBT_EXIT_INDIRECT)
            dbt_jump_set(frame, frame->pc, frame->context[DBT_CONTEXT_SPACE], block->entry);
        frame->pc_base = frame->pc & ~(uint64_t)(IR_PAGE_SIZE - 1);
        how = stubs.enter(frame, block->entry);
        exits++;
        if (how == DBT_EXIT_FAULT || how == DBT_EXIT_POLL)
            fail("the program faulted");
        if (how == DBT_EXIT_LEAVE && !system_call())
            break;
    }
    if (getenv("STATS"))
        fprintf(stderr, "%lu units, %lu instructions, %zu bytes, %lu exits\n", units, insns,
                cache.regions[0].used, exits);
    return 0;
}
