/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The translating engines behind contract 3. A vCPU's registers live in its frame while run() runs
 * and in canonical state otherwise; run() goes on with interrupts on, and leaves at a safe point
 * when somebody sets the frame's poll word.
 */
#include "dbt/table.h"
#include "dbt/check.h"
#include "dbt/knobs.h"
#include "dbt/pass.h"
#include "dbt/stage.h"
#include "dbt/tlb.h"
#include "dbt/window.h"
#include "kernel/cpu.h"
#include "kernel/json.h"
#include "kernel/log.h"
#include "kernel/thread.h"
#include "mm/heap.h"

#include <string.h>

#define INTERP_PREFERENCE 10
#define JIT_PREFERENCE    20
#define HYBRID_PREFERENCE 30
#define STAGE_LIMIT       BIT(48)
#define SLOW_SHOWN        12 /* operations that statistics name */
#define LOWERED_MAX       (4 * IR_OPS_MAX)

/* ---- Life ---- */

static enum err always(struct out *reason)
{
    (void)reason;
    return ERR_OK;
}

static enum err nothing_to_enable(void)
{
    return ERR_OK;
}

static void report_guests(struct out *out)
{
    TABLE_FOR_EACH(guest_isas, struct guest_isa, isa)
    {
        if (isa->translator)
            out_printf(out, " %s", isa->name);
    }
    out_printf(out, "\n");
}

static void report_interp(struct out *out)
{
    out_printf(out, "interp: interpreter for guests of");
    report_guests(out);
}

static void report_jit(struct out *out)
{
    out_printf(out, "jit: code generator for guests of");
    report_guests(out);
    if (cage_host())
        out_printf(out, "    its code runs on %s\n", cage_host()->kind());
}

static void report_hybrid(struct out *out)
{
    out_printf(out, "hybrid: interpreter, and code for what runs often, for guests of");
    report_guests(out);
}

static const struct pt_format *stage2_format(uint64_t limit)
{
    return limit <= STAGE_LIMIT ? &dbt_stage_format : NULL;
}

/* vm->engine_data */
struct dbt_vm {
    struct dbt_table *table;
    struct dbt_jit *jit; /* NULL: interpreted */
    bool by_words;       /* accesses of its code go by windows */
};

static bool emits(const struct vm *vm)
{
    return vm->engine->preference > INTERP_PREFERENCE;
}

static enum err vm_init(struct vm *vm)
{
    struct dbt_vm *own = heap_zalloc(sizeof(*own));
    bool possible;
    enum err e;

    if (!own)
        return ERR_NO_MEMORY;
    vm->engine_data = own;
    e = dbt_table_create(&own->table, vm);
    if (e == ERR_OK && emits(vm)) {
        own->by_words = dbt_windows_wanted(vm, &possible);
        e = possible ? dbt_jit_create(&own->jit, vm, own->by_words) : ERR_UNSUPPORTED;
    }
    return e == ERR_OK ? vm->isa->translator->vm_init(vm) : e;
}

static void vm_destroy(struct vm *vm)
{
    struct dbt_vm *own = vm->engine_data;

    if (own->jit && dbt_knobs.profile)
        dbt_jit_profile(own->jit, dbt_knobs.profile);
    dbt_jit_destroy(own->jit);
    dbt_table_destroy(own->table);
    heap_free(own);
    vm->engine_data = NULL;
}

/* The frame's locked part ends a page, with words before it. */
static size_t frame_locked(const struct dbt_vcpu *d)
{
    const struct dbt_vm *own = d->vcpu->vm->engine_data;

    return PAGE_SIZE + (own->by_words ? DBT_WORDS_SIZE : 0);
}

static size_t frame_pages(const struct dbt_vcpu *d)
{
    size_t size = interp_frame_size(d->guest->frontend->dialect) - DBT_FRAME_LOCKED;

    return frame_locked(d) + ALIGN_UP(size, PAGE_SIZE);
}

static struct dbt_frame *frame_create(struct dbt_vcpu *d)
{
    char *pages = dbt_shared_alloc(d, frame_pages(d), frame_locked(d));

    return pages ? (void *)(pages + frame_locked(d) - DBT_FRAME_LOCKED) : NULL;
}

