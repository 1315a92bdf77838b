/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Fuzzes the way of a guest's page to code, for fuzz_*_translate.c: whatever words it holds, at any
 * place and in any mode, the unit is well-formed, stays so in the passes, and interpreter and
 * emitters of this host take it, by look-ups and by page tables. Nothing is run. Input: mode,
 * features, where to begin, then the page's words from there.
 */
#ifndef TESTS_FUZZ_TRANSLATE_PAGE_H
#define TESTS_FUZZ_TRANSLATE_PAGE_H

#include <stdlib.h>
#include <string.h>

#include "dbt/emitter.h"
#include "dbt/frontend.h"
#include "dbt/interp.h"
#include "dbt/pass.h"
#include "mm/heap.h"

#define CODE_BYTES KIB(512)
#define LINKS      4096
#define SITES      4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

struct head {
    uint32_t mode;
    uint16_t offset, insns;
    uint64_t features;
};

/* What is fuzzed. */
struct fuzzed_guest {
    const struct dbt_frontend *frontend;
    struct interp_guest interp;
    uint64_t features;
    unsigned insn_align;
};

static uint8_t code[CODE_BYTES] __attribute__((aligned(64)));
static struct dbt_link links[LINKS];
static struct dbt_site sites[SITES];
static struct ir_unit unit;
static struct pass_scratch *passes;
static struct interp_scratch *lowering;

static void check(void)
{
    char said[256];
    struct out_buffer why;

    out_buffer_init(&why, said, sizeof(said));
    if (ir_verify(&unit, &why.out) != ERR_OK)
        abort();
}

static void lower(void)
{
    static struct interp_op ops[4 * IR_OPS_MAX];
    struct interp_unit threaded;

    if (interp_lower(lowering, &unit, ops, ARRAY_SIZE(ops), &threaded) != ERR_OK)
        abort();
}

static void emit(const struct fuzzed_guest *g, const struct dbt_emitter *emitter,
                 enum dbt_level level)
{
    static struct emitter *made[DBT_LEVEL_COUNT];
    static size_t stubs_size;
    struct dbt_room room = {.write = code,
                            .exec = code,
                            .size = CODE_BYTES,
                            .links = links,
                            .link_count = LINKS,
                            .base = code,
                            .sites = sites,
                            .site_count = SITES};
    struct dbt_emitted emitted;
    struct dbt_stubs stubs;
    enum err err;

    if (!made[level]) {
        made[level] = emitter->create(g->frontend->dialect, &g->interp, level);
        if (!made[level] || emitter->stubs(made[level], room, false, &stubs) != ERR_OK)
            abort();
        stubs_size = ALIGN_UP(stubs.size, 64);
    }
    room.write += stubs_size;
    room.exec += stubs_size;
    room.size -= stubs_size;
    err = emitter->emit(made[level], &unit, room, &emitted);
    if (err == ERR_OK
            ? emitted.size > room.size || emitted.link_count > LINKS || emitted.site_count > SITES
            : err != ERR_UNSUPPORTED)
        abort();
}

static int fuzz_translate(const struct fuzzed_guest *g, const uint8_t *data, size_t size)
{
    static uint32_t page[2 * IR_PAGE_SIZE / 4];
    static struct dbt_frame *frame;
    struct head head;
    struct dbt_source source = {.page = (const uint8_t *)page};
    unsigned done;

    if (size < sizeof(head))
        return 0;
    if (!passes) {
        passes = pass_scratch_create();
        lowering = interp_scratch_create();
        frame = calloc(1, interp_frame_size(g->frontend->dialect));
        if (!frame || ir_unit_create(&unit, IR_OPS_MAX) != ERR_OK)
            abort();
    }
    memcpy(&head, data, sizeof(head));
    source.offset = head.offset % IR_PAGE_SIZE & ~(g->insn_align - 1);
    source.max_insns = head.insns % 64 + 1U;
    source.features = head.features & g->features;
    source.frame = frame;
    memset(page, 0, sizeof(page));
    memcpy((uint8_t *)page + source.offset, data + sizeof(head),
           MIN(size - sizeof(head), (size_t)IR_PAGE_SIZE - source.offset));
    ir_unit_reset(&unit, g->frontend->dialect, head.mode);
    done = g->frontend->translate(&unit, &source);
    if (unit.full)
        return 0;
    if (done > source.max_insns)
        abort();
    check();
    lower();
    pass_simplify(passes, &unit);
    pass_dead(passes, &unit);
    check();
    lower();
    TABLE_FOR_EACH(dbt_emitters, struct dbt_emitter, emitter)
    {
        for (unsigned level = 0; level < DBT_LEVEL_COUNT; level++)
            emit(g, emitter, (enum dbt_level)level);
    }
    return 0;
}

#endif
