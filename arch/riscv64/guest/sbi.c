/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The SBI that guests see (RISC-V SBI 2.0): base, time, IPI, remote fences, hart state, system
 * reset, debug console. Arguments are in the guest's a0 to a5; a function leaves its result in a0
 * and a1 and says what the vCPU does next.
 */
#include "arch/riscv64/guest/machine.h"
#include "kernel/guest_console.h"
#include "kernel/log.h"

#include <string.h>

enum sbi_error {
    SBI_SUCCESS = 0,
    SBI_FAILED = -1,
    SBI_NOT_SUPPORTED = -2,
    SBI_INVALID_PARAM = -3,
    SBI_INVALID_ADDRESS = -5,
    SBI_ALREADY_AVAILABLE = -6,
};

#define SBI_SPEC_VERSION 0x02000000UL /* 2.0 */
#define SBI_IMPL_ID      0x456e6eUL   /* "Enn": not assigned to anybody */
#define SBI_IMPL_VERSION 1
#define SBI_ALL_HARTS    (~0UL)

#define SBI_EXT_BASE   0x10UL
#define SBI_EXT_TIME   0x54494d45UL
#define SBI_EXT_IPI    0x735049UL
#define SBI_EXT_RFENCE 0x52464e43UL
#define SBI_EXT_HSM    0x48534dUL
#define SBI_EXT_SRST   0x53525354UL
#define SBI_EXT_DBCN   0x4442434eUL

/* Suspend types (table 9.2). */
#define HSM_SUSPEND_RETENTIVE     0u
#define HSM_SUSPEND_PLATFORM      0x10000000u
#define HSM_SUSPEND_NON_RETENTIVE 0x80000000u

/* Ends a call: the guest runs on with `error` in a0 and `value` in a1 (chapter 3). */
static enum exit_action done_value(struct riscv_state *s, enum sbi_error error, uint64_t value)
{
    s->x[RISCV_A0] = (uint64_t)(long)error;
    s->x[RISCV_A1] = value;
    return ACTION_RESUME;
}

static enum exit_action done(struct riscv_state *s, enum sbi_error error)
{
    return done_value(s, error, 0);
}

static bool extension_exists(uint64_t id);

/* ---- Base (chapter 4) ---- */

#define BASE_PROBE_EXTENSION 3

static enum exit_action call_base(struct vcpu *v, struct riscv_state *s, uint64_t function)
{
    /* The last three: mvendorid, marchid, mimpid, of which there are none. */
    static const uint64_t values[] = {SBI_SPEC_VERSION, SBI_IMPL_ID, SBI_IMPL_VERSION, 0, 0, 0, 0};

    (void)v;
    if (unlikely(function >= ARRAY_SIZE(values)))
        return done(s, SBI_NOT_SUPPORTED);
    if (function == BASE_PROBE_EXTENSION)
        return done_value(s, SBI_SUCCESS, extension_exists(s->x[RISCV_A0]));
    return done_value(s, SBI_SUCCESS, values[function]);
}

/* ---- Timer (chapter 6) ---- */

static enum exit_action call_time(struct vcpu *v, struct riscv_state *s, uint64_t function)
{
    if (function != 0)
        return done(s, SBI_NOT_SUPPORTED);
    vcpu_dirty(v, RISCV_TIMER);
    s->stimecmp = s->x[RISCV_A0];
    return done(s, SBI_SUCCESS);
}

/* ---- Harts by mask (3.1) ---- */

/* Calls `fn` for each hart of the mask in a0 (bit 0 is hart a1); SBI_INVALID_PARAM when it names
 * one that does not exist. */
static enum sbi_error for_each_hart(struct vcpu *v, void (*fn)(struct vcpu *target, void *arg),
                                    void *arg)
{
    struct vm *vm = v->vm;
    uint64_t mask = riscv_state(v)->x[RISCV_A0], base = riscv_state(v)->x[RISCV_A1];

    if (base == SBI_ALL_HARTS) {
        for (unsigned i = 0; i < vm->vcpu_count; i++)
            fn(vm->vcpus[i], arg);
        return SBI_SUCCESS;
    }
    if (mask &&
        (base >= vm->vcpu_count || (vm->vcpu_count - base < 64 && mask >> (vm->vcpu_count - base))))
        return SBI_INVALID_PARAM;
    for (struct vcpu **target = vm->vcpus + base; mask; mask >>= 1, target++)
        if (mask & 1)
            fn(*target, arg);
    return SBI_SUCCESS;
}