static void frame_destroy(struct dbt_vcpu *d)
{
    if (d->frame)
        dbt_shared_free(d, (char *)d->frame + DBT_FRAME_LOCKED - frame_locked(d), frame_pages(d));
}

static enum err vcpu_parts(struct dbt_vcpu *d, struct dbt_jit *jit, bool by_words)
{
    enum err e = ir_unit_create(&d->unit, IR_OPS_MAX);

    if (e == ERR_OK && jit)
        e = dbt_jit_cage_init(d, jit);
    if (e != ERR_OK)
        return e;
    d->frame = frame_create(d);
    d->passes = pass_scratch_create();
    d->lowering = interp_scratch_create();
    d->ops = heap_alloc(LOWERED_MAX * sizeof(d->ops[0]));
    if (!d->frame || !d->passes || !d->lowering || !d->ops)
        return ERR_NO_MEMORY;
    d->frame->vcpu = d;
    if (by_words)
        e = dbt_windows_create(d);
    if (e == ERR_OK)
        e = dbt_tlb_create(d);
    return e == ERR_OK && jit ? dbt_jit_vcpu_init(d, jit) : e;
}

static void vcpu_fini(struct vcpu *v)
{
    struct dbt_vcpu *d = dbt_vcpu(v);

    dbt_check_destroy(d->checker);
    dbt_jit_vcpu_fini(d);
    dbt_tlb_destroy(d);
    dbt_windows_destroy(d);
    ir_unit_destroy(&d->unit);
    pass_scratch_destroy(d->passes);
    interp_scratch_destroy(d->lowering);
    heap_free(d->ops);
    frame_destroy(d);
    if (d->cage)
        cage_host()->destroy(d->cage);
    heap_free(d);
    v->engine_data = NULL;
}

static enum err vcpu_init(struct vcpu *v)
{
    struct dbt_vcpu *d = heap_zalloc(sizeof(*d));
    struct dbt_vm *own = v->vm->engine_data;
    enum err e;

    if (!d)
        return ERR_NO_MEMORY;
    d->vcpu = v;
    d->table = own->table;
    d->adapts = v->vm->engine->preference == HYBRID_PREFERENCE;
    d->threshold = v->vm->engine->preference == HYBRID_PREFERENCE ? DBT_THRESHOLD : 0;
    d->mode_common = DBT_MODE_ONE_VCPU;
    if (dbt_knobs.count)
        d->mode_common |= DBT_MODE_COUNT;
    d->guest = v->vm->isa->translator;
    d->interp =
        (struct interp_guest){.helpers = d->guest->helpers, .fp = d->guest->frontend->dialect->fp};
    d->late_write = DBT_NO_PAGE;
    if (dbt_knobs.check && own->jit)
        d->checker = dbt_check_create();
    e = vcpu_parts(d, own->jit, own->by_words);
    v->engine_data = d;
    if (e == ERR_OK)
        d->guest->vcpu_init(d);
    return e;
}

/* ---- Switches of threads: everything is in memory; interrupts of this CPU end the run ---- */

static void load(struct vcpu *v)
{
    this_cpu()->poll_word = &dbt_vcpu(v)->frame->poll;
}

static uint64_t put(struct vcpu *v)
{
    this_cpu()->poll_word = NULL;
    if (dbt_vcpu(v)->cage)
        cage_host()->put(dbt_vcpu(v)->cage);
    return 0;
}

static void no_fetch(struct vcpu *v, uint64_t groups)
{
    (void)v, (void)groups;
}

static void flush(struct vcpu *v)
{
    dbt_tlb_forget(dbt_vcpu(v));
}

/* From any CPU: run() returns soon. */
static void kick(struct vcpu *v)
{
    __atomic_store_n(&dbt_vcpu(v)->frame->poll, 1, __ATOMIC_SEQ_CST);
}

/* ---- Running ---- */

static void deliver_fault(struct dbt_vcpu *d)
{
    d->counters.faults++;
    d->guest->fault(d);
}

