/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The SBI that guests see (RISC-V SBI 2.0): base, time, IPI, remote fences, hart state, system
 * reset, debug console. One table of extensions; a function returns what goes to the guest's a0 and
 * a1, or an action that ends the call otherwise.
 */
#include "arch/riscv64/guest/machine.h"
#include "kernel/guest_console.h"
#include "kernel/log.h"

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

struct sbi_reply {
    enum exit_action action;
    long error;
    uint64_t value;
};

static struct sbi_reply reply(long error)
{
    return (struct sbi_reply){.action = ACTION_RESUME, .error = error};
}

static struct sbi_reply reply_value(uint64_t value)
{
    return (struct sbi_reply){.action = ACTION_RESUME, .value = value};
}

struct sbi_extension {
    uint64_t id;
    struct sbi_reply (*call)(struct vcpu *v, uint64_t function, const uint64_t *a);
};

static const struct sbi_extension *find_extension(uint64_t id);

/* ---- Base (chapter 4) ---- */

static struct sbi_reply call_base(struct vcpu *v, uint64_t function, const uint64_t *a)
{
    (void)v;
    switch (function) {
    case 0:
        return reply_value(SBI_SPEC_VERSION);
    case 1:
        return reply_value(SBI_IMPL_ID);
    case 2:
        return reply_value(SBI_IMPL_VERSION);
    case 3:
        return reply_value(find_extension(a[0]) != NULL);
    case 4: /* mvendorid, marchid, mimpid: none */
    case 5:
    case 6:
        return reply_value(0);
    default:
        return reply(SBI_NOT_SUPPORTED);
    }
}

/* ---- Timer (chapter 6) ---- */

static struct sbi_reply call_time(struct vcpu *v, uint64_t function, const uint64_t *a)
{
    if (function != 0)
        return reply(SBI_NOT_SUPPORTED);
    vcpu_dirty(v, RISCV_TIMER);
    riscv_state(v)->stimecmp = a[0];
    return reply(SBI_SUCCESS);
}

/* ---- Harts by mask (3.1) ---- */

/* Calls `fn` for each hart of the mask; SBI_INVALID_PARAM when it names one that does not exist. */
static long for_each_hart(struct vcpu *v, uint64_t mask, uint64_t base,
                          void (*fn)(struct vcpu *target, void *arg), void *arg)
{
    struct vm *vm = v->vm;

    if (base == SBI_ALL_HARTS) {
        for (unsigned i = 0; i < vm->vcpu_count; i++)
            fn(vm->vcpus[i], arg);
        return SBI_SUCCESS;
    }
    if (mask &&
        (base >= vm->vcpu_count || 63 - (uint64_t)__builtin_clzl(mask) >= vm->vcpu_count - base))
        return SBI_INVALID_PARAM;
    for (; mask; mask &= mask - 1)
        fn(vm->vcpus[base + (uint64_t)__builtin_ctzl(mask)], arg);
    return SBI_SUCCESS;
}

static void send_ipi(struct vcpu *target, void *unused)
{
    (void)unused;
    __atomic_store_n(&riscv_hart(target)->ipi, 1, __ATOMIC_SEQ_CST);
    vcpu_request(target, VCPU_REQUEST_IRQ);
}

static struct sbi_reply call_ipi(struct vcpu *v, uint64_t function, const uint64_t *a)
{
    if (function != 0)
        return reply(SBI_NOT_SUPPORTED);
    return reply(for_each_hart(v, a[0], a[1], send_ipi, NULL));
}

/* ---- Remote fences (chapter 8) ---- */

/* Asks for the fence; a hart that is in the guest is kicked out. */
static void fence_ask(struct vcpu *target, void *kind)
{
    __atomic_fetch_or(&riscv_state(target)->fences, *(uint32_t *)kind, __ATOMIC_SEQ_CST);
    if (target != vcpu_current())
        vcpu_request(target, VCPU_REQUEST_IRQ);
}

/* The fence is done when the hart has taken the request, or is outside and will take it before it
 * enters. */
static void fence_wait(struct vcpu *target, void *unused)
{
    (void)unused;
    while (target != vcpu_current() &&
           __atomic_load_n(&riscv_state(target)->fences, __ATOMIC_SEQ_CST) &&
           __atomic_load_n(&target->mode, __ATOMIC_SEQ_CST) == VCPU_IN_GUEST)
        host_cpu_relax();
}

static struct sbi_reply call_rfence(struct vcpu *v, uint64_t function, const uint64_t *a)
{
    uint32_t kind = function == 0 ? RISCV_FENCE_I : RISCV_FENCE_VMA;
    long error;

    if (function > 2) /* the hfence forms: guests have no H extension */
        return reply(SBI_NOT_SUPPORTED);
    error = for_each_hart(v, a[0], a[1], fence_ask, &kind);
    if (error == SBI_SUCCESS)
        (void)for_each_hart(v, a[0], a[1], fence_wait, NULL);
    return reply(error);
}

/* ---- Hart state management (chapter 9) ---- */

/* The target is stopped: its state is canonical, and its thread does not touch it before
 * vcpu_start(). */
static struct sbi_reply hart_start(struct vcpu *v, uint64_t id, uint64_t address, uint64_t opaque)
{
    uint32_t stopped = RISCV_HART_STOPPED;
    struct vcpu *target;
    struct riscv_state *s;