static void send_ipi(struct vcpu *target, void *by)
{
    __atomic_store_n(&riscv_hart(target)->ipi, 1, __ATOMIC_SEQ_CST);
    riscv_hart_notify(target, by);
}

static enum exit_action call_ipi(struct vcpu *v, struct riscv_state *s, uint64_t function)
{
    if (function != 0)
        return done(s, SBI_NOT_SUPPORTED);
    return done(s, for_each_hart(v, send_ipi, v));
}

/* ---- Remote fences (chapter 8) ---- */

struct fence_request {
    struct vcpu *by; /* who asks */
    uint32_t kind;   /* enum riscv_fence */
    struct riscv_fence_range range;
};

/* Without room for it another one of its address space becomes all of that; false: there is none.
 */
static bool fence_join(struct riscv_hart *hart, uint64_t asid)
{
    for (unsigned i = 0; i < hart->range_count; i++) {
        if (hart->ranges[i].asid != asid || asid == RISCV_ASID_ALL)
            continue;
        hart->ranges[i] = (struct riscv_fence_range){.asid = asid};
        return true;
    }
    return false;
}

/* Adds the range; false when there is no room for it. */
static bool fence_add_range(struct riscv_hart *hart, const struct riscv_fence_range *range)
{
    uint64_t flags = spin_lock_irq(&hart->fence_lock);
    bool room = hart->range_count < RISCV_FENCE_RANGES;

    if (room)
        hart->ranges[hart->range_count++] = *range;
    else
        room = fence_join(hart, range->asid);
    spin_unlock_irq(&hart->fence_lock, flags);
    return room;
}

/* Asks for the fence; a hart that is in the guest is kicked out. */
static void fence_ask(struct vcpu *target, void *arg)
{
    const struct fence_request *f = arg;
    struct riscv_hart *hart = riscv_hart(target);
    uint32_t kind = f->kind;

    if (kind == RISCV_FENCE_PAGES && !fence_add_range(hart, &f->range))
        kind = RISCV_FENCE_VMA;
    __atomic_fetch_or(&hart->fences, kind, __ATOMIC_SEQ_CST);
    riscv_hart_notify(target, f->by);
}

/* The fence is done when the hart has taken the request, or is outside and will take it before it
 * enters. */
static void fence_wait(struct vcpu *target, void *unused)
{
    (void)unused;
    while (target != vcpu_current() &&
           __atomic_load_n(&riscv_hart(target)->fences, __ATOMIC_SEQ_CST) &&
           __atomic_load_n(&target->mode, __ATOMIC_SEQ_CST) == VCPU_IN_GUEST)
        host_cpu_relax();
}

uint32_t riscv_fences_take(struct riscv_hart *hart,
                           struct riscv_fence_range ranges[RISCV_FENCE_RANGES], unsigned *count)
{
    uint32_t kinds = __atomic_load_n(&hart->fences, __ATOMIC_RELAXED);

    *count = 0;
    if (kinds)
        kinds = __atomic_exchange_n(&hart->fences, 0, __ATOMIC_SEQ_CST);
    if (kinds & RISCV_FENCE_PAGES) {
        uint64_t flags = spin_lock_irq(&hart->fence_lock);

        *count = hart->range_count;
        memcpy(ranges, hart->ranges, *count * sizeof(ranges[0]));
        hart->range_count = 0;
        spin_unlock_irq(&hart->fence_lock, flags);
    }
    return kinds;
}

/* a2 and a3: start and size in bytes; 0, 0 and any size of all ones mean everything (8.1). */
static struct fence_request fence_vma(const struct riscv_state *s, uint64_t asid)
{
    uint64_t start = s->x[RISCV_A2], size = s->x[RISCV_A3];
    uint64_t first = ALIGN_DOWN(start, PAGE_SIZE);
    struct fence_request f = {.kind = RISCV_FENCE_PAGES, .range.asid = asid};

    if (size == 0 || size > RISCV_FENCE_MAXIMUM || start + size < start) {
        if (asid == RISCV_ASID_ALL)
            f.kind = RISCV_FENCE_VMA;
        return f;
    }
    f.range = (struct riscv_fence_range){
        .start = first, .size = ALIGN_UP(start + size - first, PAGE_SIZE), .asid = asid};
    return f;
}