/* NULL: the guest got a fault and goes on elsewhere, or run() is to return (*stop). */
static NOINLINE struct dbt_block *find_slowly(struct dbt_vcpu *d, uint64_t pc, bool *stop)
{
    struct dbt_block *b = NULL;
    bool device, again = false;
    uint64_t gpa;
    char *host;

    d->counters.dispatches++;
    if (dbt_tlb_fetch(d, pc, &gpa, &device))
        b = dbt_table_find(d, pc, gpa, &again);
    else if (device)
        d->frame->fault = (struct dbt_fault){.address = pc, .access = DBT_FETCH, .absent = true};
    if (!b) {
        *stop = d->crowded = again;
        if (!again)
            deliver_fault(d);
        return NULL;
    }
    host = dbt_tlb_lookup(d->frame, pc, 1, DBT_FETCH);
    if (host && b->gpa_next == DBT_NO_PAGE)
        d->recent[DBT_RECENT_OF((uintptr_t)host, d->mode)] =
            (struct dbt_recent){.host = (uintptr_t)host, .block = b};
    return b;
}

static inline struct dbt_block *find(struct dbt_vcpu *d, uint64_t pc, bool *stop)
{
    uintptr_t host = (uintptr_t)dbt_tlb_lookup(d->frame, pc, 1, DBT_FETCH);
    const struct dbt_recent *j = &d->recent[DBT_RECENT_OF(host, d->mode)];

    if (likely(host && j->host == host && j->block->mode == d->mode &&
               !__atomic_load_n(&j->block->dead, __ATOMIC_RELAXED)))
        return j->block;
    return find_slowly(d, pc, stop);
}

/* The block went to `pc` on its own page: the next time it is found at once. */
static void link_blocks(struct dbt_vcpu *d, struct dbt_block *from, struct dbt_block *to,
                        uint64_t pc)
{
    unsigned at = from->link_pc[0] == pc || !from->link[0] ? 0 : 1;

    if (to->gpa_next != DBT_NO_PAGE || (to->gpa ^ from->gpa) / IR_PAGE_SIZE)
        return;
    if (from->link_generation != d->generation) {
        from->link[0] = from->link[1] = NULL;
        from->link_generation = d->generation;
        at = 0;
    }
    from->link_pc[at] = (uint16_t)pc;
    __atomic_store_n(&from->link[at], to, __ATOMIC_RELEASE);
}

static inline struct dbt_block *follow_link(const struct dbt_vcpu *d, const struct dbt_block *b,
                                            uint64_t pc)
{
    for (unsigned i = 0; i < ARRAY_SIZE(b->link); i++) {
        struct dbt_block *to = __atomic_load_n(&b->link[i], __ATOMIC_ACQUIRE);

        if (to && b->link_pc[i] == pc)
            return b->link_generation == d->generation &&
                           !__atomic_load_n(&to->dead, __ATOMIC_RELAXED)
                       ? to
                       : NULL;
    }
    return NULL;
}

/* ---- Knobs ---- */

static bool is_due(const struct dbt_vcpu *d, unsigned every)
{
    return every && d->entered % every == 0;
}

/* A block that begins with a poll leaves where it was entered: it is not kept from its instruction
 * twice. */
static bool is_kicked(struct dbt_vcpu *d)
{
    bool again = d->kicked_pc == d->frame->pc && d->kicked_count == d->frame->count;

    d->kicked_pc = d->frame->pc;
    d->kicked_count = d->frame->count;
    return again;
}

/* Before a block is looked for: what would happen seldom happens often. */
static NOINLINE void stress(struct dbt_vcpu *d)
{
    uint64_t gpa;
    bool device;

    d->entered++;
    if (is_due(d, dbt_knobs.poll_every) && !is_kicked(d))
        kick(d->vcpu);
    if (is_due(d, dbt_knobs.evict_every))
        dbt_table_evict(d);
    if (is_due(d, dbt_knobs.invalidate_every) && dbt_tlb_fetch(d, d->frame->pc, &gpa, &device))
        dbt_table_written(d->table, d, gpa, 1);
}

static inline bool stressed(void)
{
    return unlikely(dbt_knobs.poll_every | dbt_knobs.evict_every | dbt_knobs.invalidate_every);
}

/* ---- Blocks ---- */

/* Runs blocks from frame->pc until one leaves otherwise than by a jump. */
static enum dbt_exit interpret(struct dbt_vcpu *d, bool *stop)
{
    struct dbt_frame *f = d->frame;
    struct dbt_block *b = NULL, *next;
    enum dbt_exit e = DBT_EXIT_INDIRECT;