    if (id >= v->vm->vcpu_count)
        return reply(SBI_INVALID_PARAM);
    target = v->vm->vcpus[id];
    if (!__atomic_compare_exchange_n(&riscv_hart(target)->hart_state, &stopped, RISCV_HART_STARTED,
                                     false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return reply(SBI_ALREADY_AVAILABLE);
    s = riscv_state(target);
    s->pc = address;
    s->prv = RISCV_PRV_S;
    s->x[RISCV_A0] = id;
    s->x[RISCV_A1] = opaque;
    s->satp = 0;
    s->sie = 0;
    s->sstatus = RISCV_SSTATUS_UXL_64;
    s->sip = 0;
    s->stimecmp = UINT64_MAX;
    vcpu_start(target);
    return reply(SBI_SUCCESS);
}

static struct sbi_reply hart_stop(struct vcpu *v)
{
    vcpu_dirty(v, UINT64_MAX); /* all canonical from here on */
    __atomic_store_n(&v->running, false, __ATOMIC_SEQ_CST);
    __atomic_store_n(&riscv_hart(v)->hart_state, RISCV_HART_STOPPED, __ATOMIC_SEQ_CST);
    return reply(SBI_SUCCESS);
}

static struct sbi_reply call_hsm(struct vcpu *v, uint64_t function, const uint64_t *a)
{
    switch (function) {
    case 0:
        return hart_start(v, a[0], a[1], a[2]);
    case 1:
        return hart_stop(v);
    case 2:
        if (a[0] >= v->vm->vcpu_count)
            return reply(SBI_INVALID_PARAM);
        return reply_value(
            __atomic_load_n(&riscv_hart(v->vm->vcpus[a[0]])->hart_state, __ATOMIC_SEQ_CST));
    case 3: /* suspend: the default retentive kind is wfi */
        if ((uint32_t)a[0] != 0)
            return reply(SBI_NOT_SUPPORTED);
        return (struct sbi_reply){.action = ACTION_IDLE};
    default:
        return reply(SBI_NOT_SUPPORTED);
    }
}

/* ---- System reset (chapter 10) ---- */

static struct sbi_reply call_srst(struct vcpu *v, uint64_t function, const uint64_t *a)
{
    (void)v;
    if (function != 0)
        return reply(SBI_NOT_SUPPORTED);
    if ((uint32_t)a[0] == 0)
        return (struct sbi_reply){.action = ACTION_POWEROFF};
    if ((uint32_t)a[0] <= 2)
        return (struct sbi_reply){.action = ACTION_RESET};
    return reply(SBI_INVALID_PARAM);
}

/* ---- Debug console (chapter 12) ---- */

#define DBCN_CHUNK 64

static struct sbi_reply dbcn_write(struct vcpu *v, uint64_t count, uint64_t address)
{
    char bytes[DBCN_CHUNK];
    uint64_t n = MIN(count, (uint64_t)sizeof(bytes)), done = 0;

    if (guest_copy_from(v->vm->memory, GPA(address), bytes, n) != ERR_OK)
        return reply(SBI_INVALID_PARAM);
    while (done < n && guest_console_put(v->vm->console, (uint8_t)bytes[done]))
        done++;
    return reply_value(done);
}

static struct sbi_reply dbcn_read(struct vcpu *v, uint64_t count, uint64_t address)
{
    char bytes[DBCN_CHUNK];
    uint64_t n = 0;

    while (n < MIN(count, (uint64_t)sizeof(bytes)) && guest_console_has_input(v->vm->console))
        bytes[n++] = (char)guest_console_get(v->vm->console);
    if (n && guest_copy_to(v->vm->memory, GPA(address), bytes, n) != ERR_OK)
        return reply(SBI_INVALID_PARAM);
    return reply_value(n);
}

/* A partial write is allowed: the guest calls again for the rest. */
static struct sbi_reply call_dbcn(struct vcpu *v, uint64_t function, const uint64_t *a)
{
    if (function < 2 && a[2] != 0)
        return reply(SBI_INVALID_PARAM);
    switch (function) {
    case 0:
        return dbcn_write(v, a[0], a[1]);
    case 1:
        return dbcn_read(v, a[0], a[1]);
    case 2:
        return reply(guest_console_put(v->vm->console, (uint8_t)a[0]) ? SBI_SUCCESS : SBI_FAILED);
    default:
        return reply(SBI_NOT_SUPPORTED);
    }
}

static const struct sbi_extension extensions[] = {
    {SBI_EXT_TIME, call_time}, {SBI_EXT_IPI, call_ipi},   {SBI_EXT_RFENCE, call_rfence},
    {SBI_EXT_HSM, call_hsm},   {SBI_EXT_BASE, call_base}, {SBI_EXT_SRST, call_srst},
    {SBI_EXT_DBCN, call_dbcn},
};

static const struct sbi_extension *find_extension(uint64_t id)
{
    for (unsigned i = 0; i < ARRAY_SIZE(extensions); i++)
        if (extensions[i].id == id)
            return &extensions[i];
    return NULL;
}

enum exit_action riscv_sbi_call(struct vcpu *v)
{
    struct riscv_state *s = riscv_state(v);
    const struct sbi_extension *e = find_extension(s->x[RISCV_A7]);
    struct sbi_reply r = reply(SBI_NOT_SUPPORTED);

    s->pc += 4; /* ecall has no compressed form */
    if (e)
        r = e->call(v, s->x[RISCV_A6], &s->x[RISCV_A0]);
    s->x[RISCV_A0] = (uint64_t)r.error;
    s->x[RISCV_A1] = r.value;
    return r.action;
}
