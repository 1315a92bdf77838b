/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The code cache of a VM, and its connection with blocks and vCPUs. */
#include "dbt/jit.h"

#include <string.h>
#include "dbt/knobs.h"
#include "dbt/profile.h"
#include "dbt/slow.h"
#include "dbt/tlb.h"
#include "dbt/window.h"
#include "kernel/host.h"
#include "mm/heap.h"
#include "mm/page.h"

#define LINK_PER       64 /* bytes of code; operations have their places among them */
#define ENTRY_NS_A_RUN 16 /* an entry that costs so much makes a block wait for a run more */
#define DRAFT_SIZE     KIB(64)
#define JUMPS_SIZE     (DBT_JUMPS * sizeof(struct dbt_jump))
#define SITED_MAX      1024     /* VMs whose code has sites */
#define PROFILE_SHOWN  300      /* instructions */
#define PREPARED       KIB(512) /* as much memory comes at once */
#define LINKS_MAX      4096     /* of a unit */
#define CODE_SHARE     8        /* of the guest's memory: an eighth may be code, */
#define CODE_MIN       MIB(20)
#define CODE_MAX       MIB(512)

/* What the memory of a code cache is for: links and sites are data. */
enum part { PART_CODE, PART_LINKS, PART_SITES, PART_COUNT };

struct dbt_jit {
    struct vm *vm;
    const struct dbt_emitter *emitter;
    struct dbt_cache cache;
    struct dbt_stubs stubs;
    struct emitter *first; /* made the stubs */
    struct host_code_memory memory;
    /* Where memory comes as it is needed: how far it is there, by region, and how many bytes. */
    size_t ready[DBT_REGIONS][PART_COUNT], taken;
    /* The next region's code is dead, and gone for vCPUs that have been at a safe point since this
     * epoch; 0: it lives. And: the current one is full. Both atomic. */
    uint64_t dying;
    bool full;
    struct dbt_profile_sum *profile; /* of code that is gone */
    /* Under the lock: what describes pieces of code, and which of these are free. */
    struct codes *codes;
    struct dbt_jit_code *free;
};

/* Many at once. */
#define CODES 62
struct codes {
    struct codes *next;
    struct dbt_jit_code code[CODES];
};

static struct dbt_jit *sited[SITED_MAX]; /* atomic */
static unsigned sited_end;               /* atomic: from there on none was ever used */

static const struct dbt_emitter *find_emitter(void)
{
    TABLE_FOR_EACH(dbt_emitters, struct dbt_emitter, e)
    {
        return e;
    }
    return NULL;
}

/* ---- Life ---- */

enum err dbt_jit_probe(struct out *reason)
{
    struct host_code_memory memory;

    if (!find_emitter()) {
        out_printf(reason, "this host has no code generator");
        return ERR_UNSUPPORTED;
    }
    if (host_code_memory_create(&memory, PAGE_SIZE, PAGE_SIZE) != ERR_OK) {
        out_printf(reason, "this host has no memory for code that is generated");
        return ERR_UNSUPPORTED;
    }
    host_code_memory_destroy(&memory);
    return ERR_OK;
}

static bool take(const struct dbt_jit *jit, enum part part, size_t from, size_t size)
{
    if (unlikely(dbt_knobs.code_memory) && jit->taken + size > dbt_knobs.code_memory)
        return false;
    return jit->memory.prepare(&jit->memory, part != PART_CODE, from, size);
}

/* False: there is no memory for it now. */
static bool prepare(struct dbt_jit *jit, enum part part, size_t from, size_t size)
{
    size_t *ready = &jit->ready[jit->cache.current][part], to = from + size, end;

    if (!jit->memory.prepare || !size || to <= *ready)
        return true;
    from = ALIGN_DOWN(MAX(from, *ready), PAGE_SIZE);
    end = MIN(ALIGN_UP(to, PREPARED), part == PART_CODE ? jit->memory.size : jit->memory.data_size);
    if (!take(jit, part, from, end - from))
        return false;
    jit->taken += end - from;
    *ready = end;
    return true;
}