static enum exit_action call_rfence(struct vcpu *v, struct riscv_state *s, uint64_t function)
{
    struct fence_request f;
    enum sbi_error error;

    switch (function) {
    case 0:
        f = (struct fence_request){.kind = RISCV_FENCE_I};
        break;
    case 1:
        f = fence_vma(s, RISCV_ASID_ALL);
        break;
    case 2:
        f = fence_vma(s, s->x[RISCV_A4] & RISCV_ASIDS);
        break;
    default: /* the hfence forms: guests have no H extension */
        return done(s, SBI_NOT_SUPPORTED);
    }
    f.by = v;
    error = for_each_hart(v, fence_ask, &f);
    if (error == SBI_SUCCESS)
        (void)for_each_hart(v, fence_wait, NULL);
    return done(s, error);
}

/* ---- Hart state management (chapter 9) ---- */

/* The target is stopped: its state is canonical, and its thread does not touch it before
 * vcpu_start(). */
static enum exit_action hart_start(struct vcpu *v, struct riscv_state *s)
{
    uint32_t stopped = RISCV_HART_STOPPED;
    uint64_t id = s->x[RISCV_A0], address = s->x[RISCV_A1];
    struct vcpu *target;

    if (id >= v->vm->vcpu_count)
        return done(s, SBI_INVALID_PARAM);
    if (!riscv_is_ram(v->vm, address))
        return done(s, SBI_INVALID_ADDRESS);
    target = v->vm->vcpus[id];
    if (!__atomic_compare_exchange_n(&riscv_hart(target)->hart_state, &stopped, RISCV_HART_STARTED,
                                     false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return done(s, SBI_ALREADY_AVAILABLE);
    riscv_hart_reset(target, address, s->x[RISCV_A2]);
    vcpu_start(target);
    return done(s, SBI_SUCCESS);
}

static enum exit_action hart_stop(struct vcpu *v, struct riscv_state *s)
{
    vcpu_dirty(v, UINT64_MAX); /* all canonical from here on */
    __atomic_store_n(&v->running, false, __ATOMIC_SEQ_CST);
    __atomic_store_n(&riscv_hart(v)->hart_state, RISCV_HART_STOPPED, __ATOMIC_SEQ_CST);
    return done(s, SBI_SUCCESS);
}

/* Both kinds are the default ones and wait as wfi does; the non-retentive one then runs on as if
 * started at an address (9.4). */
static enum exit_action hart_suspend(struct vcpu *v, struct riscv_state *s)
{
    struct riscv_hart *hart = riscv_hart(v);
    uint32_t type = (uint32_t)s->x[RISCV_A0];

    if (type != HSM_SUSPEND_RETENTIVE && type != HSM_SUSPEND_NON_RETENTIVE)
        return done(s, type > HSM_SUSPEND_NON_RETENTIVE || type < HSM_SUSPEND_PLATFORM
                           ? SBI_INVALID_PARAM
                           : SBI_NOT_SUPPORTED);
    if (type == HSM_SUSPEND_NON_RETENTIVE) {
        if (!riscv_is_ram(v->vm, s->x[RISCV_A1]))
            return done(s, SBI_INVALID_ADDRESS);
        hart->resumes_at_pc = true;
        hart->resume_pc = s->x[RISCV_A1];
        hart->resume_opaque = s->x[RISCV_A2];
    }
    __atomic_store_n(&hart->hart_state, RISCV_HART_SUSPENDED, __ATOMIC_SEQ_CST);
    v->irq_news = true; /* before_run() ends it */
    (void)done(s, SBI_SUCCESS);
    return riscv_idle(v);
}

static enum exit_action call_hsm(struct vcpu *v, struct riscv_state *s, uint64_t function)
{
    switch (function) {
    case 0:
        return hart_start(v, s);
    case 1:
        return hart_stop(v, s);
    case 2:
        if (s->x[RISCV_A0] >= v->vm->vcpu_count)
            return done(s, SBI_INVALID_PARAM);
        return done_value(s, SBI_SUCCESS,
                          __atomic_load_n(&riscv_hart(v->vm->vcpus[s->x[RISCV_A0]])->hart_state,
                                          __ATOMIC_SEQ_CST));
    case 3:
        return hart_suspend(v, s);
    default:
        return done(s, SBI_NOT_SUPPORTED);
    }
}

/* ---- System reset (chapter 10) ---- */

static enum exit_action call_srst(struct vcpu *v, struct riscv_state *s, uint64_t function)
{
    (void)v;
    if (function != 0)
        return done(s, SBI_NOT_SUPPORTED);
    if ((uint32_t)s->x[RISCV_A0] == 0)
        return ACTION_POWEROFF;
    if ((uint32_t)s->x[RISCV_A0] <= 2)
        return ACTION_RESET;
    return done(s, SBI_INVALID_PARAM);
}

/* ---- Debug console (chapter 12) ---- */

#define DBCN_CHUNK 64

static enum exit_action dbcn_write(struct vcpu *v, struct riscv_state *s)
{
    char bytes[DBCN_CHUNK];
    uint64_t n = MIN(s->x[RISCV_A0], (uint64_t)sizeof(bytes)), sent = 0;

    if (guest_copy_from(v->vm->memory, GPA(s->x[RISCV_A1]), bytes, n) != ERR_OK)
        return done(s, SBI_INVALID_PARAM);
    while (sent < n && guest_console_put(v->vm->console, (uint8_t)bytes[sent]))
        sent++;
    return done_value(s, SBI_SUCCESS, sent);
}

static enum exit_action dbcn_read(struct vcpu *v, struct riscv_state *s)
{
    uint64_t room = MIN(s->x[RISCV_A0], (uint64_t)DBCN_CHUNK), n = 0;
    gpa_t to = GPA(s->x[RISCV_A1]);
    char bytes[DBCN_CHUNK] = {0};

    if (guest_copy_to(v->vm->memory, to, bytes, room) != ERR_OK)
        return done(s, SBI_INVALID_PARAM); /* and no input is lost */
    while (n < room && guest_console_has_input(v->vm->console))
        bytes[n++] = (char)guest_console_get(v->vm->console);
    if (guest_copy_to(v->vm->memory, to, bytes, n) != ERR_OK)
        return done(s, SBI_FAILED);
    return done_value(s, SBI_SUCCESS, n);
}

/* A partial write is allowed: the guest calls again for the rest. */
static enum exit_action call_dbcn(struct vcpu *v, struct riscv_state *s, uint64_t function)
{
    if (function < 2 && s->x[RISCV_A2] != 0)
        return done(s, SBI_INVALID_PARAM);
    switch (function) {
    case 0:
        return dbcn_write(v, s);
    case 1:
        return dbcn_read(v, s);
    case 2:
        return done(s, guest_console_put(v->vm->console, (uint8_t)s->x[RISCV_A0]) ? SBI_SUCCESS
                                                                                  : SBI_FAILED);
    default:
        return done(s, SBI_NOT_SUPPORTED);
    }
}

/* ---- Dispatch ---- */

/* The low four bits of the ids differ. */
const struct riscv_sbi_extension riscv_sbi_extensions[RISCV_SBI_SLOTS] = {
    [RISCV_SBI_SLOT(SBI_EXT_BASE)] = {SBI_EXT_BASE, call_base},
    [RISCV_SBI_SLOT(SBI_EXT_TIME)] = {SBI_EXT_TIME, call_time},
    [RISCV_SBI_SLOT(SBI_EXT_IPI)] = {SBI_EXT_IPI, call_ipi},
    [RISCV_SBI_SLOT(SBI_EXT_RFENCE)] = {SBI_EXT_RFENCE, call_rfence},
    [RISCV_SBI_SLOT(SBI_EXT_HSM)] = {SBI_EXT_HSM, call_hsm},
    [RISCV_SBI_SLOT(SBI_EXT_SRST)] = {SBI_EXT_SRST, call_srst},
    [RISCV_SBI_SLOT(SBI_EXT_DBCN)] = {SBI_EXT_DBCN, call_dbcn},
};

static bool extension_exists(uint64_t id)
{
    const struct riscv_sbi_extension *e = &riscv_sbi_extensions[RISCV_SBI_SLOT(id)];

    return e->call && e->id == id;
}

enum exit_action riscv_sbi_unknown(struct riscv_state *s)
{
    return done(s, SBI_NOT_SUPPORTED);
}