    for (;;) {
        uint64_t offset = f->pc % IR_PAGE_SIZE;
        uint64_t before = d->generation;
        bool same_page = e == DBT_EXIT_LINK && f->pc - offset == f->pc_base;

        if (stressed())
            stress(d);
        same_page &= before == d->generation;
        next = same_page ? follow_link(d, b, offset) : NULL;
        if (!next) {
            uint64_t generation = d->generation;

            next = find(d, f->pc, stop);
            if (unlikely(!next))
                return DBT_EXIT_POLL;
            if (same_page && generation == d->generation)
                link_blocks(d, b, next, offset);
        }
        b = next;
        f->pc_base = f->pc - offset;
        e = interp_run(f, &b->interp, &d->interp);
        if (unlikely(e != DBT_EXIT_LINK && e != DBT_EXIT_INDIRECT))
            return e;
    }
}

/* The same with emitted code for blocks that ran often enough. Emitted code goes on by itself where
 * it was connected; where it was not, it is now. */
static enum dbt_exit run_emitted(struct dbt_vcpu *d, bool *stop)
{
    struct dbt_frame *f = d->frame;
    enum dbt_exit e = DBT_EXIT_INDIRECT;
    struct dbt_link *link = NULL;
    bool connect = false;

    for (;;) {
        uint64_t generation = d->generation, base = f->pc_base;
        const struct dbt_jit_code *code;
        struct dbt_block *b;

        if (stressed())
            stress(d);
        b = find(d, f->pc, stop);
        if (unlikely(!b))
            return DBT_EXIT_POLL;
        code = __atomic_load_n(&b->jit, __ATOMIC_ACQUIRE);
        if (!code && !b->no_code && !(d->mode & DBT_MODE_SINGLE) &&
            (b->runs++ >= d->threshold || !b->lowered)) {
            if (dbt_table_emit(d, b, f->pc)) {
                connect = connect && generation == d->generation;
                continue;
            }
        }
        if (unlikely(!code && !b->lowered)) {
            /* Another vCPU's write killed it a moment ago. */
            if (__atomic_load_n(&f->poll, __ATOMIC_RELAXED))
                return DBT_EXIT_POLL;
            continue;
        }
        if (connect && code && generation == d->generation)
            dbt_jit_connect(d, link, base, b, f->pc);
        f->pc_base = f->pc & ~(uint64_t)(IR_PAGE_SIZE - 1);
        f->detail = 0;
        e = !code                  ? interp_run(f, &b->interp, &d->interp)
            : unlikely(d->checker) ? dbt_check_run(d, b, code)
                                   : dbt_jit_run(d, code);
        if (unlikely(e != DBT_EXIT_LINK && e != DBT_EXIT_INDIRECT))
            return e;
        link = e == DBT_EXIT_LINK && f->detail ? cage_kernel_address(f->detail) : NULL;
        connect = code && !d->checker && (link || e == DBT_EXIT_INDIRECT);
    }
}

static enum dbt_exit run_blocks(struct dbt_vcpu *d, bool *stop)
{
    return d->jit ? run_emitted(d, stop) : interpret(d, stop);
}

/* True: run() returns. */
static bool attend(struct dbt_vcpu *d)
{
    d->attend = false;
    if (d->vcpu->irq_news)
        return true;
    d->guest->interrupt(d);
    return false;
}

/* ---- Counting ---- */

static void set_single(struct dbt_vcpu *d, bool on)
{
    d->mode_common = on ? d->mode_common | DBT_MODE_SINGLE : d->mode_common & ~DBT_MODE_SINGLE;
    d->mode = on ? d->mode | DBT_MODE_SINGLE : d->mode & ~DBT_MODE_SINGLE;
}

/* With counting: where the next unit would go beyond the limit it is done in single steps, and at
 * the limit the run ends. */
static bool at_limit(struct dbt_vcpu *d)
{
    if (d->frame->count >= d->frame->limit)
        return true;
    if (d->frame->limit - d->frame->count < DBT_UNIT_INSNS)
        set_single(d, true);
    return false;
}

/* ---- One instruction at a time, for a debugger (kernel/debug.h) ---- */

unsigned dbt_points(const struct dbt_vcpu *d, const struct debug_point **points)
{
    if (!d->self_debugs)
        return debug_points(d->vcpu->vm, points);
    *points = d->own_points;
    return d->own_count;
}