/* Leaves as much of the room as a unit may need, and has memory for that. */
static bool prepare_room(struct dbt_jit *jit, struct dbt_room *room)
{
    const char *data = jit->memory.data;

    room->size = MIN(room->size, (size_t)DRAFT_SIZE);
    room->link_count = MIN(room->link_count, (unsigned)LINKS_MAX);
    room->site_count = MIN(room->site_count, (unsigned)LINKS_MAX);
    return prepare(jit, PART_CODE, (size_t)(room->write - jit->cache.write), room->size) &&
           prepare(jit, PART_LINKS, (size_t)((const char *)room->links - data),
                   room->link_count * sizeof(struct dbt_link)) &&
           (!room->site_count ||
            prepare(jit, PART_SITES, (size_t)((const char *)room->sites - data),
                    room->site_count * sizeof(struct dbt_site)));
}

static enum err sites_create(struct dbt_jit *jit)
{
    unsigned end = __atomic_load_n(&sited_end, __ATOMIC_RELAXED);

    jit->cache.sites = (void *)(jit->cache.links + jit->cache.link_count);
    for (unsigned i = 0; i < SITED_MAX; i++) {
        struct dbt_jit *none = NULL;

        if (__atomic_compare_exchange_n(&sited[i], &none, jit, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
            while (end <= i && !__atomic_compare_exchange_n(&sited_end, &end, i + 1, false,
                                                            __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
                continue;
            return ERR_OK;
        }
    }
    return ERR_NO_MEMORY;
}

static void sites_destroy(struct dbt_jit *jit)
{
    for (unsigned i = 0; i < SITED_MAX; i++) {
        struct dbt_jit *own = jit;

        __atomic_compare_exchange_n(&sited[i], &own, NULL, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_RELAXED);
    }
}

const void *dbt_jit_otherwise(uint64_t pc)
{
    for (unsigned i = 0; i < __atomic_load_n(&sited_end, __ATOMIC_ACQUIRE); i++) {
        const struct dbt_jit *jit = __atomic_load_n(&sited[i], __ATOMIC_ACQUIRE);
        const void *to = jit ? dbt_cache_otherwise(&jit->cache, pc) : NULL;

        if (to)
            return to;
    }
    return NULL;
}

/* A guest with much memory may run much code. The memory comes as it is used. */
static uint64_t code_size(const struct vm *vm)
{
    struct page_stats there;
    uint64_t share;

    if (dbt_knobs.code_cache)
        return dbt_knobs.code_cache;
    page_stats_get(&there);
    share = ALIGN_DOWN(MIN(vm->config->memory, there.free) / CODE_SHARE, MIB(2));
    share = MAX(share, CODE_MIN);
    return MIN(share, CODE_MAX);
}

enum err dbt_jit_create(struct dbt_jit **out, struct vm *vm, bool by_words)
{
    size_t a_link = sizeof(struct dbt_link) + (by_words ? sizeof(struct dbt_site) : 0);
    struct dbt_jit *jit = heap_zalloc(sizeof(*jit));
    struct dbt_room room;
    uint64_t size;
    enum err e;

    if (!jit)
        return ERR_NO_MEMORY;
    jit->vm = vm;
    jit->emitter = find_emitter();
    size = code_size(vm);
    e = host_code_memory_create(&jit->memory, size, size / LINK_PER * a_link);
    if (e != ERR_OK) {
        heap_free(jit);
        return e;
    }
    dbt_cache_init(&jit->cache, jit->memory.write, jit->memory.exec, size, jit->memory.data,
                   (unsigned)(size / LINK_PER));
    *out = jit;
    e = by_words ? sites_create(jit) : ERR_OK;
    room = dbt_cache_room(&jit->cache);
    return e == ERR_OK && !prepare_room(jit, &room) ? ERR_NO_MEMORY : e;
}

static void code_free(struct dbt_jit *jit, struct dbt_jit_code *jc)
{
    jc->next_free = jit->free;
    jit->free = jc;
}

/* NULL: there is no memory. */
static struct dbt_jit_code *code_alloc(struct dbt_jit *jit)
{
    struct dbt_jit_code *jc = jit->free;
    struct codes *more;

    if (likely(jc)) {
        jit->free = jc->next_free;
        return jc;
    }
    more = heap_alloc(sizeof(*more));
    if (!more)
        return NULL;
    more->next = jit->codes;
    jit->codes = more;
    for (unsigned i = CODES; --i > 0;)
        code_free(jit, &more->code[i]);
    return &more->code[0];
}

static void forget_code(void *context, struct dbt_code *code)
{
    struct dbt_jit_code *jc = container_of(code, struct dbt_jit_code, code);
    struct dbt_jit *jit = context;

    if (jc->block)
        jc->block->jit = NULL;
    if (jc->profile)
        dbt_profile_end(&jit->profile, jc->profile, code);
    code_free(jit, jc);
}

void dbt_jit_destroy(struct dbt_jit *jit)
{
    if (!jit)
        return;
    for (unsigned i = 0; i < DBT_REGIONS; i++)
        dbt_cache_advance(&jit->cache, forget_code, jit);
    for (struct codes *next; jit->codes; jit->codes = next) {
        next = jit->codes->next;
        heap_free(jit->codes);
    }
    dbt_profile_destroy(jit->profile);
    if (jit->first)
        jit->emitter->destroy(jit->first);
    sites_destroy(jit);
    host_code_memory_destroy(&jit->memory);
    heap_free(jit);
}

/* ---- What emitted code reaches of a vCPU ---- */

static unsigned order_of(size_t size)
{
    unsigned order = 0;

    while (PAGE_SIZE << order < size)
        order++;
    return order;
}

void *dbt_shared_alloc(struct dbt_vcpu *d, size_t size, size_t locked)
{
    hpa_t page;

    if (d->cage)
        return cage_host()->alloc(d->cage, size, locked);
    page = page_alloc(order_of(size), PAGE_ZERO);
    return page.v ? phys_to_virt(page) : NULL;
}

void dbt_shared_free(struct dbt_vcpu *d, void *at, size_t size)
{
    if (!at)
        return;
    if (d->cage)
        cage_host()->free(d->cage, at, size);
    else
        page_free(virt_to_phys(at), order_of(size));
}

enum err dbt_jit_cage_init(struct dbt_vcpu *d, struct dbt_jit *jit)
{
    enum err e;

    if (!cage_host())
        return ERR_OK;
    e = cage_host()->create(&d->cage, d->vcpu->vm);
    return e == ERR_OK ? cage_host()->share_code(d->cage, &jit->memory) : e;
}

/* The first vCPU's emitter makes the stubs and stays. */
static enum err make_stubs(struct dbt_jit *jit, struct emitter *e)
{
    enum err err =
        jit->emitter->stubs(e, dbt_cache_room(&jit->cache), cage_host() != NULL, &jit->stubs);

    if (err != ERR_OK)
        return err;
    dbt_cache_reserve(&jit->cache, jit->stubs.size);
    jit->first = e;
    return ERR_OK;
}

enum err dbt_jit_vcpu_init(struct dbt_vcpu *d, struct dbt_jit *jit)
{
    const struct dbt_dialect *dialect = d->guest->frontend->dialect;
    enum err e = ERR_OK;

    if (!jit->first) {
        struct emitter *first =
            jit->emitter->create(dialect, &d->interp, jit->emitter->host_level());

        e = first ? make_stubs(jit, first) : ERR_NO_MEMORY;
    }
    d->emitter = jit->emitter->create(dialect, &d->interp, jit->emitter->host_level());
    d->jumps = dbt_shared_alloc(d, JUMPS_SIZE, JUMPS_SIZE);
    d->return_stack = dbt_shared_alloc(d, DBT_RETURN_STACK, 0);
    d->draft = heap_alloc(DRAFT_SIZE);
    d->jit = jit;
    if (e != ERR_OK || !d->emitter || !d->jumps || !d->return_stack || !d->draft)
        return e == ERR_OK ? ERR_NO_MEMORY : e;
    d->frame->jumps = cage_address(d->jumps);
    jit->emitter->share(d->emitter, jit->first);
    dbt_jit_forget(d);
    return ERR_OK;
}

void dbt_jit_vcpu_fini(struct dbt_vcpu *d)
{
    if (!d->jit)
        return;
    if (d->emitter)
        d->jit->emitter->destroy(d->emitter);
    dbt_shared_free(d, d->return_stack, DBT_RETURN_STACK);
    dbt_shared_free(d, d->jumps, JUMPS_SIZE);
    heap_free(d->draft);
    d->jit = NULL;
}

/* ---- Making code ---- */

void dbt_jit_forget(struct dbt_vcpu *d)
{
    for (unsigned i = 0; i < DBT_JUMPS; i++)
        d->jumps[i].key = DBT_JUMP_NONE;
    dbt_returns_empty(d->frame, d->return_stack);
}

/* Nobody comes to the oldest code any more. Who is in it goes on to its end: it stays as it is. */
static void oldest_dies(struct dbt_vcpu *d)
{
    struct dbt_jit *jit = d->jit;
    const struct dbt_code *oldest = dbt_cache_oldest(&jit->cache);

    if (!oldest)
        return;
    for (const struct dbt_code *c = oldest; c; c = c->older) {
        struct dbt_block *b = container_of(c, struct dbt_jit_code, code)->block;

        if (b)
            dbt_jit_kill(b);
    }
    WRITE_ONCE(jit->dying, dbt_table_code_died(d));
}

/* The oldest code goes. Under the lock. False: another vCPU may be in it yet. Nobody waits for
 * that: the interpreter runs what has no code. */
static bool make_room(struct dbt_vcpu *d)
{
    struct dbt_jit *jit = d->jit;

    if (!jit->dying)
        oldest_dies(d);
    if (!dbt_table_has_settled(d, jit->dying))
        return false;
    dbt_cache_advance(&jit->cache, forget_code, jit);
    WRITE_ONCE(jit->dying, 0);
    WRITE_ONCE(jit->full, false);
    return true;
}

bool dbt_jit_has_room(const struct dbt_vcpu *d)
{
    const struct dbt_jit *jit = d->jit;

    return !READ_ONCE(jit->full) || dbt_table_has_settled(d, READ_ONCE(jit->dying));
}

void dbt_jit_evict(struct dbt_vcpu *d)
{
    (void)make_room(d);
}

/* Pages with code are written rarely and by words: where they were executed already each store
 * costs the CPU (or what plays one) much. */
static void copy_code(uint8_t *to, const uint8_t *draft, size_t size)
{
    const uint64_t *from = (const void *)draft;
    uint64_t *word = (void *)to;

    for (size_t i = 0; i < DIV_ROUND_UP(size, sizeof(*word)); i++)
        WRITE_ONCE(word[i], from[i]);
}

/* The unit's code, as a draft, for the room that there is: it is in *room. ERR_NO_MEMORY: what it
 * would be copied to is not there. */
static enum err emit_draft(struct dbt_vcpu *d, struct dbt_room *room, struct dbt_emitted *emitted)
{
    struct dbt_room draft;

    *room = dbt_cache_room(&d->jit->cache);
    if (!prepare_room(d->jit, room))
        return ERR_NO_MEMORY;
    draft = *room;
    draft.write = d->draft;
    return d->jit->emitter->emit(d->emitter, &d->unit, draft, emitted);
}

/* The same, with older code gone where there is no room: without memory the next region may be one
 * that has some. An empty region is too small for the unit, or there is no memory: false. */
static bool emit_somewhere(struct dbt_vcpu *d, struct dbt_block *b, struct dbt_room *room,
                           struct dbt_emitted *emitted)
{
    for (unsigned left = DBT_REGIONS, emptied = 0; left; left--) {
        enum err e = emit_draft(d, room, emitted);

        if (e == ERR_OK)
            return true;
        b->no_code = e == ERR_UNSUPPORTED || (e == ERR_RANGE && emptied);
        if (b->no_code || (e != ERR_RANGE && e != ERR_NO_MEMORY))
            return false;
        WRITE_ONCE(d->jit->full, true);
        if (!make_room(d))
            return false;
        emptied += e == ERR_RANGE;
        d->counters.code_starved += e == ERR_NO_MEMORY;
    }
    return false;
}

/* Without memory: that of older code. */
static struct dbt_jit_code *code_get(struct dbt_vcpu *d)
{
    struct dbt_jit_code *jc = code_alloc(d->jit);

    for (unsigned left = DBT_REGIONS; !jc && left && make_room(d); left--) {
        d->counters.code_starved++;
        jc = code_alloc(d->jit);
    }
    return jc;
}

bool dbt_jit_emit(struct dbt_vcpu *d, struct dbt_block *b)
{
    struct dbt_jit *jit = d->jit;
    struct dbt_emitted emitted;
    struct dbt_room room;
    struct dbt_jit_code *jc;

    d->unit.looks_up = b->looks_up;
    if (!dbt_jit_has_room(d))
        return false;
    jc = code_get(d);
    if (!jc)
        return false;
    if (!emit_somewhere(d, b, &room, &emitted)) {
        code_free(jit, jc);
        return false;
    }
    jc->block = b;
    jc->profile = unlikely(dbt_knobs.profile) ? dbt_profile_create(d, b, emitted.calls) : NULL;
    copy_code(room.write, d->draft, emitted.size);
    dbt_cache_commit_sites(&jit->cache, emitted.site_count);
    dbt_cache_commit(&jit->cache, &jc->code, emitted.size, emitted.link_count);
    host_code_sync(jc->code.entry, emitted.size);
    __atomic_store_n(&b->jit, jc, __ATOMIC_RELEASE);
    d->counters.emitted++;
    d->counters.emitted_bytes += emitted.size;
    return true;
}

void dbt_jit_kill(struct dbt_block *b)
{
    if (!b->jit)
        return;
    dbt_unlink_code(&b->jit->code);
    b->jit->block = NULL;
    __atomic_store_n(&b->jit, NULL, __ATOMIC_RELEASE);
}

/* The code that the operation belongs to; under the lock. */
static struct dbt_jit_code *code_of(const struct dbt_jit *jit, const struct dbt_link *at)
{
    for (unsigned r = 0; r < DBT_REGIONS; r++)
        for (struct dbt_code *c = jit->cache.regions[r].codes; c; c = c->older)
            if (at >= c->links && at < c->links + c->link_count)
                return container_of(c, struct dbt_jit_code, code);
    return NULL;
}

void dbt_jit_look_up(struct dbt_vcpu *d, const void *place, unsigned insn)
{
    uint64_t flags = dbt_table_lock(d->table);
    struct dbt_jit_code *jc = code_of(d->jit, place);
    struct dbt_block *b = jc ? jc->block : NULL;
    uint64_t bit = BIT((insn - 1) % 64);

    if (b && !(b->looks_up & bit)) {
        b->looks_up |= bit;
        d->counters.looked_up++;
        dbt_jit_kill(b);
    }
    dbt_table_unlock(d->table, flags);
    __atomic_store_n(&d->forget, 1, __ATOMIC_SEQ_CST); /* other ways to that code */
    __atomic_store_n(&d->frame->poll, 1, __ATOMIC_SEQ_CST);
}

static void unlink_far(struct dbt_jit *jit)
{
    for (unsigned r = 0; r < DBT_REGIONS; r++)
        for (struct dbt_code *c = jit->cache.regions[r].codes; c; c = c->older)
            for (unsigned i = 0; i < c->link_count; i++)
                if (c->links[i].far)
                    dbt_unlink(&c->links[i]);
}

void dbt_jit_contexts_renew(struct dbt_vcpu *d)
{
    uint64_t flags = dbt_table_lock(d->table);

    unlink_far(d->jit);
    dbt_table_unlock(d->table, flags);
    if (d->emitted_runs)
        __atomic_store_n(&d->forget, 1, __ATOMIC_SEQ_CST);
    else
        dbt_jit_forget(d);
}

/* ---- Running ---- */

static enum dbt_exit broke(struct dbt_vcpu *d, const struct cage_call *call)
{
    d->broke = call->text;
    d->frame->fault.address = call->pc;
    return DBT_EXIT_BROKEN;
}

/* As dbt_slow() is called by code that may; false: there is no such operation. */
static bool do_slow(struct dbt_vcpu *d, struct cage_call *call)
{
    size_t cells = dbt_slow_call_at(d->guest->frontend->dialect);
    const void *at = cage_kernel_address(call->argument[0]);
    struct dbt_slow_op op;

    if (!dbt_link_lives(&d->jit->cache, (uintptr_t)at, true))
        return false;
    memcpy(&op, at, sizeof(op));
    d->slow_place = at;
    call->entry = NULL;
    call->answer = dbt_slow(d->frame, &op, (void *)((char *)d->frame + cells), &d->interp);
    return true;
}

/* What can be mapped is, and the access is tried again. Otherwise it is done in C; false: the code
 * has no such access. */
static bool do_fault(struct dbt_vcpu *d, struct cage_call *call)
{
    const void *to;

    call->entry = NULL;
    if (call->address && dbt_window_fault(d, call->address, call->write))
        return true;
    to = dbt_jit_otherwise(call->pc);
    if (to)
        call->pc = (uint64_t)(uintptr_t)to;
    return to;
}

/* The dearer the way in and out, the more must a block be worth it. */
static void note_entry(struct dbt_vcpu *d, uint64_t ticks)
{
    if (d->entry_ticks && ticks >= d->entry_ticks)
        return;
    d->entry_ticks = ticks;
    if (d->adapts)
        d->threshold =
            DBT_THRESHOLD + (uint32_t)(ticks * (1000000000 / ENTRY_NS_A_RUN) / host_counter_hz());
}

static enum dbt_exit run_caged(struct dbt_vcpu *d, const struct dbt_jit_code *code)
{
    struct cage_call call = {
        .entry = (const void *)(uintptr_t)d->jit->stubs.enter,
        .argument = {(uintptr_t)cage_address(d->frame), (uintptr_t)code->code.entry},
        .takes_faults = d->windows,
        .end = &d->frame->poll};

    for (;;) {
        uint64_t since = host_counter_fast();

        d->counters.cage_entries++;
        switch (cage_host()->run(d->cage, &call)) {
        case CAGE_BROKE:
            return broke(d, &call);
        case CAGE_FAULTED:
            if (!do_fault(d, &call))
                return broke(d, &call);
            continue;
        default:
            break;
        }
        note_entry(d, host_counter_fast() - since);
        if (call.asked <= DBT_EXIT_LEAVE)
            return (enum dbt_exit)call.asked;
        if (call.asked != DBT_GATE_SLOW || !do_slow(d, &call)) {
            call.text = "code of the translator asked for what there is not";
            return broke(d, &call);
        }
    }
}

enum dbt_exit dbt_jit_run(struct dbt_vcpu *d, const struct dbt_jit_code *code)
{
    enum dbt_exit e;

    d->emitted_runs = true;
    e = d->cage ? run_caged(d, code) : d->jit->stubs.enter(d->frame, code->code.entry);
    d->emitted_runs = false;
    return e;
}

/* A far link's key is of one vCPU, and stays so: another one may have compared it, and be about to
 * jump. */
static bool may_link(const struct dbt_vcpu *d, struct dbt_link *link)
{
    uint16_t owner = __atomic_load_n(&link->owner, __ATOMIC_RELAXED);

    return !link->far || !owner || owner == d->vcpu->id + 1;
}

/* False: somebody has the lock, or was first. It is tried again when the code leaves there the next
 * time. */
static bool connect_link(struct dbt_vcpu *d, struct dbt_link *link, uint64_t key,
                         const struct dbt_block *to)
{
    uint64_t flags;
    bool mine;

    if (!dbt_table_try_lock(d->table, &flags))
        return false;
    mine = may_link(d, link);
    if (mine && to->jit && !to->dead && dbt_link_lives(&d->jit->cache, (uintptr_t)link, false)) {
        if (link->far)
            __atomic_store_n(&link->owner, (uint16_t)(d->vcpu->id + 1), __ATOMIC_RELAXED);
        dbt_link_to(link, &to->jit->code, key);
        d->counters.links++;
    }
    dbt_table_unlock(d->table, flags);
    return mine;
}

void dbt_jit_connect(struct dbt_vcpu *d, struct dbt_link *link, uint64_t base,
                     const struct dbt_block *to, uint64_t pc)
{
    uint64_t context = d->frame->context[DBT_CONTEXT_SPACE];
    const struct dbt_jit_code *jc = __atomic_load_n(&to->jit, __ATOMIC_ACQUIRE);
    bool lasting, own, again;

    if (!jc || (link && !dbt_link_lives(&d->jit->cache, (uintptr_t)link, false)))
        return;
    lasting = link && !link->far && to->gpa_next == DBT_NO_PAGE;
    if (!lasting) {
        dbt_tlb_note_code(d, pc);
        if (to->gpa_next != DBT_NO_PAGE)
            dbt_tlb_note_code(d, pc + IR_PAGE_SIZE);
    }
    /* What lies across pages is another instruction where the page is mapped elsewhere. */
    own = link && (link->far || lasting) && may_link(d, link);
    again = own && __atomic_load_n(&link->linked, __ATOMIC_RELAXED);
    if (own && !(lasting && again) && !connect_link(d, link, base ^ context, to))
        again = true;
    /* Only this vCPU's; when the code dies all vCPUs are told later. */
    if (!lasting && (!own || again)) {
        dbt_jump_set(d->frame, pc, context, jc->code.entry);
        d->counters.jumps++;
    }
}

void dbt_jit_profile(struct dbt_jit *jit, struct out *out)
{
    for (unsigned r = 0; r < DBT_REGIONS; r++)
        for (struct dbt_code *c = jit->cache.regions[r].codes; c; c = c->older) {
            struct dbt_jit_code *jc = container_of(c, struct dbt_jit_code, code);

            dbt_profile_end(&jit->profile, jc->profile, c);
            jc->profile = NULL;
        }
    dbt_profile_print(jit->profile, out, PROFILE_SHOWN);
}

uint64_t dbt_jit_bytes(const struct dbt_jit *jit)
{
    if (!jit)
        return 0;
    return jit->memory.prepare ? jit->taken : jit->memory.size + jit->memory.data_size;
}