/* True: a debugger has points in the guest, of which pages are kept out of the TLB. */
static bool points_begin(struct dbt_vcpu *d)
{
    const struct debug_point *points;
    unsigned count = dbt_points(d, &points);
    uint32_t now = d->vcpu->vm->debug ? d->vcpu->vm->debug->generation : 0;

    if (d->points_known != now)
        dbt_tlb_forget(d);
    d->points_known = now;
    d->watching = count != 0;
    return d->watching;
}

static bool at_breakpoint(struct dbt_vcpu *d)
{
    const struct debug_point *points;
    unsigned count = debug_points(d->vcpu->vm, &points);

    for (unsigned i = 0; i < count; i++) {
        if (points[i].kind != POINT_BREAK || points[i].address != d->frame->pc)
            continue;
        d->point_hit = i + 1;
        return true;
    }
    return false;
}

/* The unit of one instruction at frame->pc. */
static enum dbt_exit run_one(struct dbt_vcpu *d, bool *stop)
{
    struct dbt_frame *f = d->frame;
    const struct dbt_block *b = find(d, f->pc, stop);

    if (!b)
        return DBT_EXIT_POLL;
    f->pc_base = f->pc & ~(uint64_t)(IR_PAGE_SIZE - 1);
    f->detail = 0;
    return interp_run(f, &b->interp, &d->interp);
}

static void debug_stop(const struct dbt_vcpu *d, struct vm_exit *exit)
{
    exit->kind = EXIT_DEBUG;
    exit->debug.what = d->point_hit ? EXIT_DEBUG_POINT : EXIT_DEBUG_STEP;
    exit->debug.point = d->point_hit - 1;
    exit->debug.address = d->point_address;
}

/* True: run() returns. */
static bool run_singly(struct dbt_vcpu *d, struct vm_exit *exit)
{
    bool stop = false;

    d->point_hit = 0;
    switch (run_one(d, &stop)) {
    case DBT_EXIT_FAULT:
        deliver_fault(d);
        break;
    case DBT_EXIT_LEAVE:
        d->counters.leaves++;
        stop = d->guest->execute(d, exit) == DBT_STOP;
        break;
    default:
        stop |= dbt_knobs.count && at_limit(d);
        break;
    }
    if (stop || !d->point_hit)
        return stop;
    debug_stop(d, exit);
    return true;
}

/* Interrupts wait, and a poll word that was set for them must not keep it from the instruction. A
 * first try may only have made floating-point registers writable. */
static void run_step(struct dbt_vcpu *d, struct vm_exit *exit)
{
    uint64_t pc = d->frame->pc, count = d->frame->count;
    bool stop = false;

    exit->kind = EXIT_INTERRUPT;
    for (unsigned i = 0; i < 2 && !stop; i++) {
        __atomic_store_n(&d->frame->poll, 0, __ATOMIC_SEQ_CST);
        stop = run_singly(d, exit);
        if (!stop && (d->frame->pc != pc || d->frame->count != count)) {
            debug_stop(d, exit);
            stop = true;
        }
    }
    d->attend = true;
}

static void run_with_points(struct dbt_vcpu *d, struct vm_exit *exit)
{
    bool stop = attend(d);

    exit->kind = EXIT_INTERRUPT;
    while (!stop) {
        if (at_breakpoint(d)) {
            debug_stop(d, exit);
            return;
        }
        stop = run_singly(d, exit);
        if (unlikely(d->attend) && !stop)
            stop = attend(d);
        if (unlikely(__atomic_load_n(&d->frame->poll, __ATOMIC_RELAXED)))
            stop = true;
    }
}

/* For a debugger inside the guest. */
static void run_self_debugged(struct dbt_vcpu *d, struct vm_exit *exit)
{
    bool stop = attend(d), steps;

    exit->kind = EXIT_INTERRUPT;
    while (!stop && d->guest->self_debug(d)) {
        uint64_t pc = d->frame->pc, count = d->frame->count;

        if (!d->guest->self_before(d, &steps)) {
            stop = run_singly(d, exit);
            if (steps && (d->frame->pc != pc || d->frame->count != count))
                d->guest->self_after(d);
        }
        if (unlikely(d->attend) && !stop)
            stop = attend(d);
        if (unlikely(__atomic_load_n(&d->frame->poll, __ATOMIC_RELAXED)))
            stop = true;
    }
}

static void run_until_exit(struct dbt_vcpu *d, struct vm_exit *exit)
{
    bool stop = attend(d);

    exit->kind = EXIT_INTERRUPT;
    while (!stop) {
        switch (run_blocks(d, &stop)) {
        case DBT_EXIT_FAULT:
            deliver_fault(d);
            break;
        case DBT_EXIT_LEAVE:
            d->counters.leaves++;
            stop = d->guest->execute(d, exit) == DBT_STOP;
            break;
        case DBT_EXIT_BROKEN:
            exit->kind = EXIT_FATAL;
            exit->fatal.text = d->broke;
            exit->fatal.code = d->frame->fault.address;
            stop = true;
            break;
        default:
            stop |= dbt_knobs.count && at_limit(d);
            break;
        }
        if (unlikely(d->attend) && !stop)
            stop = attend(d);
        if (unlikely(__atomic_load_n(&d->frame->poll, __ATOMIC_RELAXED)))
            stop = true;
    }
}

static bool wants_self(struct dbt_vcpu *d)
{
    return d->guest->self_debug && d->guest->self_debug(d);
}

/* Called masked, with vcpu->mode set: requests that come from here on set the poll word. */
static void run(struct vcpu *v, struct vm_exit *exit)
{
    struct dbt_vcpu *d = dbt_vcpu(v);
    bool news = v->irq_news, step = false, points = false;

    if (READ_ONCE(v->vm->parallel))
        d->mode_common &= ~DBT_MODE_ONE_VCPU;
    if (unlikely(v->vm->debug || d->self_debugs || wants_self(d))) {
        const struct debug_point *outside;

        step = debug_stepping(v);
        d->self_debugs = !step && !debug_points(v->vm, &outside) && wants_self(d);
        points = points_begin(d);
        d->mode_common &= ~DBT_MODE_SINGLE;
        d->mode_common |= step || points || d->self_debugs ? DBT_MODE_SINGLE : 0;
    }

    __atomic_store_n(&d->frame->poll, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) || READ_ONCE(this_cpu()->need_resched))
        kick(v);
    host_irq_enable();
    v->irq_news = false;
    dbt_table_safe_point(d);
    dbt_windows_safe_point(d);
    d->guest->enter(d);
    v->reg_dirty = 0;
    if (unlikely(step))
        run_step(d, exit);
    else if (unlikely(d->self_debugs))
        run_self_debugged(d, exit);
    else if (unlikely(points))
        run_with_points(d, exit);
    else
        run_until_exit(d, exit);
    dbt_windows_ran(d);
    d->guest->leave(d);
    if (unlikely(d->crowded)) {
        d->crowded = false;
        thread_yield();
    }
    if (dbt_knobs.count && d->frame->count >= d->frame->limit) {
        set_single(d, false);
        dbt_knobs.counted(d);
    }
    host_irq_disable();
    v->irq_news |= news;
}

/* ---- For people ---- */

typedef unsigned long long ull;

static void add_counters(struct dbt_counters *sum, const struct dbt_counters *c)
{
    for (unsigned i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
        ((uint64_t *)sum)[i] += ((const uint64_t *)c)[i];
}

/* Emitted code counts its instructions with DBT_MODE_COUNT only. */
static bool counts_all(const struct vm *vm)
{
    const struct dbt_vm *own = vm->engine_data;

    return dbt_knobs.count || !own->jit;
}

static void print_insns(const struct vm *vm, struct out *out, uint64_t insns)
{
    uint64_t ns = 0;

    for (unsigned i = 0; i < vm->vcpu_count; i++)
        ns += vm_ticks_to_ns(vm->vcpus[i]->stats.guest_ticks);
    if (counts_all(vm))
        out_printf(out, "translator: %llu instructions, %llu million a second\n", (ull)insns,
                   (ull)(ns ? insns * 1000 / ns : 0));
    else
        out_printf(out, "translator: instructions are counted by engine interp only, and where "
                        "time is their number\n");
}

/* Blocks that run less often than this are interpreted. */
static void print_threshold(const struct vm *vm, struct out *out)
{
    uint32_t least = UINT32_MAX, most = 0;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        uint32_t threshold = dbt_vcpu(vm->vcpus[i])->threshold;

        least = MIN(least, threshold);
        most = MAX(most, threshold);
    }
    out_printf(out, "  code is emitted for blocks after %u to %u runs\n", least, most);
}

static void print_counters(struct out *out, const struct dbt_counters *c)
{
    uint64_t us = c->translate_ticks * 1000000 / host_counter_hz();

    out_printf(out, "  %llu units of %llu instructions made in %llu us: %llu a second\n",
               (ull)c->units, (ull)c->unit_insns, (ull)us,
               (ull)(us ? c->unit_insns * 1000000 / us : 0));
    out_printf(out, "  slow look-ups %llu, C instructions %llu, faults %llu, interrupts %llu\n",
               (ull)c->dispatches, (ull)c->leaves, (ull)c->faults, (ull)c->interrupts);
    out_printf(out, "  TLB: misses %llu, walks %llu, tables emptied %llu; devices %llu\n",
               (ull)c->tlb_misses, (ull)c->walks, (ull)c->tlb_cleared, (ull)c->device_accesses);
    out_printf(out, "  flushes: all %llu, ASID %llu, page %llu, by others %llu\n",
               (ull)c->flush_all, (ull)c->flush_asid, (ull)c->flush_page, (ull)c->flush_remote);
    out_printf(out, "  emitted %llu blocks, %llu bytes; links %llu, jumps %llu, contexts %llu\n",
               (ull)c->emitted, (ull)c->emitted_bytes, (ull)c->links, (ull)c->jumps,
               (ull)c->contexts);
    if (c->window_pages)
        out_printf(out,
                   "  page tables: mapped %llu, taken back %llu, of 2 MiB %llu, ranges moved %llu, "
                   "instructions that look up %llu\n",
                   (ull)c->window_pages, (ull)c->window_drops, (ull)c->window_large,
                   (ull)c->window_moves, (ull)c->looked_up);
    if (c->code_starved || c->blocks_starved)
        out_printf(out, "  no memory left: for code %llu times, for blocks %llu times\n",
                   (ull)c->code_starved, (ull)c->blocks_starved);
    if (c->checked)
        out_printf(out, "  runs of blocks checked %llu, not compared %llu\n", (ull)c->checked,
                   (ull)c->unchecked);
    out_printf(out, "  entries of the cage %llu\n", (ull)c->cage_entries);
    out_printf(out, "  writes to code %llu; blocks invalidated %llu, evicted %llu\n",
               (ull)c->code_writes, (ull)c->invalidated, (ull)c->evicted);
}

/* What emitted code leaves to C, by number: operations by their code, then the guest's helpers. */
#define SLOW_KINDS (IR_CODE_COUNT + DBT_HELPERS_MAX)

static uint64_t slow_sum(const struct vm *vm, unsigned kind)
{
    uint64_t sum = 0;

    if (kind == IR_helper || kind == IR_helper_fp)
        return 0; /* each has its own number */
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct dbt_vcpu *d = dbt_vcpu(vm->vcpus[i]);

        sum += kind < IR_CODE_COUNT ? d->slow[kind] : d->helped[kind - IR_CODE_COUNT];
    }
    return sum;
}

static const char *slow_name(const struct vm *vm, unsigned kind)
{
    return kind < IR_CODE_COUNT ? ir_info[kind].name
                                : vm->isa->translator->helpers[kind - IR_CODE_COUNT].name;
}

static void print_slow(const struct vm *vm, struct out *out)
{
    bool told[SLOW_KINDS] = {false};

    out_printf(out, "  operations left to C functions:");
    for (unsigned shown = 0; shown < SLOW_SHOWN; shown++) {
        uint64_t most = 0;
        unsigned which = 0;

        for (unsigned kind = 0; kind < SLOW_KINDS; kind++) {
            uint64_t sum = slow_sum(vm, kind);

            if (!told[kind] && sum > most) {
                most = sum;
                which = kind;
            }
        }
        if (!most)
            break;
        out_printf(out, "%s %s %llu", shown ? "," : "", slow_name(vm, which), (ull)most);
        told[which] = true;
    }
    out_printf(out, "\n");
}

/* Of all vCPUs; returns how many instructions they executed. */
static uint64_t sum_counters(const struct vm *vm, struct dbt_counters *sum)
{
    uint64_t insns = 0;

    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        add_counters(sum, &dbt_vcpu(vm->vcpus[i])->counters);
        insns += dbt_vcpu(vm->vcpus[i])->frame->count;
    }
    return insns;
}

static void stats(struct vm *vm, struct out *out)
{
    const struct dbt_vm *own = vm->engine_data;
    struct dbt_counters sum;
    uint64_t insns = sum_counters(vm, &sum), bytes, blocks;

    print_insns(vm, out, insns);
    print_counters(out, &sum);
    if (own->jit) {
        print_threshold(vm, out);
        print_slow(vm, out);
    }
    dbt_table_usage(own->table, &bytes, &blocks);
    out_printf(out, "  blocks %llu in %llu KiB; with the code cache %llu KiB\n", (ull)blocks,
               (ull)(bytes >> 10), (ull)((bytes + dbt_jit_bytes(own->jit)) >> 10));
}

/* By the names of their fields; one record, which fits a line of the sink. */
static void json(struct vm *vm, struct json *j)
{
    static const struct {
        const char *name;
        size_t offset;
    } names[] = {
#define COUNTER(field) {#field, offsetof(struct dbt_counters, field)}
        COUNTER(units),           COUNTER(unit_insns),     COUNTER(dispatches),
        COUNTER(leaves),          COUNTER(faults),         COUNTER(interrupts),
        COUNTER(tlb_misses),      COUNTER(walks),          COUNTER(tlb_cleared),
        COUNTER(flush_all),       COUNTER(flush_asid),     COUNTER(flush_page),
        COUNTER(evicted),         COUNTER(invalidated),    COUNTER(code_writes),
        COUNTER(flush_remote),    COUNTER(window_pages),   COUNTER(window_drops),
        COUNTER(window_moves),    COUNTER(looked_up),      COUNTER(emitted),
        COUNTER(links),           COUNTER(jumps),          COUNTER(contexts),
        COUNTER(device_accesses), COUNTER(emitted_bytes),  COUNTER(cage_entries),
        COUNTER(code_starved),    COUNTER(blocks_starved), COUNTER(window_large),
#undef COUNTER
    };
    const struct dbt_vm *own = vm->engine_data;
    struct dbt_counters sum;
    uint64_t insns = sum_counters(vm, &sum), bytes, blocks;

    if (counts_all(vm))
        json_number(j, "insns", insns);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        json_number(j, names[i].name, *(const uint64_t *)((const char *)&sum + names[i].offset));
    json_number(j, "translate_ns", vm_ticks_to_ns(sum.translate_ticks));
    dbt_table_usage(own->table, &bytes, &blocks);
    json_number(j, "blocks", blocks);
    json_number(j, "block_bytes", bytes);
    json_number(j, "cache_bytes", bytes + dbt_jit_bytes(own->jit));
}

static unsigned count_points(bool watch, bool *shared)
{
    (void)watch;
    *shared = true;
    return DEBUG_POINTS;
}

#define ENGINE(name_, preference_, probe_, report_)                                         \
    TABLE_ENTRY(engines, struct engine, engine_##name_) = {.name = #name_,                  \
                                                           .preference = preference_,       \
                                                           .probe = probe_,                 \
                                                           .cpu_enable = nothing_to_enable, \
                                                           .report = report_,               \
                                                           .stage2_format = stage2_format,  \
                                                           .vm_init = vm_init,              \
                                                           .vm_destroy = vm_destroy,        \
                                                           .vcpu_init = vcpu_init,          \
                                                           .vcpu_destroy = vcpu_fini,       \
                                                           .load = load,                    \
                                                           .put = put,                      \
                                                           .run = run,                      \
                                                           .fetch = no_fetch,               \
                                                           .flush = flush,                  \
                                                           .kick = kick,                    \
                                                           .debug_points = count_points,    \
                                                           .stats = stats,                  \
                                                           .json = json}

ENGINE(interp, INTERP_PREFERENCE, always, report_interp);
ENGINE(jit, JIT_PREFERENCE, dbt_jit_probe, report_jit);
ENGINE(hybrid, HYBRID_PREFERENCE, dbt_jit_probe, report_hybrid);
